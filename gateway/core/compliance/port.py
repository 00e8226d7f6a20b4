"""The interface of the compliance guard, as the core sees it (`gateway.compliance.guard.Guard`)."""

from collections.abc import Sequence
from typing import Protocol

from gateway.core.compliance.verdict import Verdict
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.model import DialRequest


class RequestGuard(Protocol):
    """Decides whether a dial request may be sent. It must not wait or raise."""

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict about a request at `now`, in seconds since the epoch."""
        ...

    @property
    def limited(self) -> bool:
        """Whether any campaign has contact limits."""
        ...

    def contacts(self, requests: Sequence[DialRequest]) -> Sequence[Contact] | None:
        """Return the contacts of requests of one campaign, None if it has no contact limits."""
        ...

    def over_limit(self, now: float, request: DialRequest, count: ContactCount) -> Verdict:
        """Return the verdict about a request for which `count` has found no room."""
        ...

    def over_observed(self, request: DialRequest, limits: Sequence[ContactLimit]) -> Sequence[Verdict]:
        """Return the verdicts of rules that only observe, about `limits` without room."""
        ...
