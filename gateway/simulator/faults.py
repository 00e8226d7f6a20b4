"""Faults that are injected: one data model for every kind, and the active faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from gateway.simulator.quota import PUT_OUTBOUND_BATCH


class FaultKind(StrEnum):
    """What happens to a call, or (`item_*`) to single dial requests of a batch."""

    LATENCY = "latency"
    """The answer takes `latency_s` longer, and up to `jitter_s` more."""
    EXCEPTION = "exception"
    """The call fails with `code`, `status` and `message`."""
    RESET = "reset"
    """The connection is reset."""
    NO_ANSWER = "no_answer"
    """No answer is sent, and the connection stays open until the client gives up."""
    ITEM_FAILURE = "item_failure"
    """The item is in failedRequests with `code`, and nothing is dialed."""
    ITEM_MISSING = "item_missing"
    """The item is in neither list."""
    ITEM_IN_BOTH = "item_in_both"
    """The item is accepted, and in failedRequests with `code` as well."""
    RATE = "rate"
    """The item is in failedRequests with `RequestThrottled`, of V2's calls only: there it is excessive usage,
    where V1 means a campaign that has no room."""


ITEM_KINDS = frozenset(
    {FaultKind.ITEM_FAILURE, FaultKind.ITEM_MISSING, FaultKind.ITEM_IN_BOTH, FaultKind.RATE}
)

# It is sent in a header.
_CODE = re.compile(r"[\w.#:-]+", re.ASCII)

_RATE_CODE = "RequestThrottled"

_NEED_CODE = frozenset({FaultKind.EXCEPTION, FaultKind.ITEM_FAILURE, FaultKind.ITEM_IN_BOTH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: what happens, how often, and to which calls.

    Attributes:
        kind: what happens.
        code: the AWS error code or the item's failure code; any text, known to Connect or not.
        status: HTTP status of an `exception`; None takes the service model's, or 500 for an unknown code.
        message: message of an `exception`.
        after_work: an `exception`, `reset` or `no_answer` comes when the work is done, and a missing item
            was accepted; otherwise nothing was done.
        latency_s: seconds that a `latency` adds.
        jitter_s: seconds, of which a random part is added to `latency_s`.
        probability: probability that it occurs for a call (an item, for the item kinds) that matches.
        count: how often it occurs before it is used up; None is without limit.
        operation: only calls of this operation, for example `PutDialRequestBatch`.
        campaign: only calls for this campaign id.
        token: only the item with this client token; for a call, only one that contains it.

    Raises:
        ValueError: a value is out of its range, or two contradict each other.

    """

    kind: FaultKind
    code: str | None = None
    status: int | None = None
    message: str = "Injected by the simulator"
    after_work: bool = False
    latency_s: float = 0.0
    jitter_s: float = 0.0
    probability: float = 1.0
    count: int | None = None
    operation: str | None = None
    campaign: str | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        if self.kind in _NEED_CODE and not self.code:
            raise ValueError(f"a fault of kind {self.kind} needs a code")
        if self.kind is FaultKind.RATE:
            self._make_rate()
        if self.code and not _CODE.fullmatch(self.code):
            raise ValueError("code must be letters, digits and any of . # : _ -")
        if self.code == "InvalidCampaignStateException":
            raise ValueError("set the campaign's state instead of injecting InvalidCampaignStateException")
        if self.status is not None and not 400 <= self.status <= 599:
            raise ValueError(f"status must be from 400 to 599, not {self.status}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, not {self.probability}")
        if self.count is not None and self.count < 1:
            raise ValueError(f"count must be at least 1, not {self.count}")
        if not (self.latency_s >= 0 and self.jitter_s >= 0):
            raise ValueError("latency_s and jitter_s must be 0 or more")

    def _make_rate(self) -> None:
        if self.code not in (None, _RATE_CODE) or self.operation not in (None, PUT_OUTBOUND_BATCH):
            raise ValueError(
                f"a fault of kind rate is {_RATE_CODE} of {PUT_OUTBOUND_BATCH}, and nothing else"
            )
        object.__setattr__(self, "code", _RATE_CODE)
        object.__setattr__(self, "operation", PUT_OUTBOUND_BATCH)


@dataclass(slots=True)
class ActiveFault:
    """An active fault: its number, its remaining count, and how often it has occurred."""

    id: int
    fault: Fault
    remaining: int | None
    struck: int = 0


@dataclass(frozen=True, slots=True)
class CallFaults:
    """The faults of one call: extra seconds, and at most one fault."""

    latency_s: float = 0.0
    fault: Fault | None = None


_NOTHING = CallFaults()


class FaultBoard:
    """The active faults, oldest first. All randomness comes from the generator passed in."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._last_id = 0
        self._call_faults: list[ActiveFault] = []
        self._item_faults: list[ActiveFault] = []

    def add(self, fault: Fault) -> int:
        """Add a fault and return its number."""
        self._last_id += 1
        faults = self._item_faults if fault.kind in ITEM_KINDS else self._call_faults
        faults.append(ActiveFault(self._last_id, fault, fault.count))
        return self._last_id

    def remove(self, fault_id: int) -> bool:
        """Remove a fault; return False if there is none with this number."""
        for faults in (self._call_faults, self._item_faults):
            for active in faults:
                if active.id == fault_id:
                    faults.remove(active)
                    return True
        return False

    def clear(self) -> None:
        """Remove every fault."""
        self._call_faults.clear()
        self._item_faults.clear()

    def active(self) -> tuple[ActiveFault, ...]:
        """Return every fault, used up or not, oldest first."""
        return tuple(sorted(self._call_faults + self._item_faults, key=lambda active: active.id))

    def for_call(self, operation: str, campaign: str | None, tokens: Collection[str]) -> CallFaults:
        """Return the faults of this call: all latencies together, and the first of the other faults."""
        if not self._call_faults:
            return _NOTHING
        latency_s, failure = 0.0, None
        for active in self._call_faults:
            fault = active.fault
            if failure is not None and fault.kind is not FaultKind.LATENCY:
                continue
            if not _concerns(fault, operation, campaign, tokens.__contains__) or not self._occurs(active):
                continue
            if fault.kind is FaultKind.LATENCY:
                latency_s += fault.latency_s + fault.jitter_s * self._random.random()
            else:
                failure = fault
        return CallFaults(latency_s, failure)

    def for_item(self, operation: str, campaign: str, token: str) -> Fault | None:
        """Return the fault that occurs for this dial request, if any."""
        for active in self._item_faults:
            if _concerns(active.fault, operation, campaign, token.__eq__) and self._occurs(active):
                return active.fault
        return None

    def _occurs(self, active: ActiveFault) -> bool:
        if active.remaining == 0:
            return False
        # A fault that always occurs draws no random number, so adding one does not change the others.
        if active.fault.probability < 1 and self._random.random() >= active.fault.probability:
            return False
        active.struck += 1
        if active.remaining is not None:
            active.remaining -= 1
        return True


def _concerns(fault: Fault, operation: str, campaign: str | None, has_token: Callable[[str], object]) -> bool:
    return (
        fault.operation in (None, operation)
        and fault.campaign in (None, campaign)
        and (fault.token is None or bool(has_token(fault.token)))
    )
