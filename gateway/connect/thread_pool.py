"""Threads for work that blocks. A thread that hangs in an abandoned job is replaced.

At most `size` threads work at the same time on jobs that are still wanted. An abandoned job may keep its
thread, in a system call that cannot be interrupted. Up to `spare` such threads are replaced by new ones;
beyond that jobs wait, and `stalled` is true. The threads are daemons, so they do not keep the process from
ending.
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
        except Exception as error:  # noqa: BLE001 - the future passes it on
            self._call_in_loop(self._failed, error)
        else:
            self._call_in_loop(self._succeeded, result)

    def _call_in_loop(self, callback: Callable[..., None], value: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, so the job is not wanted
            self.loop.call_soon_threadsafe(callback, value)

    def _succeeded(self, result: T) -> None:
        self.ended = True
        if not self.answer.done():
            self.answer.set_result(result)

    def _failed(self, error: Exception) -> None:
        self.ended = True
        if not self.answer.done():
            self.answer.set_exception(error)


class Threads:
    """`size` threads that work, and up to `spare` more that hang in abandoned jobs."""

    def __init__(self, size: int, spare: int, name: str) -> None:
        self._size, self._most, self._name = size, size + spare, name
        self._jobs: queue.SimpleQueue[Job[object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._alive = self._idle = self._hanging = 0
        self._closed = False

    def submit(self, work: Callable[[], T]) -> Job[T]:
        """Run `work` in a thread, as soon as one is free."""
        job = Job(work)
        with self._lock:
            self._jobs.put(job)  # type: ignore[arg-type] # the threads do not use the result's type
            self._provide()
        return job

    def give_up(self, job: Job[T]) -> None:
        """Abandon a job: it does not start, or its thread is replaced."""
        with self._lock:
            if job.given_up:
                return
            job.given_up = True
            if job.running:
                self._hanging += 1
                self._provide()

    @property
    def hanging(self) -> int:
        """How many threads are in abandoned jobs."""
        return self._hanging

    @property
    def stalled(self) -> bool:
        """Whether all threads hang and no more may be made, so no job can start."""
        return self._hanging >= self._most

    def close(self) -> None:
        """Start no more jobs; each thread ends after its present job."""
        with self._lock:
            self._closed = True
            for _ in range(self._alive):
                self._jobs.put(None)

    def _provide(self) -> None:
        """Start a thread if more jobs wait than threads, and the limit allows it."""
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
                self._alive -= 1  # another thread has replaced this one
                return False
            self._idle += 1
            return True
