"""The entry point: installs signal handlers before the slow imports.

The imports of a gateway take half a second or more. Process 1 of a container has no default action for a
signal: without a handler the kernel drops SIGTERM, and the container is killed at the end of its grace time.
So the handlers are installed first, and this module imports very little. It cannot cover the 20 ms in which
Python itself starts.
"""

import gc
import os
import signal
import sys
from types import FrameType

SERVICES = ("serve", "simulator")
"""Commands that run until a signal ends them, which is not a failure."""
KILLED = 128
"""Added to a signal's number, it gives the exit code of a command that the signal has ended."""


def main() -> int:
    """Install signal handlers, then run the command line; return its exit code."""
    listen(sys.argv[1:])
    open_standard_files()
    if sys.argv[1:2] == ["serve"]:
        gc.disable()  # until `configure_collector`: all that is imported stays
    from gateway.cli import main  # slow

    return main.main()


def open_standard_files() -> None:
    """Open the null device as each standard file that is closed, as some supervisors leave them.

    Otherwise the first connections would get these numbers, and with them the lines of the log.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def listen(arguments: list[str]) -> None:
    """Let signals end the process at once, until the command has handlers of its own.

    The gateway has taken no request by then, so a service that gets a signal ends with 0. SIGUSR1, which
    asks for a log line, and SIGHUP, which has files read again, do nothing that early. An ignored SIGTERM or
    SIGINT stays ignored.
    """
    is_service = arguments[:1] != [] and arguments[0] in SERVICES
    numbers = [signal.SIGTERM, signal.SIGINT] if is_service else [signal.SIGTERM]
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit if is_service else _killed)
    if is_service:
        for number in (signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, _nothing)


def _exit(_: int, __: FrameType | None) -> None:
    os._exit(0)  # exits without unwinding half-finished imports


def _killed(number: int, _: FrameType | None) -> None:
    os._exit(KILLED + number)


def _nothing(_: int, __: FrameType | None) -> None:
    pass
