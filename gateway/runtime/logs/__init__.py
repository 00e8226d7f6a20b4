"""The log: lines of the standard `logging`, rendered by structlog, written to stderr by a thread.

The code logs with `logging` and puts the values of a line in `extra`. No thread that logs waits for the
reader of stderr: lines go through a bounded queue, and lines that find it full are dropped and counted.
`lines` defines the content of a line, `writer` has the queue, and `repeats` drops repeated lines.
"""

from gateway.runtime.logs.log_format import formatter, places
from gateway.runtime.logs.setup import (
    LogFormat,
    configure,
    flush,
    lines_dropped,
    set_level,
    watch_loop,
    watch_process,
)

__all__ = [
    "LogFormat",
    "configure",
    "flush",
    "formatter",
    "lines_dropped",
    "places",
    "set_level",
    "watch_loop",
    "watch_process",
]
