"""Simultaneous lookups of a name share one lookup, and a slow lookup is replaced."""

import socket
import threading

import pytest

from gateway.connect.resolver import MAX_LOOKUPS, STALE_S, Address, Resolver

HERE: list[Address] = [(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", 80))]


class Names:
    """A system whose lookups wait for `gate`."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        self.gate.wait(5)
        if host == "unknown":
            raise socket.gaierror(-2, "Name or service not known")
        return HERE


def test_those_who_ask_at_the_same_time_share_a_lookup() -> None:
    """While a name is looked up, all callers wait for the same lookup. A later one starts a new lookup."""
    names, now = Names(), [0.0]
    resolver = Resolver(names, lambda: now[0])
    first, second, other = resolver.begin("a", 80), resolver.begin("a", 80), resolver.begin("b", 80)
    assert first is second
    names.gate.set()
    assert (list(first.result(5)), list(other.result(5))) == (HERE, HERE)
    assert resolver.begin("a", 80).result(5) == HERE
    assert sorted(names.asked) == ["a", "a", "b"]


def test_a_lookup_that_takes_too_long_is_not_shared_for_ever() -> None:
    """After a while, another lookup starts in parallel to one that hangs, up to a small limit."""
    names, now = Names(), [0.0]
    resolver = Resolver(names, lambda: now[0])
    futures = []
    for _ in range(MAX_LOOKUPS + 3):
        futures.append(resolver.begin("a", 80))
        now[0] += STALE_S
    assert len({id(future) for future in futures}) == MAX_LOOKUPS
    names.gate.set()
    assert all(future.result(5) == HERE for future in futures)


def test_a_name_that_is_not_known() -> None:
    """A lookup of an unknown name fails for every call that shares it, and may be repeated."""
    names = Names()
    names.gate.set()
    resolver = Resolver(names)
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            resolver.begin("unknown", 80).result(5)
