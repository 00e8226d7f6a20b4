"""Where the process starts: signals are listened to before anything slow is imported.

The imports of a gateway take half a second and more. Process 1 of a container has no default action for a
signal: without a handler the kernel drops SIGTERM, and the container is killed at the end of its grace
time. So a handler comes first, and this module imports next to nothing. It cannot cover the 20 ms or so in
which Python itself starts.
"""

import os
import signal
import sys
from types import FrameType

SERVICES = ("serve", "simulator")
"""Commands that run until they are asked to leave, which is then no failure."""
KILLED = 128
"""Added to a signal's number it is the exit code of a command that it has ended."""


def main() -> int:
    """Listen to signals, then run the command of the command line; return its exit code."""
    listen(sys.argv[1:])
    from gateway import cli  # slow

    return cli.main()


def listen(arguments: list[str]) -> None:
    """Let signals end the process at once, until the command has handlers of its own.

    Nothing has been taken from anybody by then, so a service that is asked to leave ends with 0. SIGUSR1
    asks for a line of the log, and does nothing that early. A signal that is ignored stays so.
    """
    is_service = arguments[:1] != [] and arguments[0] in SERVICES
    numbers = [signal.SIGTERM, signal.SIGINT] if is_service else [signal.SIGTERM]
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave if is_service else _killed)
    if is_service:
        signal.signal(signal.SIGUSR1, _nothing)


def _leave(_: int, __: FrameType | None) -> None:
    os._exit(0)  # what is half imported or half started is not unwound


def _killed(number: int, _: FrameType | None) -> None:
    os._exit(KILLED + number)


def _nothing(_: int, __: FrameType | None) -> None:
    pass
