"""`python -m benchmarks [NAME ...]`: all benchmarks, or those named."""

import sys

from benchmarks import latency, memory, quota, small, throughput

ALL = {"small": small, "latency": latency, "quota": quota, "throughput": throughput, "memory": memory}


def main() -> int:
    names = sys.argv[1:] or list(ALL)
    if unknown := [name for name in names if name not in ALL]:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(ALL)}")
        return 2
    for name in names:
        print(f"== {name}: {(ALL[name].__doc__ or '').splitlines()[0]}", flush=True)
        ALL[name].run()
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
