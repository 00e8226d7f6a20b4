"""Hanging threads are replaced up to a limit, and return to the pool when their work ends."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from gateway.connect.thread_pool import Job, Threads


@pytest.fixture
async def gate() -> AsyncIterator[threading.Event]:
    """What hanging work waits for."""
    gate = threading.Event()
    yield gate
    gate.set()


async def until(condition: object) -> None:
    """Wait until a condition is true that a thread makes true."""
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it happens in a thread
            await asyncio.sleep(0.002)


async def hang(threads: Threads, gate: threading.Event) -> Job[bool]:
    """Let a thread hang in an abandoned job."""
    job = threads.submit(gate.wait)
    await until(lambda: job.running)
    threads.give_up(job)
    return job


async def test_work_and_its_failures() -> None:
    """A job returns or raises what its work returns or raises."""
    threads = Threads(2, 0, "t")
    assert await threads.submit(lambda: 1).answer == 1
    with pytest.raises(ZeroDivisionError):
        await threads.submit(lambda: 1 // 0).answer
    threads.close()


async def test_no_more_work_at_a_time_than_threads(gate: threading.Event) -> None:
    """Jobs beyond the number of threads wait, and are done in order."""
    threads = Threads(2, 4, "t")
    busy = [threads.submit(gate.wait) for _ in range(2)]
    last = threads.submit(lambda: "last")
    await asyncio.sleep(0.05)
    assert not last.answer.done()
    gate.set()
    assert await last.answer == "last"
    assert [await job.answer for job in busy] == [True, True]
    threads.close()


async def test_as_much_work_at_a_time_as_threads() -> None:
    """Jobs that come one right behind the other all have a thread, whenever earlier threads begin theirs."""
    for _ in range(50):
        threads = Threads(8, 0, "t")
        all_at_once = threading.Barrier(8, timeout=5)
        jobs = [threads.submit(all_at_once.wait) for _ in range(8)]
        assert sorted([await job.answer for job in jobs]) == list(range(8))
        threads.close()


async def test_a_thread_that_hangs_is_replaced(gate: threading.Event) -> None:
    """Threads that hang in abandoned jobs are replaced; when they return, the extra threads end."""
    threads = Threads(2, 4, "made-up")
    for _ in range(3):
        await hang(threads, gate)
    assert await threads.submit(lambda: 1).answer == 1
    assert (threads.hanging, threads.stalled) == (3, False)
    gate.set()
    await until(lambda: threads.hanging == 0)
    await until(lambda: sum(t.name.startswith("made-up") for t in threading.enumerate()) <= 2)
    threads.close()


async def test_the_number_of_hanging_threads_is_limited(gate: threading.Event) -> None:
    """When all threads hang, `stalled` is true and jobs wait; a thread that returns does them."""
    threads = Threads(1, 2, "t")
    for _ in range(3):
        await hang(threads, gate)
    assert threads.stalled
    waiting = threads.submit(lambda: "done")
    await asyncio.sleep(0.05)
    assert not waiting.answer.done()
    gate.set()
    assert await waiting.answer == "done"
    await until(lambda: not threads.stalled)
    threads.close()


async def test_a_job_that_is_given_up_before_it_begins(gate: threading.Event) -> None:
    """An abandoned job that has not begun does not start."""
    done: list[int] = []
    threads = Threads(1, 0, "t")
    busy = threads.submit(gate.wait)
    unwanted = threads.submit(lambda: done.append(1))
    threads.give_up(unwanted)
    last = threads.submit(lambda: done.append(2))
    gate.set()
    await last.answer
    assert (await busy.answer, done, threads.hanging) == (True, [2], 0)
    threads.close()


async def test_closing_ends_the_threads() -> None:
    """Closed threads end, and begin nothing more."""
    threads = Threads(3, 0, "to-close")
    await asyncio.gather(*(threads.submit(lambda: None).answer for _ in range(3)))
    threads.close()
    await until(lambda: not any(t.name.startswith("to-close") for t in threading.enumerate()))
