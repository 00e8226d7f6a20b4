"""A model of Amazon Connect in memory and without a clock: quota, buffers, states, faults, a journal."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core import errors
from gateway.core.model import DialRequest, ItemFailure
from tests.oracle.records import Key

POISON, INVALID = "poison", "invalid"
"""Beginnings of tokens: Connect refuses a whole call that carries the one, and the other by itself."""
RUNNING = "Running"


class Bucket:
    """Connect's token bucket; others may take from it too."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, 0.0
        self.shared = False

    def level(self, now: float) -> float:
        """Return what is in the bucket."""
        self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level

    def take(self, now: float) -> bool:
        """Take one out, if it is there."""
        if self.level(now) < 1.0 - 1e-9:
            return False
        self._level -= 1.0
        return True

    def take_for_others(self, now: float) -> bool:
        """Take one out for another caller of the same account, if it is there."""
        self.shared = True
        return self.take(now)


@dataclass(slots=True)
class Buffer:
    """Pending dials of a campaign: at most `size`, worked off at `drain_rate` a second."""

    size: float = float("inf")
    drain_rate: float = 0.0
    _level: float = 0.0
    _at: float = 0.0

    def take(self, now: float) -> bool:
        """Put one dial in, if it fits."""
        self._level = max(0.0, self._level - (now - self._at) * self.drain_rate)
        self._at = now
        if self._level + 1.0 > self.size:
            return False
        self._level += 1.0
        return True


@dataclass(frozen=True, slots=True)
class Faults:
    """How likely each failure is: of calls, and of items."""

    lost_done: float = 0.0
    lost_undone: float = 0.0
    failed_done: float = 0.0
    failed_undone: float = 0.0
    unreachable: float = 0.0
    conflict: float = 0.0
    denied: float = 0.0
    unexpected: float = 0.0
    item_error: float = 0.0
    item_missing: float = 0.0
    item_rate: float = 0.0

    def any_call(self) -> float:
        """Return the probability that a call fails."""
        return sum(share for _, share, _ in self.of_calls())

    def of_calls(self) -> Iterable[tuple[errors.CallFailure, float, bool]]:
        """Yield the failures of calls: the probability of each, and whether Connect carries the call out."""
        yield errors.AnswerLost(), self.lost_done, True
        yield errors.AnswerLost(), self.lost_undone, False
        yield errors.ConnectFailed(), self.failed_done, True
        yield errors.ConnectFailed(), self.failed_undone, False
        yield errors.ConnectUnreachable(), self.unreachable, False
        yield errors.CallConflict(), self.conflict, False
        yield errors.AccessDenied(), self.denied, False
        yield errors.CallUnexpected(), self.unexpected, True


class Reply(NamedTuple):
    """Connect's answer to one attempt, as it reaches the gateway."""

    accepted: Mapping[str, str]
    failed: Mapping[str, ItemFailure]
    failure: errors.CallFailure | None


class Seen(NamedTuple):
    """One call that reached Connect: when, for whom, how many items, how many taken, and what failed."""

    at: float
    campaign_id: str
    size: int
    taken: int
    failure: str


@dataclass(slots=True)
class Connect:
    """Takes calls. `journal` holds what it has, `ids` every id that it ever gave to a token."""

    rng: random.Random
    bucket: Bucket
    faults: Faults = Faults()
    states: dict[str, str] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    journal: dict[Key, str] = field(default_factory=dict)
    ids: dict[Key, set[str]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    _last_id: int = 0

    def put(self, now: float, campaign_id: str, requests: Sequence[DialRequest]) -> Reply:
        """Take a call that arrives at `now`."""
        failure, done = self._failure(now, campaign_id, requests)
        reply = self._items(now, campaign_id, requests) if done else Reply({}, {}, failure)
        name = type(failure).__name__ if failure is not None else ""
        self.seen.append(Seen(now, campaign_id, len(requests), len(reply.accepted), name))
        return reply if failure is None else Reply({}, {}, failure)

    def campaign_states(self, campaign_ids: Iterable[str]) -> dict[str, str]:
        """Tell the states of campaigns."""
        return {campaign_id: self.states.get(campaign_id, RUNNING) for campaign_id in campaign_ids}

    def forget(self, key: Key) -> None:
        """Drop a dial from the journal: the gateway may know nothing of it any more."""
        self.journal.pop(key, None)

    def refuses(self, client_token: str) -> bool:
        """Whether an item is refused as invalid, alone or with its whole call."""
        return client_token.startswith((POISON, INVALID))

    def _failure(
        self, now: float, campaign_id: str, requests: Sequence[DialRequest]
    ) -> tuple[errors.CallFailure | None, bool]:
        """Return how the call fails, and whether its work is done."""
        if not self.bucket.take(now):
            return errors.RateThrottled(), False
        state = self.states.get(campaign_id, RUNNING)
        if state == "NotFound":
            return errors.CampaignNotFound(), False
        if state != RUNNING:
            return errors.CampaignNotRunning(state), False
        if any(request.client_token.startswith(POISON) for request in requests):
            return errors.CallInvalid(), False
        drawn = self.rng.random()
        if drawn < self.faults.any_call():
            for failure, share, done in self.faults.of_calls():
                drawn -= share
                if drawn < 0.0:
                    return failure, done
        return None, True

    def _items(self, now: float, campaign_id: str, requests: Sequence[DialRequest]) -> Reply:
        accepted: dict[str, str] = {}
        failed: dict[str, ItemFailure] = {}
        for request in requests:
            token = request.client_token
            failure = self._item_failure(now, request)
            if failure is not None:
                failed[token] = failure
                continue
            id_ = self._record((campaign_id, token))
            if self.faults.item_missing and self.rng.random() < self.faults.item_missing:
                continue  # it has it, and does not say so
            accepted[token] = id_
        return Reply(accepted, failed, None)

    def _item_failure(self, now: float, request: DialRequest) -> ItemFailure | None:
        if request.client_token.startswith(INVALID):
            return ItemFailure.INVALID_INPUT
        if (request.campaign_id, request.client_token) in self.journal:
            return None
        if self.faults.item_error and self.rng.random() < self.faults.item_error:
            return ItemFailure.UNKNOWN_ERROR
        if self.faults.item_rate and self.rng.random() < self.faults.item_rate:
            return ItemFailure.RATE
        buffer = self.buffers.get(request.campaign_id)
        return None if buffer is None or buffer.take(now) else ItemFailure.CAPACITY

    def _record(self, key: Key) -> str:
        """Write a dial into the journal, once for each token, and return its id."""
        id_ = self.journal.get(key)
        if id_ is None:
            self._last_id += 1
            id_ = self.journal[key] = f"id-{self._last_id}"
            self.ids.setdefault(key, set()).add(id_)
        return id_
