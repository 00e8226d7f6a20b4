"""A guard for tests of the core: windows of instants, tokens that are refused, and contact limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.compliance.port import NoGuard, decided_in_turn
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.model import DialRequest, Reason
from tests.unit.core.making import NOW

"""What `making.dial` adds to an instant of the core to get seconds since the epoch."""
Window = tuple[float, float]


@dataclass
class HoursGuard(NoGuard):
    """Allows requests within windows, which are on the core's scale; refuses the tokens in `refused`.

    `asked` counts the decisions. With `observing`, each allowed request has the verdict of a rule that only
    observes. All requests but the tokens in `free` count under `limits` and `observed_limits`. A guard that
    `learns` has to look up the number of each token the first time.
    """

    windows: tuple[Window, ...] = ((-math.inf, math.inf),)
    refused: set[str] = field(default_factory=set)
    observing: bool = False
    limits: tuple[ContactLimit, ...] = ()
    observed_limits: tuple[ContactLimit, ...] = ()
    free: set[str] = field(default_factory=set)
    asked: int = 0
    learns: bool = False
    known: set[str] = field(default_factory=set)

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict; implements `RequestGuard`."""
        self.asked += 1
        if self.learns:
            self.known.add(request.client_token)
        if request.client_token in self.refused:
            return Verdict(VerdictKind.REFUSED, Reason.SUPPRESSED, "rule", "1", "lists: refused")
        instant = round(now, 6)
        for opens, closes in self.windows:
            if instant < opens:
                reason, detail = Reason.OUTSIDE_CALLING_HOURS, "hours: closed now"
                return Verdict(VerdictKind.NOT_BEFORE, reason, "rule", "1", detail, not_before=opens)
            if instant < closes:
                closing = None if closes == math.inf else closes
                observed = (self._observed(),) if self.observing else ()
                return Verdict(
                    VerdictKind.ALLOWED, rule="rule", version="1", closes_at=closing, observed=observed
                )
        return Verdict(VerdictKind.REFUSED, Reason.OUTSIDE_CALLING_HOURS, "rule", "1", "hours: no opening")

    def decide_all(self, now: float, requests: Sequence[DialRequest]) -> list[Verdict]:
        """Return the verdicts of `decide`, up to the last of some look-ups."""
        return decided_in_turn(self, now, requests)

    @property
    def number_look_ups(self) -> int:
        """How many numbers were looked up."""
        return len(self.known)

    @property
    def limited(self) -> bool:
        """Whether there are limits."""
        return bool(self.limits or self.observed_limits)

    def contacts(self, requests: Sequence[DialRequest]) -> list[Contact | None] | None:
        """Return the contacts of requests, with their numbers and tokens instead of hashes."""
        if not self.limited:
            return None
        return [None if one.client_token in self.free else self._contact(one) for one in requests]

    def _contact(self, request: DialRequest) -> Contact:
        call = f"{request.campaign_id} {request.client_token}"
        return Contact(request.phone_number.encode(), call.encode(), self.limits, self.observed_limits)

    def over_limit(self, now: float, request: DialRequest, count: ContactCount) -> Verdict:
        """Return when the limit has room and a window is open."""
        assert count.full is not None
        free_at = now + count.wait_s
        then = self.decide(free_at, request)
        kind = VerdictKind.REFUSED if then.kind is VerdictKind.REFUSED else VerdictKind.NOT_BEFORE
        detail = f"limits: {count.full.in_words()}"
        not_before = then.not_before or free_at
        return Verdict(kind, Reason.CONTACT_LIMIT, "rule", "1", detail, not_before=not_before)

    def over_observed(self, request: DialRequest, limits: Sequence[ContactLimit]) -> tuple[Verdict, ...]:
        """Return a verdict for each limit."""
        return tuple(
            Verdict(VerdictKind.REFUSED, Reason.CONTACT_LIMIT, "observer", "1", one.in_words())
            for one in limits
        )

    def _observed(self) -> Verdict:
        return Verdict(VerdictKind.REFUSED, Reason.SUPPRESSED, "observer", "1", "lists: observed")


def opening_at(seconds: float, length: float = 3_600.0) -> HoursGuard:
    """Return a guard that opens so many seconds after `NOW`."""
    return HoursGuard(windows=((NOW + seconds, NOW + seconds + length),))


def closing_at(seconds: float, opening: float | None = None) -> HoursGuard:
    """Return a guard that closes so many seconds after `NOW`, and opens again if `opening` says when."""
    later = () if opening is None else ((NOW + opening, NOW + opening + 3_600.0),)
    return HoursGuard(windows=((-math.inf, NOW + seconds), *later))
