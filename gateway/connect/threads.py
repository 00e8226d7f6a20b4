"""Threads for work that blocks. A thread that hangs in work nobody waits for any more is replaced.

At most `size` threads work at the same time on jobs that somebody waits for. A job that was given up
may still keep its thread, in a system call that nothing can interrupt. Up to `spare` such threads are
made up for by new ones; beyond that jobs wait, and `stalled` says so. The threads are daemons, so none
of them keeps the process from ending.
"""

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Job(Generic[T]):
    """One piece of work, and the future on the event loop that waits for it."""

    __slots__ = ("answer", "ended", "given_up", "loop", "running", "work")

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self.loop.create_future()
        self.running = False
        self.ended = False
        self.given_up = False

    def do(self) -> None:
        """Do the work in this thread, and tell the event loop how it ended."""
        try:
            result = self.work()
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer gets it
            self._tell(self._failed, error)
        else:
            self._tell(self._succeeded, result)

    def _tell(self, told: Callable[..., None], value: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(told, value)

    def _succeeded(self, result: T) -> None:
        self.ended = True
        if not self.answer.done():
            self.answer.set_result(result)

    def _failed(self, error: Exception) -> None:
        self.ended = True
        if not self.answer.done():
            self.answer.set_exception(error)


class Threads:
    """`size` threads that work, and up to `spare` more that hang in jobs that were given up."""

    def __init__(self, size: int, spare: int, name: str) -> None:
        self._size, self._most, self._name = size, size + spare, name
        self._jobs: queue.SimpleQueue[Job[object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._alive = self._idle = self._hanging = 0
        self._closed = False

    def submit(self, work: Callable[[], T]) -> Job[T]:
        """Have `work` done in a thread, as soon as one is free."""
        job = Job(work)
        with self._lock:
            self._jobs.put(job)  # type: ignore[arg-type] # the threads do not look at what comes out
            self._provide()
        return job

    def give_up(self, job: Job[T]) -> None:
        """Note that nobody waits for a job any more: it is not begun, or its thread is made up for."""
        with self._lock:
            if job.given_up:
                return
            job.given_up = True
            if job.running:
                self._hanging += 1
                self._provide()

    @property
    def hanging(self) -> int:
        """How many threads are in jobs that were given up."""
        return self._hanging

    @property
    def stalled(self) -> bool:
        """Whether every thread that there may be hangs, so that no job is begun."""
        return self._hanging >= self._most

    def close(self) -> None:
        """Begin no more jobs; threads end after the job they are in."""
        with self._lock:
            self._closed = True
            for _ in range(self._alive):
                self._jobs.put(None)

    def _provide(self) -> None:
        """Start a thread if more jobs wait than threads, and one more may be."""
        wanted = self._jobs.qsize() > self._idle and not self._closed
        if wanted and self._alive - self._hanging < self._size and self._alive < self._most:
            self._alive += 1
            self._idle += 1
            name = f"{self._name}-{next(self._numbers)}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._begin(job):
                job.do()
                if not self._goes_on(job):
                    return

    def _begin(self, job: Job[object]) -> bool:
        with self._lock:
            if job.given_up or self._closed:
                return False
            job.running = True
            self._idle -= 1
            # A job that came since this one was taken has counted on this thread.
            self._provide()
            return True

    def _goes_on(self, job: Job[object]) -> bool:
        """Note that a job has ended; return whether its thread is still wanted."""
        with self._lock:
            job.running = False
            self._hanging -= job.given_up
            if self._closed or self._alive - self._hanging > self._size:
                self._alive -= 1  # another has taken its place
                return False
            self._idle += 1
            return True
