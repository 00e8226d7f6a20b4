"""Which connections of the admin port are closed, and when."""

import asyncio
from typing import Any

import pytest

from gateway.admin.connections import ANSWER_S, IDLE_S, REQUEST_S, Connection, Connections


class Pipe(asyncio.Transport):
    """A transport from an address, which notes that it was cut off."""

    def __init__(self, host: str = "10.0.0.1", unread: int = 0) -> None:
        super().__init__({"peername": (host, 5000)})
        self.unread = unread
        self.cut = False

    def get_write_buffer_size(self) -> int:
        """Return the size of the output that the client has not read."""
        return self.unread

    def abort(self) -> None:
        """Note it."""
        self.cut = True


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


def after(seconds: float, clock: Clock, connections: Connections) -> dict[str, int]:
    """Let time pass; return how many connections have been closed, by reason."""
    clock.at += seconds
    connections.sweep()
    return {why: count for why, count in connections.closed.items() if count}


def opened(clock: Clock, **of: Any) -> tuple[Connections, Pipe, Connection]:
    pipe, connections = Pipe(**of), Connections(clock)
    return connections, pipe, connections.add(pipe)


def test_one_that_sends_no_request_is_closed() -> None:
    """A silent connection is closed after the same time as one with a slow header."""
    clock = Clock()
    connections, pipe, _ = opened(clock)
    assert after(REQUEST_S - 0.1, clock, connections) == {}
    assert after(0.1, clock, connections) == {"slow_request": 1}
    assert pipe.cut
    assert len(connections) == 0


def test_a_header_that_trickles_in_has_no_longer() -> None:
    """A header that arrives byte by byte has the same time limit."""
    clock = Clock()
    connections, _, connection = opened(clock)
    for _ in range(100):
        clock.at += REQUEST_S / 100
        connections.received(connection)
    assert after(0.0, clock, connections) == {"slow_request": 1}


def test_between_requests_there_is_time_for_a_scrape_a_minute() -> None:
    """A connection that is used every minute stays open; an unused one is closed."""
    clock = Clock()
    connections, pipe, connection = opened(clock)
    for _ in range(5):
        connections.received(connection)
        assert connections.begin(pipe) is connection
        connections.end(connection)
        assert after(60.0, clock, connections) == {}
    assert after(IDLE_S, clock, connections) == {"idle": 1}


def test_a_second_request_has_no_longer_than_the_first() -> None:
    """The time limit for a header also applies to the second request of a connection."""
    clock = Clock()
    connections, pipe, connection = opened(clock)
    connections.begin(pipe)
    connections.end(connection)
    clock.at += 30.0
    connections.received(connection)
    assert after(REQUEST_S, clock, connections) == {"slow_request": 1}


@pytest.mark.parametrize("busy", [True, False])
def test_an_answer_that_is_not_read_is_cut_off(busy: bool) -> None:
    """This applies while the handler writes, and while the rest is in the buffer."""
    clock = Clock()
    connections, pipe, connection = opened(clock, unread=100_000)
    connections.begin(pipe)
    if not busy:
        connections.end(connection)
    assert after(ANSWER_S - 0.1, clock, connections) == {}
    assert after(0.1, clock, connections) == {"slow_answer": 1}


def test_events_last() -> None:
    """The console's stream of events has its own limit."""
    clock = Clock()
    connections, pipe, _ = opened(clock)
    connections.begin(pipe, endless=True)
    assert after(10 * IDLE_S, clock, connections) == {}


def test_a_new_one_takes_the_place_of_the_longest_without_a_request() -> None:
    """The replaced connection belongs to the host with the most connections, and is not being answered."""
    clock = Clock()
    connections = Connections(clock, limit=5)
    mine, busy = Pipe("10.0.0.2"), Pipe("10.0.0.9")
    connections.add(mine)
    connections.add(busy)
    connections.begin(busy)
    theirs = [Pipe("10.0.0.9") for _ in range(3)]
    for pipe in theirs:
        clock.at += 1
        connections.add(pipe)
    assert connections.has_room()
    connections.add(Pipe("10.0.0.3"))
    assert [pipe.cut for pipe in theirs] == [True, False, False]
    assert not mine.cut
    assert not busy.cut
    assert connections.closed["full"] == 1
    assert len(connections) == 5


def test_if_all_are_busy_there_is_no_room() -> None:
    """Then nothing is accepted until an answer has been given, or has taken too long."""
    clock = Clock()
    connections = Connections(clock, limit=1)
    pipe = Pipe()
    connections.add(pipe)
    connections.begin(pipe)
    assert not connections.has_room()
    assert after(ANSWER_S, clock, connections) == {"slow_answer": 1}
    assert connections.has_room()


def test_one_that_has_gone_is_forgotten() -> None:
    """A request whose connection has ended has none."""
    clock = Clock()
    connections, pipe, _ = opened(clock)
    connections.remove(pipe)
    assert len(connections) == 0
    assert connections.begin(pipe) is None
    assert connections.begin(None) is None
