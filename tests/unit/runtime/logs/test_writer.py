"""Lines wait for the reader in a bounded queue; threads that log never wait."""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from gateway.runtime.logs.writer import AT_ONCE, LineWriter, QueueHandler, unblock, writing_to

PATIENCE_S = 10.0


@dataclass
class Slow:
    """Somewhere to write to that takes lines only while it is let."""

    let: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    text: bytes = b""
    gone: bool = False

    def write(self, text: bytes) -> None:
        """Take all, once it is let."""
        self.begun.set()
        assert self.let.wait(PATIENCE_S)
        if self.gone:
            raise BrokenPipeError
        self.text += text


def notice(dropped: int) -> bytes:
    return b"%d dropped\n" % dropped


def writer(slow: Slow, lines: int = 10, size: int = 1000) -> LineWriter:
    return LineWriter(slow.write, notice, lines=lines, size=size)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def test_lines_beyond_the_queue_are_dropped_and_counted() -> None:
    """Logging continues. Once the reader takes lines again, one line states the number of missing lines."""
    slow = Slow()
    log = writer(slow)
    log.put(b"first\n")
    assert slow.begun.wait(PATIENCE_S)
    for number in range(25):
        log.put(b"%d\n" % number)
    assert log.dropped == 16
    assert not log.flush(0.0)
    slow.let.set()
    assert log.flush(PATIENCE_S)
    log.put(b"last\n")
    assert log.flush(PATIENCE_S)
    kept = b"".join(b"%d\n" % number for number in range(9))
    assert slow.text == b"first\n" + kept + b"16 dropped\n" + b"last\n"


def test_the_size_of_what_waits_is_bounded_too() -> None:
    """A few long lines count as much as many short ones. A single line is always accepted."""
    slow = Slow()
    log = writer(slow, size=100)
    log.put(b"x" * 500)
    assert slow.begun.wait(PATIENCE_S)
    log.put(b"y")
    assert log.dropped == 1
    slow.let.set()
    assert log.flush(PATIENCE_S)
    log.put(b"y" * 60)
    assert log.flush(PATIENCE_S)
    assert slow.text.count(b"y") == 60


def test_a_reader_that_has_gone_is_no_error() -> None:
    """Lines that cannot be written are counted as dropped."""
    slow = Slow(gone=True)
    slow.let.set()
    log = writer(slow)
    log.put(b"first\n")
    assert log.flush(PATIENCE_S)
    assert log.dropped == 1


def test_a_record_that_cannot_be_formatted_is_not_shown() -> None:
    """An error in a line's arguments reaches neither the caller nor stderr."""
    slow = Slow()
    slow.let.set()
    log = writer(slow)
    handler = QueueHandler(log)
    handler.handle(logging.LogRecord("gateway", logging.INFO, "", 0, "%d", ("+12065550123",), None))
    assert log.flush(PATIENCE_S)
    assert b"could not be formatted" in slow.text
    assert b"+1206" not in slow.text


def test_a_pipe_that_does_not_block_gets_all_of_it(pipe: tuple[int, int]) -> None:
    """More than a pipe's capacity arrives completely and in order, as fast as it is read."""
    read, write = pipe
    assert unblock(write)
    sent = bytes(range(256)) * 4 * (AT_ONCE // 256)
    writing = threading.Thread(target=writing_to(write), args=(sent,), daemon=True)
    writing.start()
    received = b""
    while len(received) < len(sent):
        received += os.read(read, 10_000)
    writing.join(PATIENCE_S)
    assert received == sent


def test_direct_writes_to_a_full_pipe_do_not_block(pipe: tuple[int, int]) -> None:
    """A full pipe refuses further bytes at once, and stays unchanged for processes that inherited it."""
    read, write = pipe
    inherited = os.dup(write)
    assert unblock(write)
    with suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    assert not fcntl.fcntl(inherited, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(inherited)
    assert os.read(read, 10) == bytes(10)


def test_what_is_no_pipe_stays_as_it_is(tmp_path: os.PathLike[str]) -> None:
    """A file never blocks, and a closed descriptor cannot be opened again."""
    file = os.open(os.path.join(tmp_path, "log"), os.O_CREAT | os.O_WRONLY)  # noqa: PTH118 - its descriptor
    assert not unblock(file)
    os.close(file)
    assert not unblock(file)
