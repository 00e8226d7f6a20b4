"""The reasons for refusing a caller: their names in metrics and their texts for callers."""

import logging
from collections.abc import Callable
from enum import StrEnum

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""Callers for which the log remembers what it has reported."""


class AccessRefusal(StrEnum):
    """What a caller was refused; the values are labels of a metric."""

    UNAUTHENTICATED = "unauthenticated"  # a call without an identity, under a policy
    UNKNOWN = "unknown_caller"  # a call of an identity that no entry of the policy names
    DIALING = "dialing"  # a call of a caller that may not dial anything
    CAMPAIGN = "campaign"  # a dial request for another's campaign
    PRIORITY = "priority"  # a request above the granted priority; it is accepted at the granted one
    OPERATION = "steering"  # a hold, release or purge; the label is older than this name
    NUMBERS = "numbers"  # a suppression of a number, the end of one, or a look-up
    FORGED = "forged_identity"  # a call that claims an identity in a header, from no trusted proxy
    GUESSING = "admin_guessing"  # a change on the admin port from an address with too many wrong tokens
    TOKEN = "admin_token"  # a change on the admin port  # noqa: S105 - no token, but a name

    @property
    def text(self) -> str:
        """The text for the caller, or for the log if the call continues."""
        return _TEXTS[self]


_TEXTS = {
    AccessRefusal.UNAUTHENTICATED: (
        "this gateway requires an identity: use a client certificate that has one"
    ),
    AccessRefusal.UNKNOWN: "the policy of this gateway does not name this caller",
    AccessRefusal.DIALING: "the policy of this gateway does not let this caller dial any campaign",
    AccessRefusal.CAMPAIGN: (
        "campaign_id: the policy of this gateway does not let this caller dial this campaign"
    ),
    AccessRefusal.PRIORITY: (
        "priority: higher than the policy grants this caller; lowered to the granted one"
    ),
    AccessRefusal.OPERATION: "the policy of this gateway does not let this caller do this to this campaign",
    AccessRefusal.NUMBERS: "the policy of this gateway does not let this caller suppress or allow numbers",
    AccessRefusal.GUESSING: (
        "a change on the admin port: the token was not checked, after too many wrong ones from this address"
    ),
    AccessRefusal.TOKEN: "a change on the admin port without its token",
    AccessRefusal.FORGED: (
        "x-forwarded-client-cert is ignored: the peer is not in DIAL_GATEWAY_TRUSTED_PROXIES"
    ),
}


class RefusalLog:
    """Counts refusals by `count`, and logs the first of each kind of each caller."""

    def __init__(self, count: Callable[[str, str, int], None]) -> None:
        self._count = count
        self._logged: set[tuple[str, AccessRefusal]] = set()

    def note(self, caller: str, refusal: AccessRefusal, number: int = 1) -> None:
        """Note that a caller was refused something so many times."""
        self._count(caller, refusal.value, number)
        if (caller, refusal) not in self._logged:
            if len(self._logged) >= REMEMBERED:
                self._logged.clear()
            self._logged.add((caller, refusal))
            log.warning("refused: %s", refusal.text, extra={"caller": caller, "refusal": refusal.value})
