"""Holds, releases and purges campaigns, and writes the audit record of each.

The gRPC service and the console both work through this module. They translate: they authorize the caller,
read the request, and turn the exceptions below into a status of their own.

OperationError
├── InvalidOperation     the campaign id or the reason breaks a rule
├── NotOnHold            a release of a campaign that is not on hold
├── UnknownCampaign      the gateway knows no such campaign, or no campaign has the name
├── UnclearName          a name that several campaigns have
│   └── DirectoryUnread  a name that cannot be looked up yet
├── HoldLimitReached     no further campaign can be put on hold
└── ReleaseNotShared     a release that the shared state cannot record

With a shared state, operations apply to all replicas of the fleet.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from gateway.control.audit import Actor, Audit, AuditEvent, Event, IdentifiedBy, Value
from gateway.control.snapshots import StatusSnapshots
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction, TooManyHolds
from gateway.core.fleet.messages import FleetActionKind
from gateway.directory.directory import (
    NO_DIRECTORY,
    CampaignDirectory,
    NameProblem,
    NameRefused,
    is_pattern,
)
from gateway.dispatch.campaign_actions import CampaignActions
from gateway.fleet.control import FleetControl
from gateway.fleet.membership import ActionResult, SharedStateAway

PATTERN = "is a pattern; list its campaigns and name each"
UNKNOWN = "this campaign is not known: it has no dial requests and no hold, and no campaign directory has it"
REASON_LIMIT = 500
"""Characters of a reason, at most."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that a log viewer or a terminal does not show, or acts on."""


class OperationError(Exception):
    """An operation was not carried out. The text names the field and the rule, never the value."""


class InvalidOperation(OperationError):  # noqa: N818 - named like the other outcomes of a call
    """The campaign id or the reason breaks a rule."""


class NotOnHold(OperationError):  # noqa: N818
    """The campaign to release is not on hold."""

    def __init__(self) -> None:
        super().__init__("campaign_id: this campaign is not held here")


class UnknownCampaign(OperationError):  # noqa: N818
    """No campaign that the operator may see has the name, or the gateway knows no campaign with the id."""


class UnclearName(OperationError):  # noqa: N818
    """Several campaigns have the name."""


class DirectoryUnread(UnclearName):
    """The campaign directory has not been read yet, so names cannot be looked up."""


class HoldLimitReached(OperationError):  # noqa: N818
    """As many campaigns are on hold as the gateway allows."""

    def __init__(self) -> None:
        super().__init__("too many campaigns are held already")


class ReleaseNotShared(OperationError):  # noqa: N818
    """The shared state did not confirm a release, so the campaign stays held.

    It may nevertheless have recorded the release; then all replicas carry it out when they learn of it.
    """

    def __init__(self) -> None:
        super().__init__(
            "the shared state does not answer, so the release is refused and the campaign stays held; "
            "if it is still held once the shared state is back, release it then"
        )


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks for an operation, and the reason they give."""

    actor: Actor
    reason: str

    @property
    def name(self) -> str:
        """The name that listings show. One that was only typed is marked as such."""
        typed = self.actor.identified_by is IdentifiedBy.TYPED
        return f"{self.actor.name} (typed)" if typed else self.actor.name


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How many dial requests an operation answered, and which replicas have carried it out.

    `fleet` is None without a shared state.
    """

    answered: int = 0
    fleet: ActionResult | None = None


_ERRORS: dict[NameProblem, type[OperationError]] = {
    NameProblem.OFF: InvalidOperation,
    NameProblem.UNREAD: DirectoryUnread,
    NameProblem.UNKNOWN: UnknownCampaign,
    NameProblem.AMBIGUOUS: UnclearName,
}


def check_text(field: str, text: str, limit: int = REASON_LIMIT, *, needed: bool = False) -> None:
    """Raise `InvalidOperation` if a text for the audit record is too long, or has hidden characters.

    A text that is `needed` may not be empty.
    """
    if needed and not text.strip():
        raise InvalidOperation(f"{field}: required")
    if len(text) > limit:
        raise InvalidOperation(f"{field}: at most {limit} characters")
    if any(unicodedata.category(character) in _HIDDEN for character in text):
        raise InvalidOperation(f"{field}: no control characters")


class CampaignOperations:
    """Carries out operations on campaigns. `now` returns seconds on the gateway's clock.

    Each operation is in the audit record once it is done, and a new snapshot is due, so that watchers see it
    at once.
    """

    def __init__(
        self,
        actions: CampaignActions,
        snapshots: StatusSnapshots,
        now: Callable[[], float],
        fleet: FleetControl | None = None,
        directory: CampaignDirectory = NO_DIRECTORY,
        *,
        audit: Audit,
    ) -> None:
        """`fleet` carries operations out on all replicas; None without a shared state."""
        self._audit = audit
        self._directory = directory
        self._actions = actions
        self._snapshots = snapshots
        self._now = now
        self._fleet = fleet

    def resolve(self, text: str, visible: Callable[[str], bool] = lambda _: True) -> str:
        """Return the id of a campaign that is given by its id, or by `name:` and its name.

        Raises `UnknownCampaign`, `UnclearName` and `InvalidOperation` (there is no directory). A campaign
        that is not `visible` to the operator counts as unknown.
        """
        try:
            return self._directory.resolve(text, visible)
        except NameRefused as refused:
            raise _ERRORS[refused.problem](str(refused)) from None

    async def known(self, campaign_id: str) -> bool:
        """Whether a campaign is in the directory or in listings, or may be in those of a missing replica."""
        if self._directory.get(campaign_id) is not None:
            return True
        for _ in range(2):  # a snapshot may be older than the first dial request of the campaign
            snapshot = await self._snapshots.fresh()
            if campaign_id in snapshot.rows or not all(replica.reported for replica in snapshot.replicas):
                return True
            self._snapshots.outdated()
        return False

    async def _require_known(self, campaign_id: str) -> None:
        if await self.known(campaign_id):
            return
        if is_pattern(campaign_id):
            raise InvalidOperation(f"campaign_id: {PATTERN}")
        raise UnknownCampaign(f"campaign_id: {UNKNOWN}")

    async def hold(
        self, campaign_id: str, operator: Operator, *, answering: bool, known_only: bool = False
    ) -> OperationResult:
        """Put a campaign on hold; return how many dial requests were answered.

        `answering`: waiting and new dial requests are answered HELD. Otherwise they wait. `known_only`: do
        not hold a campaign in advance. Raises `InvalidOperation`, `UnknownCampaign` and `HoldLimitReached`.
        """
        self._check(campaign_id, operator, needs_reason=True)
        if known_only:
            await self._require_known(campaign_id)
        try:
            if self._fleet is not None:
                done = await self._in_fleet(
                    self._fleet, FleetActionKind.HOLD, campaign_id, operator, answering=answering
                )
            else:
                hold = Hold(operator.name, operator.reason, self._now(), answering)
                done = OperationResult(await self._actions.hold(campaign_id, hold))
        except TooManyHolds:
            raise HoldLimitReached from None
        self._record(Event.HOLD, "a campaign is held", campaign_id, operator, done, answering=answering)
        return done

    async def release(self, campaign_id: str, operator: Operator) -> OperationResult:
        """End the hold of a campaign. Raises `InvalidOperation`, `NotOnHold` and `ReleaseNotShared`."""
        self._check(campaign_id, operator)
        if self._fleet is not None:
            done = await self._in_fleet(self._fleet, FleetActionKind.RELEASE, campaign_id, operator)
        else:
            action = OperatorAction(ActionKind.RELEASE, operator.name, operator.reason, self._now())
            if not self._actions.release(campaign_id, action):
                raise NotOnHold
            done = OperationResult()
        self._record(Event.RELEASE, "a campaign is released", campaign_id, operator, done)
        return done

    async def purge(
        self, campaign_id: str, operator: Operator, *, known_only: bool = False
    ) -> OperationResult:
        """Answer what is queued for a campaign PURGED; return how many.

        `known_only`: do not purge a campaign that the gateway does not know. Raises `InvalidOperation` and
        `UnknownCampaign`.
        """
        self._check(campaign_id, operator, needs_reason=True)
        if known_only:
            await self._require_known(campaign_id)
        if self._fleet is not None:
            done = await self._in_fleet(self._fleet, FleetActionKind.PURGE, campaign_id, operator)
        else:
            action = OperatorAction(ActionKind.PURGE, operator.name, operator.reason, self._now())
            done = OperationResult(await self._actions.purge(campaign_id, action))
        self._record(Event.PURGE, "a campaign is purged", campaign_id, operator, done)
        return done

    @staticmethod
    async def _in_fleet(
        fleet: FleetControl,
        kind: FleetActionKind,
        campaign_id: str,
        operator: Operator,
        *,
        answering: bool = False,
    ) -> OperationResult:
        """Carry out an action on all replicas. Raises `NotOnHold`, `ReleaseNotShared` and `TooManyHolds`."""
        fleet.look()  # so that the answer can show what all replicas have queued
        try:
            result = await fleet.act(kind, campaign_id, operator.name, operator.reason, answering=answering)
        except SharedStateAway:
            raise ReleaseNotShared from None
        if result is None:
            raise NotOnHold
        return OperationResult(result.answered, result)

    @staticmethod
    def _check(campaign_id: str, operator: Operator, *, needs_reason: bool = False) -> None:
        problem = problem_with_campaign(campaign_id)
        if problem is not None:
            raise InvalidOperation(problem)
        check_text("reason", operator.reason, needed=needs_reason)

    def _record(
        self,
        event: Event,
        text: str,
        campaign_id: str,
        operator: Operator,
        done: OperationResult,
        **more: Value,
    ) -> None:
        """Write the audit event of an operation, and have the next snapshot show it."""
        self._snapshots.outdated()
        fields: dict[str, Value] = {"campaign": campaign_id}
        if (known := self._directory.get(campaign_id)) is not None:
            fields["campaign_name"] = known.name
        fields |= {"affected": done.answered, **more}
        if done.fleet is not None:
            fields |= {
                "confirmed": ", ".join(done.fleet.confirmed),
                "unconfirmed": ", ".join(done.fleet.unconfirmed),
                "only_here": done.fleet.only_here,
            }
        self._audit.write(AuditEvent(event, text, operator.actor, operator.reason, fields))
