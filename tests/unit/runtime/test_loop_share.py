"""How the turns of the event loop are divided among tasks."""

import asyncio

from gateway.runtime.loop_share import LoopShare


async def _turns_of(share: LoopShare, tasks: int, units: int) -> list[int]:
    """Return how many tasks worked in each turn of the loop; each does so many units once."""
    worked: list[int] = []
    begun = 0

    async def work() -> None:
        nonlocal begun
        await share.take(units)
        begun += 1

    works = [asyncio.create_task(work()) for _ in range(tasks)]
    while begun < tasks:
        before = begun
        await asyncio.sleep(0)
        worked.append(begun - before)
    await asyncio.gather(*works)
    return [count for count in worked if count]


async def test_a_turn_has_a_limited_amount_of_work() -> None:
    """Of many tasks that are ready at once, only some work in each turn, and none waits for ever."""
    worked = await _turns_of(LoopShare(100), tasks=20, units=25)
    assert sum(worked) == 20
    assert max(worked) <= 4


async def test_large_work_is_done_alone() -> None:
    """Work that is larger than a turn is done too, one piece in each turn."""
    assert await _turns_of(LoopShare(100), tasks=5, units=400) == [1] * 5


async def test_tasks_work_in_their_order() -> None:
    """Whoever waits first works first, also before those who come when there is room again."""
    share, worked = LoopShare(10), []

    async def work(number: int) -> None:
        await share.take(10)
        worked.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(work(number))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        group.create_task(work(5))
    assert worked == list(range(6))


async def test_a_cancelled_task_takes_no_room() -> None:
    """A task that is cancelled while it waits uses nothing."""
    share = LoopShare(10)
    await share.take(10)
    waiting = [asyncio.create_task(share.take(10)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    async with asyncio.timeout(10):
        await waiting[1]
    assert waiting[0].cancelled() or waiting[0].done()
