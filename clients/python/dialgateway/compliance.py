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


class NumberStatus(StrEnum):
    """Whether a number is suppressed. UNSPECIFIED is something that only a newer gateway knows.

    SUPPRESSED: by an operator, for every campaign. LISTED: no operator is known to have suppressed it, but a
    list that rules enforce has it, for their campaigns. UNKNOWN: the gateway cannot tell now. INVALID: it is
    no phone number in the form E.164.
    """

    UNSPECIFIED = "UNSPECIFIED"
    NOT_SUPPRESSED = "NOT_SUPPRESSED"
    SUPPRESSED = "SUPPRESSED"
    LISTED = "LISTED"
    UNKNOWN = "UNKNOWN"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class NumberCheck:
    """Whether a number is suppressed; `index` is its position. The number itself is not repeated.

    If it is SUPPRESSED, `suppressed_at`, `suppressed_by`, `reason` and `lifetime` tell since when, by whom,
    why and until when, and `on_all_replicas` whether the shared state and all replicas of a fleet have the
    suppression. `lists` are the lists of the guard file that have the number, also those that no rule
    enforces. `detail` is the rule that an INVALID number breaks.
    """

    index: int
    status: NumberStatus
    number_hash: str = ""
    suppressed_at: datetime | None = None
    suppressed_by: str = ""
    reason: str = ""
    lifetime: SuppressionLifetime = SuppressionLifetime.UNSPECIFIED
    on_all_replicas: bool = False
    lists: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NumberList:
    """A list of the guard file, the rules that refuse its numbers, and the rules that only observe them."""

    name: str
    enforced_by: tuple[str, ...]
    observed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberChecks:
    """The checks of some numbers, in their order.

    `suppressed_by_operators` counts all such suppressions. `complete`: the replica that answered knows all of
    them. `confirmation` names the replicas that have carried out all that it knows; None without a shared
    state. `lists` and `guard_version` are those of the replica that answered; the version is "" without a
    guard file.
    """

    checks: tuple[NumberCheck, ...]
    suppressed_by_operators: int
    complete: bool
    confirmation: Confirmation | None
    lists: tuple[NumberList, ...]
    guard_version: str


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
