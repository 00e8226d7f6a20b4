"""All watchers share one snapshot for a while. It is made in parts."""

import asyncio
from collections.abc import Generator
from functools import partial

import pytest

from gateway.control.snapshots import LOAD_LIMIT, SHARED_FOR_S, Parts, StatusSnapshots
from gateway.core.views.campaign_status import CampaignRow, Rows


class Gateway:
    """Counts the snapshots. Each takes a number of seconds of its own clock."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.now = 100.0
        self.times = 0
        self.cost_s = cost_s

    def rows(self, before: dict[str, CampaignRow]) -> Rows:
        self.times += 1
        for _ in range(10):
            self.now += self.cost_s / 10
            yield
        return {}


def looks_at(gateway: Gateway) -> StatusSnapshots:
    return StatusSnapshots(gateway.rows, lambda: gateway.now)


async def test_a_snapshot_is_shared_for_a_quarter_of_a_second() -> None:
    """Whoever asks sooner gets the same one, with the instant at which it was taken."""
    gateway = Gateway()
    looks = looks_at(gateway)
    first = await looks.fresh()
    gateway.now += SHARED_FOR_S * 0.9
    assert await looks.fresh() is first
    gateway.now += SHARED_FOR_S * 0.2
    assert (await looks.fresh()).at == gateway.now
    assert gateway.times == 2


async def test_snapshots_take_a_tenth_of_the_time_at_most() -> None:
    """A snapshot that takes long is shared for longer."""
    gateway = Gateway(cost_s=1.0)
    looks = looks_at(gateway)
    began = gateway.now
    while gateway.now < began + 100:
        await looks.fresh()
        gateway.now += 0.1
    assert gateway.times * gateway.cost_s <= 100 * LOAD_LIMIT + gateway.cost_s


async def test_after_a_change_the_next_snapshot_is_a_new_one() -> None:
    """Whoever has changed a campaign sees the change in the next snapshot."""
    gateway = Gateway()
    looks = looks_at(gateway)
    first = await looks.fresh()
    looks.outdated()
    assert await looks.fresh() is not first


async def test_a_change_during_a_snapshot_is_shown_by_the_next() -> None:
    """A look begun before an order to a campaign is not used for questions after it."""
    gateway = Gateway()
    looks = looks_at(gateway)
    asking = asyncio.create_task(looks.fresh())
    await asyncio.sleep(0)
    looks.outdated()
    await asking
    assert gateway.times == 2


async def test_other_tasks_run_while_a_snapshot_is_made() -> None:
    """The loop turns between two parts of a snapshot. Callers that ask meanwhile share the snapshot."""
    gateway, turns = Gateway(), 0
    looks = looks_at(gateway)
    asking = [asyncio.create_task(looks.fresh()) for _ in range(20)]
    while not all(task.done() for task in asking):
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 10
    assert len({id(task.result()) for task in asking}) == gateway.times == 1


def counting(parts: int, done: list[int]) -> Generator[None, None, int]:
    """Append the number of the event loop's present turn for each part; return how many parts there were."""
    for _ in range(parts):
        done.append(LOOP_TURNS[0])
        yield
    done.append(LOOP_TURNS[0])
    return parts


LOOP_TURNS = [0]


async def count_turns() -> None:
    while True:
        LOOP_TURNS[0] += 1
        await asyncio.sleep(0)


async def test_each_turn_of_the_loop_does_one_part_of_long_work() -> None:
    """Tasks with long work take turns; no two parts fall into the same turn of the event loop."""
    parts, done = Parts(), list[int]()
    counter = asyncio.create_task(count_turns())
    tasks = [asyncio.create_task(parts.run(counting(5, done))) for _ in range(10)]
    tasks += [asyncio.create_task(parts.one(partial(next, counting(1, done), 0))) for _ in range(10)]
    results = await asyncio.gather(*tasks)
    counter.cancel()
    assert results == [5] * 10 + [None] * 10
    assert len(done) == len(set(done)) == 70


async def test_a_task_that_is_cancelled_lets_the_others_go_on() -> None:
    """Neither a cancelled task nor one whose work fails keeps the turn."""
    parts, done = Parts(), list[int]()
    tasks = [asyncio.create_task(parts.run(counting(50, done))) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(ZeroDivisionError):
        await parts.one(lambda: 1 // 0)
    assert await asyncio.gather(*tasks[1:]) == [50, 50]
