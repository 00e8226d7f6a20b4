"""All pages share one state a second, and a page that does not read costs only its own last message."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.admin.event_stream import EventStream
from gateway.admin.port import Campaign, Command, CommandResult, ConsoleState, Point, Totals
from tests.simulation.fleet.virtual_loop import on_virtual_time

TOTALS = Totals({}, 0, 0, 0, 1, 1.0, 1.0, 0, 0, {}, (0,) * 5, "answering", False, False, "")


def campaign(name: str, queued: int) -> Campaign:
    return Campaign(name, "flowing", queued, 0, None, (0,) * 5, 0.0, "", "", None, None, None, False, None)


class Script:
    """A console that counts its states. Each state changes one campaign, adds one and removes one."""

    def __init__(self) -> None:
        self.looks = 0

    async def state(self) -> ConsoleState:
        self.looks += 1
        rows = [campaign("steady", 7), campaign("moving", self.looks), campaign(f"only-{self.looks}", 1)]
        points = [
            Point(number, float(number), 1.0, (1, 0, 0), (0,) * 5, 0, 0, 1.0, 1.0)
            for number in range(1, self.looks + 1)
        ]
        return ConsoleState(
            float(self.looks), 0.0, TOTALS, {row.campaign_id: row for row in rows}, points, [], []
        )

    def identity(self, source: str, values: Callable[[str], Sequence[str]]) -> str | None:
        """Return nobody."""

    async def carry_out(self, order: Command) -> CommandResult:
        raise AssertionError(order)


class Reader:
    """A page that takes messages while `reads` is set."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def write(self, event: bytes) -> None:
        await self.reads.wait()
        self.sizes.append(len(event))
        self.told.append(json.loads(event.removeprefix(b"data: ")))

    async def has(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.told) < number:  # noqa: ASYNC110 - whoever writes need not tell
                await asyncio.sleep(EVERY_S / 10)


EVERY_S = 0.005


def brisk(script: Script | None = None, **limits: Any) -> EventStream:
    """Return an event stream that looks often."""
    return EventStream(script or Script(), every_s=EVERY_S, **limits)


@on_virtual_time
async def test_the_first_message_tells_all_and_the_next_what_differs() -> None:
    """Changed and new rows are sent, gone ones by name, and unchanged ones not at all."""
    source, reader = brisk(), Reader()
    telling = asyncio.create_task(source.serve(reader.write))
    await reader.has(3)
    source.close()
    await telling
    first, second, third = reader.told[:3]
    assert [row[0] for row in first["campaigns"]] == ["steady", "moving", "only-1"]
    assert [row[0] for row in second["campaigns"]] == ["moving", "only-2"]
    assert second["gone"] == ["only-1"]
    assert [point[0] for point in third["points"]] == [3]
    assert "fields" in first
    assert "fields" not in second


@on_virtual_time
async def test_one_state_is_shared_by_all_pages() -> None:
    """Twenty pages cost as many looks as one: one each time that a look has served its time."""
    script = Script()
    began = asyncio.get_running_loop().time()
    source, readers = brisk(script), [Reader() for _ in range(20)]
    telling = [asyncio.create_task(source.serve(reader.write)) for reader in readers]
    for reader in readers:
        await reader.has(4)
    source.close()
    await asyncio.gather(*telling)
    lasted_s = asyncio.get_running_loop().time() - began
    assert 4 <= script.looks <= lasted_s / EVERY_S + 1


@on_virtual_time
async def test_pages_with_the_same_state_share_one_message() -> None:
    """A message is made once for all pages that go from one state to the next."""
    source, events = brisk(), [list[bytes]() for _ in range(3)]

    async def page(taken: list[bytes]) -> None:
        async def write(event: bytes) -> None:
            taken.append(event)
            if min(map(len, events)) == 3:
                source.close()

        await source.serve(write)

    await asyncio.gather(*map(page, events))
    for messages in list(zip(*events, strict=False))[:3]:
        assert len({id(message) for message in messages}) == 1


@on_virtual_time
async def test_a_page_that_reads_again_gets_the_newest_state() -> None:
    """What went by while it did not read is skipped, and the seconds since are all there."""
    script = Script()
    source, slow, other = brisk(script), Reader(), Reader()
    telling = [asyncio.create_task(source.serve(reader.write)) for reader in (slow, other)]
    await slow.has(2)
    slow.reads.clear()
    read = len(slow.told)
    await other.has(read + 30)
    assert len(slow.told) == read
    slow.reads.set()
    await slow.has(read + 2)
    source.close()
    await asyncio.gather(*telling)
    points = list(itertools.chain.from_iterable(message["points"] for message in slow.told))
    assert [point[0] for point in points] == list(range(1, len(points) + 1))
    moved = [row[2] for message in slow.told for row in message["campaigns"] if row[0] == "moving"]
    assert max(now - then for then, now in itertools.pairwise(moved)) > 20


@on_virtual_time
async def test_the_stream_of_a_page_that_never_reads_ends() -> None:
    """After a while its stream ends with a time-out, and it counts no more."""
    source, deaf = brisk(stall_s=0.01), Reader()
    deaf.reads.clear()
    telling = asyncio.create_task(source.serve(deaf.write))
    done, _ = await asyncio.wait([telling], timeout=10)
    assert done
    with pytest.raises(TimeoutError):
        telling.result()
    assert source.readers == 0


@on_virtual_time
async def test_the_number_of_readers_is_limited() -> None:
    """The feed is full with as many readers as may be, and not after one has gone."""
    source, reader = brisk(limit=1), Reader()
    telling = asyncio.create_task(source.serve(reader.write))
    await reader.has(1)
    assert source.full
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    assert not source.full
