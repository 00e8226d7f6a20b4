"""Sends dial requests through the core of the version that Python imports, in this process, without sockets.

`instructions` runs this file under valgrind. It takes how many dial requests to prepare, how many of them to
send, and the size of their lists. Like the dispatcher, it takes a turn after each list, and settles the calls
of the turn. Every dial request is accepted.
"""

import gc
import os
import random
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api import wire
from gateway.core.engine import Engine, Limits
from gateway.core.model import CallReport, Source, Waiter

CAMPAIGNS = tuple(f"campaign-{number}" for number in range(4))
ATTRIBUTES = {"first_name": "Ada", "language": "en", "appointment": "2026-12-01"}
EXPIRATION_S = 4_000_000_000
TURN_S = 0.0001
"""Seconds of the core's clock from one turn to the next."""

Arrivals = list[tuple[Waiter, Any]]


class Core(Protocol):
    """An engine, driven as the dispatcher of its version drives it."""

    def submit(self, now: float, arrivals: Arrivals) -> None:
        """Submit dial requests of one campaign."""

    def poll(self, now: float) -> Sequence[Any]:
        """Take a turn; return the calls to make."""

    def completed(self, now: float, batch: Any, report: CallReport) -> int:
        """Report the end of a call; return how many answers follow."""


class PresentCore:
    """The engine of this version."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def submit(self, now: float, arrivals: Arrivals) -> None:
        """Submit dial requests of one campaign."""
        self._engine.wall_clock_gained(0.0)
        self._engine.submit(now, arrivals)
        self._answers(now)

    def poll(self, now: float) -> Sequence[Any]:
        """Take a turn; return the calls to make."""
        self._engine.wall_clock_gained(0.0)
        decision = self._engine.poll(now)
        self._answers(now)
        return decision.batches  # type: ignore[no-any-return]

    def completed(self, now: float, batch: Any, report: CallReport) -> int:
        """Report the end of a call; return how many answers follow."""
        self._engine.completed(now, batch, report)
        return self._answers(now)

    def _answers(self, now: float) -> int:
        answers = self._engine.take_answers(now)
        self._engine.guarding.take_records()
        return len(answers)


class EarlierCore:
    """The engine of commit dd07127, whose methods return the answers."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def submit(self, now: float, arrivals: Arrivals) -> None:
        """Submit dial requests of one campaign."""
        self._answers(now, self._engine.submit(now, arrivals))

    def poll(self, now: float) -> Sequence[Any]:
        """Take a turn; return the calls to make."""
        decision = self._engine.poll(now)
        self._answers(now, decision.settled)
        return decision.batches  # type: ignore[no-any-return]

    def completed(self, now: float, batch: Any, report: CallReport) -> int:
        """Report the end of a call; return how many answers follow."""
        return self._answers(now, self._engine.completed(now, batch, report))

    def _answers(self, now: float, answers: Sequence[Any]) -> int:
        if answers:
            self._engine.activity.answered(now, answers)
        return len(answers)


def prepared(count: int, size: int) -> list[Arrivals]:
    """Return lists of dial requests of one source, as the gateway of the version makes them of messages."""
    convert = _conversion()
    source = Source()
    lists = []
    for first in range(0, count, size):
        campaign_id = CAMPAIGNS[first // size % len(CAMPAIGNS)]
        numbers = range(first, first + size)
        lists.append([(Waiter(source, n, f"{n:032x}"), convert(campaign_id, _message(n))) for n in numbers])
    return lists


def _conversion() -> Callable[[str, pb.DialRequest], Any]:
    if hasattr(wire, "dial_request"):
        return partial(wire.dial_request, wall_offset=0.0)
    from gateway.api.wire.dial_requests import dial_request

    return dial_request


def _message(number: int) -> pb.DialRequest:
    message = pb.DialRequest(
        client_token=f"3f8e1c5a-{number:08d}",
        phone_number=f"+1212{2_000_000 + number}",
        attributes=ATTRIBUTES,
    )
    message.expiration_time.seconds = EXPIRATION_S
    return message


def send(core: Core, lists: Sequence[Arrivals], ids: dict[str, str]) -> int:
    """Send lists of dial requests; return how many were answered. `ids` are Connect's, by client token."""
    now, answered = 1000.0, 0
    for arrivals in lists:
        now += TURN_S
        core.submit(now, arrivals)
        arrivals.clear()  # the shell keeps none either
        while batches := core.poll(now):
            for batch in batches:
                tokens = [entry.request.client_token for entry in batch.entries]
                accepted = {token: ids[token] for token in tokens}
                report = CallReport(
                    accepted=accepted, started_at=now, trace_id="4bf92f3577b34da6a3ce929d0e0e4736"
                )
                answered += core.completed(now, batch, report)
    return answered


def main(count: int, sent: int, size: int) -> None:
    lists = prepared(count, size)
    ids = {request.client_token: f"id-{waiter.index:036d}" for one in lists for waiter, request in one}
    engine: Any = Engine(Limits(call_rate=0.0), random.Random(1))
    core: Core = PresentCore(engine) if hasattr(engine, "take_answers") else EarlierCore(engine)
    gc.disable()  # when it collects is the shell's choice
    print(send(core, lists[: sent // size], ids), flush=True)
    os._exit(0)  # freeing the remaining memory would be counted too


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
