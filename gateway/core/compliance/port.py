"""The interface of the compliance guard, as the core sees it (`gateway.compliance.guard.Guard`)."""

from collections.abc import Sequence
from typing import Protocol

from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.model import DialRequest

_ALLOWED = Verdict(VerdictKind.ALLOWED)


class RequestGuard(Protocol):
    """Decides whether a dial request may be sent. Pure: the instant is an argument. It must not raise.

    A verdict that allows a request holds until closing time, or until `changes` is another number.
    """

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict about a request at `now`, in seconds since the epoch."""
        ...

    def decide_all(self, now: float, requests: Sequence[DialRequest]) -> Sequence[Verdict]:
        """Return the verdict about each of some requests of one campaign, one at least."""
        ...

    @property
    def changes(self) -> int:
        """A number that is another as soon as verdicts that were given before may not hold any more."""
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


class NoGuard:
    """Allows every request at any time. Implements `RequestGuard`, also for others without limits."""

    changes = 0

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
