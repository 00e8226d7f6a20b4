"""A stopwatch does not count the time of other programs."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.stopwatch import Stopwatch, waited_s

WORK_S = 0.1


@contextmanager
def beside_another_program() -> Iterator[None]:
    """Let this thread share one processor with a program that computes without end."""
    ours = os.sched_getaffinity(threading.get_native_id())
    shared = {min(ours)}
    os.sched_setaffinity(threading.get_native_id(), shared)
    other = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        yield
    finally:
        os.sched_setaffinity(threading.get_native_id(), ours)
        with other:
            other.kill()


def work() -> None:
    ends = time.thread_time() + WORK_S
    while time.thread_time() < ends:
        pass


def test_it_does_not_count_what_another_program_takes() -> None:
    with beside_another_program():
        watch, began = Stopwatch(), time.monotonic()
        work()
        took_s, by_the_clock_s = watch.took_s, time.monotonic() - began
    assert 0.9 * WORK_S <= took_s < 1.5 * WORK_S  # Linux counts in ticks
    assert took_s < by_the_clock_s - 0.2 * WORK_S


def test_it_counts_sleep() -> None:
    """What the code itself waits for is part of its time."""
    watch = Stopwatch()
    time.sleep(0.02)
    assert watch.took_s >= 0.019


def test_where_linux_does_not_tell_the_clock_counts() -> None:
    assert waited_s(0) == 0.0
