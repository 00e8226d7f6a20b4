"""The line for room: tasks get room in the order in which they asked for it."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dispatch.room_gate import RoomGate


@dataclass
class Room:
    """A number of places, the gate that gives them out, and who took one, in order."""

    places: int = 0
    admitted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line = RoomGate(lambda: self.places)

    async def take(self, name: int, wanted: int = 1) -> None:
        """Wait for room, and take up to `wanted` places of it."""
        room = await self.line.enter()
        assert room == self.places > 0
        self.places -= min(wanted, room)
        self.admitted.append(name)

    def make(self, places: int) -> None:
        """Give places back."""
        self.places += places
        self.line.offer()


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_newcomer_takes_room_if_no_task_waits() -> None:
    room = Room(2)
    assert room.line.free() == 2
    await asyncio.wait_for(room.take(1), 5)
    assert room.line.free() == 1


async def test_a_newcomer_goes_behind_those_who_wait() -> None:
    """Two hundred newcomers that arrive just as a place is free do not overtake a waiting task."""
    room = Room()
    waiting = asyncio.create_task(room.take(0))
    await turns()
    newcomers = []
    for name in range(1, 201):
        newcomers.append(asyncio.create_task(room.take(name)))  # runs before the task that is called
        room.make(1)
        assert room.line.free() == 0, "a newcomer could take what the first was called for"
        await asyncio.sleep(0)
    room.make(1)
    await asyncio.wait_for(asyncio.gather(waiting, *newcomers), 5)
    assert room.admitted == list(range(201))


async def test_a_task_called_in_vain_keeps_its_place() -> None:
    """If the room is gone when the first task comes to take it, the task stays first."""
    room = Room()
    tasks = [asyncio.create_task(room.take(name)) for name in range(3)]
    await turns()
    for _ in range(10):
        room.make(1)
        room.places -= 1  # taken by a task that does not wait
        await turns()
    assert room.admitted == []
    room.make(3)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert room.admitted == [0, 1, 2]


async def test_a_task_that_takes_nothing_passes_its_turn_on() -> None:
    room = Room()
    tasks = [asyncio.create_task(room.take(name, wanted=0 if name < 5 else 1)) for name in range(6)]
    await turns()
    room.make(1)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert room.admitted == list(range(6))
    assert room.places == 0


async def test_nothing_remains_of_waits_that_are_given_up() -> None:
    """20,000 cancelled waits leave no place in the line, neither while others wait nor afterwards."""
    room = Room()
    first = asyncio.create_task(room.take(0))
    given_up = [asyncio.create_task(room.take(name)) for name in range(1, 20_001)]
    last = asyncio.create_task(room.take(-1))
    await turns()
    assert len(room.line) == 20_002
    random.Random(1).shuffle(given_up)
    for task in given_up:
        task.cancel()
    await asyncio.wait(given_up)
    assert len(room.line) == 2
    room.make(2)
    await asyncio.wait_for(asyncio.gather(first, last), 5)
    assert room.admitted == [0, -1]
    assert len(room.line) == 0


@pytest.mark.parametrize("ticks", range(4))
async def test_a_call_to_one_who_gives_up_goes_to_the_next(ticks: int) -> None:
    """Room is not lost if the first task is cancelled before, while or after it is called."""
    room = Room()
    first, second = asyncio.create_task(room.take(1, wanted=0)), asyncio.create_task(room.take(2))
    await turns()
    room.make(1)
    for _ in range(ticks):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 5)
    assert room.places == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 3)),
        st.tuples(st.just("make"), st.integers(1, 4)),
        st.tuples(st.just("give up"), st.integers(0, 30)),
        st.tuples(st.just("turn"), st.integers(1, 3)),
    ),
    max_size=60,
)


@given(STEPS)
@settings(deadline=None)
def test_whatever_happens_room_goes_to_those_who_asked_first(steps: list[tuple[str, int]]) -> None:
    """Tasks are admitted in the order of asking, and no room is unused while a task waits."""
    asyncio.run(_play(steps))


async def _play(steps: list[tuple[str, int]]) -> None:
    room, tasks = Room(), list[asyncio.Task[None]]()
    for what, number in steps:
        if what == "ask":
            tasks.append(asyncio.create_task(room.take(len(tasks), number)))
        elif what == "make":
            room.make(number)
        elif what == "give up" and tasks:
            tasks[number % len(tasks)].cancel()
        elif what == "turn":
            for _ in range(number):
                await asyncio.sleep(0)
    await turns()
    assert room.admitted == sorted(room.admitted)
    waiting = [task for task in tasks if not task.done()]
    assert len(room.line) == len(waiting)
    assert not waiting or room.places == 0
    room.make(4 * len(tasks) + 1)
    await turns()
    await asyncio.gather(*waiting)
    assert room.admitted == sorted(room.admitted)
