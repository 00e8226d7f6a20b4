"""The log: lines of the standard `logging`, rendered by structlog, written to stderr by a thread.

The code logs with `logging` and puts what a line is about in `extra`. No thread that logs ever waits for
whoever reads stderr: lines go through a bounded queue, and those that find it full are dropped and
counted. `lines` says what a line holds, `writer` has the queue, `repeats` leaves out what only repeats.
"""

from gateway.logs.lines import formatter, places
from gateway.logs.setup import LogFormat, configure, flush, lines_dropped, watch_loop, watch_process

__all__ = [
    "LogFormat",
    "configure",
    "flush",
    "formatter",
    "lines_dropped",
    "places",
    "watch_loop",
    "watch_process",
]
