"""What the tests of the core share: dial requests, callers and a bench around an engine."""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.core.attributes import Attributes
from gateway.core.channels import Channel
from gateway.core.compliance.port import RequestGuard
from gateway.core.engine import Decision, Engine, Limits
from gateway.core.model import (
    Answer,
    Batch,
    CallReport,
    CampaignNotice,
    DialRequest,
    Entry,
    NoticeKind,
    Priority,
    Settled,
    Source,
    Waiter,
)
from gateway.core.scheduling.queues import CampaignQueue
from gateway.core.views.snapshot import Snapshot

NOW = 1_000.0
PHONE = "+12065550100"
TOKEN = "token"
Result = TypeVar("Result")


def dial(
    token: str = TOKEN,
    campaign: str = "campaign",
    *,
    phone: str = PHONE,
    attributes: Attributes | None = None,
    expires_at: float = NOW + 600.0,
    size: int = 100,
    in_doubt: bool = False,
    channel: Channel | None = None,
) -> DialRequest:
    """Make a valid dial request, unless told otherwise."""
    return DialRequest(campaign, token, phone, attributes or {}, expires_at, size, in_doubt, channel)


def entry(
    token: str = TOKEN,
    campaign: str = "campaign",
    *,
    source: Source | None = None,
    expires_at: float = NOW + 60.0,
    priority: Priority = Priority.NORMAL,
) -> Entry:
    """Make an entry that one source waits for."""
    return Entry(dial(token, campaign), expires_at, [Waiter(source or Source(), 0)], priority)


def queue_of(*entries: Entry) -> CampaignQueue:
    """Make a campaign's queue in which some entries wait."""
    campaign = CampaignQueue("campaign")
    for waiting in entries:
        campaign.push(NOW, [waiting])
    return campaign


def tokens(entries: list[Entry]) -> list[str]:
    """Return the tokens of entries."""
    return [waiting.request.client_token for waiting in entries]


def many(count: int, prefix: str = "t") -> list[str]:
    """Return different tokens."""
    return [f"{prefix}{number}" for number in range(count)]


@dataclass(eq=False)
class Caller:
    """A source that counts what it sends, and the answers it was given."""

    source: Source = field(default_factory=Source)
    sent: int = 0
    answers: dict[int, Answer] = field(default_factory=dict)
    notices: list[tuple[str, CampaignNotice]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source.owner = self

    def deliver(self, settled: Settled) -> None:
        """Keep an answer."""
        assert settled.waiter.index not in self.answers, "answered twice"
        self.answers[settled.waiter.index] = settled.answer

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Keep a notice."""
        self.notices.append((campaign_id, notice))

    @property
    def told(self) -> list[NoticeKind]:
        """The kinds of the notices it was given."""
        return [notice.kind for _, notice in self.notices]


class Bench:
    """An engine, with the bookkeeping that the tests would repeat: indices, answers, reports."""

    def __init__(self, guard: RequestGuard | None = None, **limits: Any) -> None:
        self.engine = Engine(Limits(**limits), random.Random(1))
        if guard is not None:
            self.engine.guarding.use(guard)
        self.settled: list[Settled] = []
        """The answers that came with the last poll."""

    def send(
        self, now: float, caller: Caller, request: DialRequest, priority: Priority = Priority.NORMAL
    ) -> Answer | None:
        """Submit a dial request of a caller; return and keep the answer if it is known at once."""
        index = caller.sent
        caller.sent += 1
        self.engine.submit(now, [(Waiter(caller.source, index), request)], priority)
        self.take_answers(now)
        return caller.answers.get(index)

    def send_all(
        self,
        now: float,
        caller: Caller,
        *tokens: str,
        campaign: str = "campaign",
        priority: Priority = Priority.NORMAL,
    ) -> None:
        """Submit dial requests that are all taken in."""
        for token in tokens:
            assert self.send(now, caller, dial(token, campaign), priority) is None

    def poll(self, now: float) -> Decision:
        """Poll, and keep the answers."""
        decision = self.engine.poll(now)
        self.settled = self.take_answers(now)
        for source, campaign_id, notice in decision.notices:
            source.owner.notify(campaign_id, notice)
        return decision

    def call(self, now: float) -> Batch:
        """Poll for exactly one call."""
        (batch,) = self.poll(now).batches
        return batch

    def next_call(self, now: float) -> tuple[float, Batch]:
        """Poll whenever the engine wants it until a call leaves; return when that was."""
        for _ in range(20):
            decision = self.poll(now)
            if decision.batches:
                return now, decision.batches[0]
            assert decision.wake_at is not None
            assert decision.wake_at > now
            now = decision.wake_at
        raise AssertionError("the engine wants to be asked again and again, for nothing")

    def complete(self, now: float, batch: Batch, **report: Any) -> list[Settled]:
        """Complete a call, with every item accepted unless told otherwise, and keep the answers."""
        report = report or {"accepted": ids_of(batch)}
        self.engine.completed(now, batch, CallReport(**report))
        return self.take_answers(now)

    def looked_up(self, now: float, asked: list[str], **states: str) -> list[Settled]:
        """Tell what Connect says of campaigns, and keep the answers."""
        self.engine.looked_up(now, asked, states)
        return self.take_answers(now)

    def leave(self, now: float, caller: Caller) -> int:
        """Let a caller disconnect; return how many requests were dropped for it."""
        before = self.engine.dropped
        self.engine.source_gone(now, caller.source)
        while self.engine.unfinished:
            self.engine.do_slice(now)
        self.take_answers(now)
        return self.engine.dropped - before

    def withdraw(self, now: float, caller: Caller) -> None:
        """Answer a caller at once, and keep the answers."""
        self.engine.withdraw(now, caller.source)
        self.take_answers(now)

    def abandon(self, now: float) -> None:
        """Answer everybody at once, and keep the answers."""
        self.engine.abandon(now)
        self.take_answers(now)

    def take_answers(self, now: float) -> list[Settled]:
        """Take the answers out of the engine, keep each with its caller, and return them."""
        settled = self.engine.take_answers(now)
        for one in settled:
            one.waiter.source.owner.deliver(one)
        return settled


def ids_of(batch: Batch) -> dict[str, str]:
    """Return what Connect answers where it accepts every item of a call."""
    return {token: f"id-{token}" for token in tokens_of(batch)}


def tokens_of(batch: Batch) -> list[str]:
    """Return the tokens of a call, in its order."""
    return [entry.request.client_token for entry in batch.entries]


def assert_idle(bench: Bench, now: float) -> None:
    """Check that nothing is left to do. A few wake-ups are allowed, each later than the one before."""
    for _ in range(20):
        decision = bench.poll(now)
        assert (decision.granted, decision.batches, bench.settled) == ([], [], [])
        assert (decision.denied, decision.look_up, decision.notices) == ([], [], [])
        if decision.wake_at is None:
            return
        assert decision.wake_at > now
        now = decision.wake_at
    raise AssertionError("the engine wants to be asked again and again, for nothing")


def census_of(engine: Engine, now: float) -> Snapshot:
    """Take a census in one part."""
    census, _ = in_parts(engine.begin_snapshot(now))
    return census


def in_parts(work: Generator[None, None, Result], done: Callable[[], int] = lambda: 0) -> tuple[Result, int]:
    """Run work in parts; return its result, and the most units of one part. `done` counts units so far."""
    most = 0
    while True:
        before = done()
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result, max(most, done() - before)
        most = max(most, done() - before)


def assert_empty(bench: Bench, *callers: Caller) -> None:
    """Check that nothing is outstanding and no wake-up is needed."""
    assert bench.engine.outstanding == bench.engine.outstanding_bytes == 0
    for caller in callers:
        assert caller.source.pending == {}
        assert caller.source.queues == {}
