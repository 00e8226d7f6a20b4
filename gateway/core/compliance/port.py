"""The interface of the compliance guard, as the core sees it (`gateway.compliance.guard.Guard`)."""

from collections.abc import Sequence
from typing import Protocol

from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.model import DialRequest

LOOK_UPS_AT_ONCE = 10
"""Look-ups of numbers in a row, at most: each takes up to a millisecond on a slow machine."""
_ALLOWED = Verdict(VerdictKind.ALLOWED)


class RequestGuard(Protocol):
    """Decides whether a dial request may be sent. Pure: the instant is an argument. It must not raise.

    A verdict that allows a request holds until closing time, or until `changes` changes.
    """

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict about a request at `now`, in seconds since the epoch."""
        ...

    def decide_all(self, now: float, requests: Sequence[DialRequest]) -> Sequence[Verdict]:
        """Return the verdict about each of some requests of one campaign, one at least.

        It may return fewer verdicts, those of the first requests, after `LOOK_UPS_AT_ONCE` look-ups.
        """
        ...

    @property
    def number_look_ups(self) -> int:
        """How many numbers had to be looked up so far, since facts about others did not include them.

        A look-up takes hundreds of times as long as a decision about a known number.
        """
        ...

    @property
    def changes(self) -> int:
        """A number that changes as soon as earlier verdicts may not hold any more."""
        ...

    @property
    def limited(self) -> bool:
        """Whether any campaign has contact limits."""
        ...

    def contacts(self, requests: Sequence[DialRequest]) -> Sequence[Contact | None] | None:
        """Return the contacts of requests, None for those without contact limits."""
        ...

    def over_limit(self, now: float, request: DialRequest, count: ContactCount) -> Verdict:
        """Return the verdict about a request for which `count` has found no room."""
        ...

    def over_observed(self, request: DialRequest, limits: Sequence[ContactLimit]) -> Sequence[Verdict]:
        """Return the verdicts of rules that only observe, about `limits` without room."""
        ...


def decided_in_turn(guard: RequestGuard, now: float, requests: Sequence[DialRequest]) -> list[Verdict]:
    """Return the verdicts of `decide` about some requests, up to the last of `LOOK_UPS_AT_ONCE` look-ups."""
    found: list[Verdict] = []
    enough = guard.number_look_ups + LOOK_UPS_AT_ONCE
    for request in requests:
        found.append(guard.decide(now, request))
        if guard.number_look_ups >= enough:
            break
    return found


class NoGuard:
    """Allows every request at any time. Implements `RequestGuard`, also for others without limits."""

    changes = 0

    @property
    def number_look_ups(self) -> int:
        """How many numbers had to be looked up so far: none."""
        return 0

    @property
    def limited(self) -> bool:
        """Whether any campaign has contact limits."""
        return False

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict that a request may be sent."""
        return _ALLOWED

    def decide_all(self, now: float, requests: Sequence[DialRequest]) -> Sequence[Verdict]:
        """Return the verdict about each request."""
        return [self.decide(now, request) for request in requests]

    def contacts(self, requests: Sequence[DialRequest]) -> Sequence[Contact | None] | None:
        """Return None: there are no contact limits."""
        return None

    def over_limit(self, now: float, request: DialRequest, count: ContactCount) -> Verdict:
        """Raise `AssertionError`, since there are no contact limits."""
        raise AssertionError("a guard without contact limits")

    def over_observed(self, request: DialRequest, limits: Sequence[ContactLimit]) -> Sequence[Verdict]:
        """Return nothing: there are no contact limits."""
        return ()
