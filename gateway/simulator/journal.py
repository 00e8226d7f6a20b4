"""What Connect did, whether or not the client ever learned of it.

The journal knows client tokens and ids, never phone numbers or attributes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

NOT_DONE = "NotDone"
"""The result of a call that was lost before its work was done."""


class Delivery(StrEnum):
    """What became of the answer."""

    SENT = "sent"
    RESET = "reset"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class AcceptedItem:
    """A dial request that Connect has. `replayed`: it had it before, so this is no second dial."""

    token: str
    id: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A dial request in failedRequests, with its failure code."""

    token: str
    code: str


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """One call that passed the signature check.

    Attributes:
        at: when it arrived, in Unix seconds.
        operation: for example `PutDialRequestBatch`.
        campaign: the campaign id in its path, if it has one.
        items: dial requests in it; 0 for a call refused before it was read.
        tokens: their client tokens, in the order of the call.
        channels: the channel of each token, by the model's name, if it is no telephone call.
        result: `OK`, an AWS error code, or `NotDone`: what was done, not what the client saw.
        delivery: what became of the answer.
        carried_out: the work was done; its answer may still be an error or lost.
        illegal: the client broke the service's contract.
        access_key: access key id of the signature, which tells clients apart; "" without one.
        accepted: the dial requests that Connect has accepted.
        failed: those that it has not.

    """

    request_id: str
    at: float
    operation: str
    campaign: str | None
    items: int = 0
    result: str = "OK"
    delivery: Delivery = Delivery.SENT
    carried_out: bool = False
    illegal: bool = False
    access_key: str = ""
    tokens: Sequence[str] = ()
    accepted: list[AcceptedItem] = field(default_factory=list)
    failed: list[FailedItem] = field(default_factory=list)
    channels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Counts since the start or the last reset.

    Attributes:
        calls: calls by operation, and by result within it.
        items: dial requests by result: `accepted`, `replayed`, or a failure code.
        fill: batch calls that were carried out, by the number of their items.
        illegal_calls: calls that broke the service's contract (no injected ones).
        lost_answers: calls whose answer was reset or never sent.
        refused: requests that did not get as far as an operation, by error code.

    """

    calls: Mapping[str, Mapping[str, int]]
    items: Mapping[str, int]
    fill: Mapping[int, int]
    illegal_calls: int
    lost_answers: int
    refused: Mapping[str, int]


class Journal:
    """The last batch calls, oldest first, bounded by the dial requests in them, and the counts of all."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.clear()

    def __iter__(self) -> Iterator[CallRecord]:
        return iter(tuple(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def clear(self) -> None:
        """Forget every record and every count."""
        self._records: deque[CallRecord] = deque()
        self._weight = 0
        self._calls: dict[str, Counter[str]] = {}
        self._items: Counter[str] = Counter()
        self._fill: Counter[int] = Counter()
        self._illegal = 0
        self._lost = 0
        self._refused: Counter[str] = Counter()

    def refuse(self, code: str) -> None:
        """Count a request that did not get as far as an operation."""
        self._refused[code] += 1

    def add(self, record: CallRecord, *, is_batch: bool) -> None:
        """Count a call; keep it, if it is one for dial requests."""
        self._calls.setdefault(record.operation, Counter())[record.result] += 1
        self._illegal += record.illegal
        self._lost += record.delivery is not Delivery.SENT
        if not is_batch:
            return
        self._count_items(record)
        self._records.append(record)
        self._weight += _weight(record)
        while self._limit is not None and self._weight > self._limit:
            self._weight -= _weight(self._records.popleft())

    def dials(self, campaign: str | None = None) -> Counter[tuple[str, str]]:
        """Count how often each (campaign id, client token) was dialed; 2 would be a second call to a person.

        Counts what the journal still remembers, of one campaign or (None) of all.
        """
        return Counter(
            (record.campaign or "", item.token)
            for record in self._records
            if campaign in (None, record.campaign)
            for item in record.accepted
            if not item.replayed
        )

    def statistics(self) -> Statistics:
        """Return a copy of the counts."""
        return Statistics(
            calls={operation: dict(results) for operation, results in self._calls.items()},
            items=dict(self._items),
            fill=dict(sorted(self._fill.items())),
            illegal_calls=self._illegal,
            lost_answers=self._lost,
            refused=dict(self._refused),
        )

    def _count_items(self, record: CallRecord) -> None:
        if record.carried_out:
            self._fill[record.items] += 1
        for item in record.accepted:
            self._items["replayed" if item.replayed else "accepted"] += 1
        for failure in record.failed:
            self._items[failure.code] += 1


def _weight(record: CallRecord) -> int:
    # A call without items still takes room, so it counts as one.
    return max(1, record.items)
