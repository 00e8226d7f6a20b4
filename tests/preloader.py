"""The process behind `preloaded.py`: it imports the commands once and forks a process for each order.

`python -m tests.preloader FD` listens on a Unix socket. It forks itself for each test worker that connects,
and ends with its standard input. The fork reads orders from the connection, one per message, and ends with
it. An order is a JSON object with the module, its arguments, its environment and its working directory. Four
file descriptors come with it: the standard input, output and error of the command, and a socket for its
process id and its exit code.
"""

import asyncio
import atexit
import gc
import importlib
import io
import json
import os
import runpy
import select
import selectors
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

NUMBER = struct.Struct("i")
"""A process id or an exit code in a report."""
LONGEST_ORDER = 1 << 20
FILES = 4
STDIN, STDERR = 0, 2
IMPORTED = (
    "gateway.cli.serve",
    "gateway.cli.check",
    "gateway.cli.health_check",
    "gateway.simulator",
    "dialgateway.dialctl.arguments",
)
"""Modules that the commands import only after they have started."""

Order = Mapping[str, Any]


class Forks:
    """Forks a process for each order and reports its end."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ)
        self._interrupt = signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # Ctrl-C is for pytest and the commands

    def serve(self) -> Order | None:
        """Fork until the other end of the socket is closed.

        Returns the order in each forked process, and None in this process at the end.
        """
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._orders:
                    self._report(key)
                    continue
                data, files, _, _ = socket.recv_fds(self._orders, LONGEST_ORDER, FILES)
                if not data:
                    return None
                order: Order = json.loads(data)
                if self._fork(files):
                    return order

    def _fork(self, files: list[int]) -> bool:
        """Fork; return whether this is the new process. A signal waits until its handlers are in place."""
        *standard, report_file = files
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if not pid:
            self._become_command(standard, report_file)
            return True
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        for file in standard:
            os.close(file)
        report = socket.socket(fileno=report_file)
        _send(report, pid)
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, report))
        return False

    def _become_command(self, standard: list[int], report_file: int) -> None:
        """Close every file that does not belong to the command, and restore the signals."""
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                os.close(key.fd)
                key.data[1].close()
        self._orders.close()
        self._selector.close()
        os.close(report_file)
        for number, file in enumerate(standard):
            os.dup2(file, number)
            os.close(file)
        signal.signal(signal.SIGINT, self._interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())

    def _report(self, key: selectors.SelectorKey) -> None:
        pid, report = key.data
        self._selector.unregister(key.fileobj)
        os.close(key.fd)
        _, status = os.waitpid(pid, 0)
        with report:
            _send(report, os.waitstatus_to_exitcode(status))


def _send(report: socket.socket, number: int) -> None:
    with suppress(OSError):  # the test has ended and does not wait any more
        report.sendall(NUMBER.pack(number))


def run(order: Order) -> None:
    """Run the module of an order as `python -m` does, and end the process."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    open_standard_files()
    sys.path[0] = order["cwd"]
    sys.argv = [order["module"], *order["arguments"]]
    try:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        if not isinstance(ending.code, int | None):
            raise
        leave(ending.code or 0)
    leave(0)


def leave(code: int) -> None:
    """End the process as an interpreter does, except that it keeps its objects.

    To free those of the preloader takes longer than most commands, because it copies all their pages.
    """
    threading._shutdown()  # type: ignore[attr-defined] # waits for the threads, as the interpreter does
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)  # the interpreter reports it
    os._exit(code & 0xFF)


def open_standard_files() -> None:
    """Open the standard files as a new interpreter does.

    The objects of the preloader belong to the files that were open when it started.
    """
    for file, name in enumerate(("stdin", "stdout", "stderr")):
        opened = _opened(file, getattr(sys, name))
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)


def _opened(file: int, before: TextIO) -> TextIO:
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    size = 0 if unbuffered and file != STDIN else -1
    binary: Any = open(file, f"{before.mode}b", buffering=size, closefd=False)  # noqa: SIM115
    getattr(binary, "raw", binary).name = before.name
    text: Any = io.TextIOWrapper(
        binary,
        encoding=before.encoding,
        errors=before.errors,
        line_buffering=not unbuffered and (file == STDERR or os.isatty(file)),
        write_through=unbuffered,
    )
    text.mode = before.mode
    opened: TextIO = text
    return opened


async def read_models() -> None:
    """Read botocore's models of Connect into the caches of the gateway and of its simulator."""
    from gateway.connect.boto_sender import BotoConnect
    from gateway.simulator import SimulatorSettings
    from gateway.simulator.connect import SimulatedConnect

    SimulatedConnect(SimulatorSettings())
    for api in ("v1", "v2"):
        connect = BotoConnect(
            threads=1,
            timeout_s=1.0,
            endpoint_url="http://127.0.0.1:1",
            region="us-east-1",
            credentials=("preloader", "preloader"),
            api=api,
        )
        await connect.close()


def preload() -> None:
    """Import the commands."""
    for name in IMPORTED:
        importlib.import_module(name)
    asyncio.run(read_models())
    gc.collect()
    gc.freeze()  # a collection in a fork would write to each object, which copies its page


def serve_workers(listener: socket.socket) -> socket.socket | None:
    """Fork for each worker that connects. The commands are imported when the first one does.

    Returns the connection in each forked process, and None in this process at the end.
    """
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    is_loaded = False
    while listener.fileno() in select.select([listener.fileno(), STDIN], [], [])[0]:
        orders, _ = listener.accept()
        if not is_loaded:
            preload()
            is_loaded = True
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, interrupt)
            listener.close()
            return orders
        orders.close()
    return None


def main() -> None:
    """Serve workers, the orders of one of them, or run one order."""
    orders = serve_workers(socket.socket(fileno=int(sys.argv[1])))
    if orders is not None and (order := Forks(orders).serve()) is not None:
        run(order)


if __name__ == "__main__":
    main()
