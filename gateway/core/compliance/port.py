"""The interface of the compliance guard, as the core sees it (`gateway.compliance.guard.Guard`)."""

from typing import Protocol

from gateway.core.compliance.verdict import Verdict
from gateway.core.model import DialRequest


class RequestGuard(Protocol):
    """Decides whether a dial request may be sent. It must not wait or raise."""

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict about a request at `now`, in seconds since the epoch."""
        ...
