"""Writes log lines from a bounded queue in a separate thread, so that no caller waits for a slow reader."""

import json
import logging
import os
import queue
import select
import stat
import threading
import time
from collections.abc import Callable

LINES, SIZE = 10_000, 4 * 1024 * 1024
"""The most lines, and the most bytes, that wait to be written."""
AT_ONCE = 65_536
"""About how many bytes one write passes to the operating system: the size of a pipe."""
TELL_EVERY_S = 10.0
"""Seconds between two lines about dropped lines, while the queue is never empty."""
_POLL_MS = 1000

Write = Callable[[bytes], None]
"""Writes all bytes, however long that takes. Raises `OSError` if that fails."""


class LineWriter:
    """A queue of lines and the thread that writes them.

    `put` never blocks and takes no lock, so signal handlers and finalizers may call it. `notice` makes the
    line that says how many were dropped. One thread at a time puts lines (the logging handler's lock ensures
    that) and another writes them; each has its own counters, so they need no lock.
    """

    def __init__(
        self, write: Write, notice: Callable[[int], bytes], *, lines: int = LINES, size: int = SIZE
    ) -> None:
        self._write = write
        self._notice = notice
        self._lines, self._size = lines, size
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._put_size, self._done_size = 0, 0
        self._put_lines, self._done_lines = 0, 0
        self._refused, self._lost, self._reported = 0, 0, 0
        self._reported_at = time.monotonic()
        self._done = threading.Condition()
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    @property
    def dropped(self) -> int:
        """How many lines were dropped: the queue was full, or they could not be written."""
        return self._refused + self._lost

    def put(self, line: bytes) -> None:
        """Queue a line, or drop it if the queue is full."""
        waiting_lines = self._put_lines - self._done_lines
        waiting_size = self._put_size - self._done_size
        if waiting_lines >= self._lines or (waiting_lines and waiting_size + len(line) > self._size):
            self._refused += 1
            return
        self._put_lines += 1
        self._put_size += len(line)
        self._queue.put(line)

    def redirect(self, write: Write) -> None:
        """Write further lines elsewhere."""
        self._write = write

    def flush(self, timeout_s: float) -> bool:
        """Wait until what is queued now is written, for so many seconds at most; return whether it is."""
        until = self._put_lines
        with self._done:
            return self._done.wait_for(lambda: self._done_lines >= until, timeout_s)

    def _run(self) -> None:
        while True:
            lines = self._next()
            text = b"".join(lines)
            if not self._written(text):
                self._lost += len(lines)
            self._done_size += len(text)
            with self._done:
                self._done_lines += len(lines)
                self._done.notify_all()
            self._tell_of_dropped()

    def _next(self) -> list[bytes]:
        """Wait for a line; return it with those behind it."""
        lines, size = [self._queue.get()], 0
        while size < AT_ONCE and not self._queue.empty():
            lines.append(self._queue.get())
            size += len(lines[-1])
        return lines

    def _tell_of_dropped(self) -> None:
        dropped, now = self.dropped, time.monotonic()
        due = self._queue.empty() or now >= self._reported_at + TELL_EVERY_S
        if dropped > self._reported and due and self._written(self._notice(dropped - self._reported)):
            self._reported, self._reported_at = dropped, now

    def _written(self, text: bytes) -> bool:
        try:
            self._write(text)
        except OSError:  # the reader has gone, or the disk is full: there is no place to report it
            return False
        return True


class QueueHandler(logging.Handler):
    """Hands formatted records to a `LineWriter`."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of a record.

        A record that cannot be formatted is dropped: it may contain personal data.
        """
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - logging must not break the caller
            line = json.dumps(
                {"level": "error", "message": "a line could not be formatted", "logger": record.name}
            )
        self._writer.put(line.encode(errors="backslashreplace") + b"\n")


def writing_to(descriptor: int) -> Write:
    """Return a function that writes to a file descriptor, whether it is blocking or not."""

    def write(text: bytes) -> None:
        left = memoryview(text)
        while left:
            try:
                left = left[os.write(descriptor, left[:AT_ONCE]) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(descriptor, select.POLLOUT)
                poll.poll(_POLL_MS)

    return write


def unblock(descriptor: int) -> bool:
    """Make writes of this process to a pipe or terminal non-blocking; return whether that worked.

    gRPC's C core writes to stderr directly from its own threads, which would otherwise block. The pipe is
    opened again, since the flag on the inherited pipe would apply to every process that shares it. If it
    cannot be opened again, for example because it is a socket, it is left unchanged.
    """
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        if not is_pipe and not os.isatty(descriptor):
            return False
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        opened = os.open(f"/proc/self/fd/{descriptor}", flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    except OSError:
        return False
    return True
