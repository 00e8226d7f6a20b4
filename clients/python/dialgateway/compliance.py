"""The values of ComplianceService: suppressed numbers, and what would happen to dial requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dialgateway.campaigns import Confirmation
from dialgateway.values import Reason


class SuppressionLifetime(StrEnum):
    """How long a suppression lasts. UNSPECIFIED is one that this version of the client does not know.

    SHARED: until the number is allowed again, on all replicas. FILE: the same, on the replica that answered.
    PROCESS: until the process of that replica ends.
    """

    UNSPECIFIED = "UNSPECIFIED"
    SHARED = "SHARED"
    FILE = "FILE"
    PROCESS = "PROCESS"


@dataclass(frozen=True, slots=True)
class NumberSuppressed:
    """What came of a suppression. `number_hash` is the keyed hash of the number, as in the gateway's log.

    `confirmation` is None if the gateway has no shared state: then it applies to one replica only.
    """

    number_hash: str
    already_suppressed: bool
    lifetime: SuppressionLifetime
    confirmation: Confirmation | None


@dataclass(frozen=True, slots=True)
class NumberAllowed:
    """What came of the end of a suppression; the fields are those of `NumberSuppressed`."""

    number_hash: str
    confirmation: Confirmation | None


class DialCheckVerdict(StrEnum):
    """What the gateway would do with a dial request. UNSPECIFIED is something that only a newer one knows.

    SEND: send it when its turn comes. WAIT: let it wait, then send it. NOT_ACCEPT: answer NOT_ACCEPTED or
    EXPIRED, since it cannot be sent before its expiration. REJECT: answer REJECTED.
    """

    UNSPECIFIED = "UNSPECIFIED"
    SEND = "SEND"
    WAIT = "WAIT"
    NOT_ACCEPT = "NOT_ACCEPT"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True)
class ObservedRule:
    """What a rule that only observes would have done with a dial request."""

    rule: str
    verdict: DialCheckVerdict
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class DialCheck:
    """What would happen to a dial request, and why: the field and the rule, never the number.

    `rule` is the rule of the guard file that decided. `not_before` is when the request may be sent at the
    earliest, `allowed_until` when its calling hours close before its own expiration.
    """

    client_token: str
    index: int
    verdict: DialCheckVerdict
    reason: Reason
    detail: str
    rule: str
    not_before: datetime | None
    allowed_until: datetime | None
    observed: tuple[ObservedRule, ...] = ()

    @property
    def would_be_sent(self) -> bool:
        """Whether it would be sent, now or once it may."""
        return self.verdict in {DialCheckVerdict.SEND, DialCheckVerdict.WAIT}


@dataclass(frozen=True, slots=True)
class DialChecks:
    """The checks of a list, in its order; `guard_version` is that of the guard file, "" if there is none."""

    checks: tuple[DialCheck, ...]
    guard_version: str
