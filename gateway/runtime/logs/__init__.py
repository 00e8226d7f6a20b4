"""The log: lines of the standard `logging`, rendered by structlog, written to stderr by a thread.

The code logs with `logging` and puts the values of a line in `extra`. No thread that logs waits for the
reader of stderr: lines go through a bounded queue, and lines that find it full are dropped and counted.
`log_format` defines the content of a line, `writer` has the queue, and `repeats` drops repeated lines.
`core_lines` takes in what libraries in C write to stderr.
"""

from gateway.runtime.logs.log_format import formatter, places
from gateway.runtime.logs.setup import (
    LogFormat,
    capture_core,
    configure,
    end_of_core,
    flush,
    lines_dropped,
    name_campaigns,
    set_level,
    watch_loop,
    watch_process,
)

__all__ = [
    "LogFormat",
    "capture_core",
    "configure",
    "end_of_core",
    "flush",
    "formatter",
    "lines_dropped",
    "name_campaigns",
    "places",
    "set_level",
    "watch_loop",
    "watch_process",
]
