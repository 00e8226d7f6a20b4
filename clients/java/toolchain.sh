# Sourced by the other scripts: ends with one line if Java is missing or too old.
found=$(javac -version 2>/dev/null | sed -E 's/^javac ([0-9]+).*/\1/' || true)
if ! [[ $found =~ ^[0-9]+$ ]] || ((found < 17)); then
    echo "clients/java: needs a JDK of Java 17 or newer, and finds ${found:-none}" >&2
    exit "${MISSING_TOOLCHAIN:-1}"
fi
