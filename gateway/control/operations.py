"""Holds, releases and purges campaigns, and writes the audit record of each.

The gRPC service and the console both work through this module. They translate: they authorize the caller,
read the request, and turn the exceptions below into a status of their own.

OperationError
├── InvalidOperation     the campaign id or the reason breaks a rule
├── NotOnHold            a release of a campaign that is not on hold
└── HoldLimitReached     no further campaign can be put on hold
"""

import logging
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from gateway.control.snapshots import StatusSnapshots
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction, TooManyHolds
from gateway.dispatch.dispatcher import Dispatcher

log = logging.getLogger(__name__)

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


class HoldLimitReached(OperationError):  # noqa: N818
    """As many campaigns are on hold as the gateway allows."""

    def __init__(self) -> None:
        super().__init__("too many campaigns are held already")


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks for an operation, as the audit record names them, and the reason they give."""

    name: str
    reason: str


def check_text(field: str, text: str, limit: int = REASON_LIMIT) -> None:
    """Raise `InvalidOperation` if a text for the audit record is too long or has hidden characters."""
    if len(text) > limit:
        raise InvalidOperation(f"{field}: at most {limit} characters")
    if any(unicodedata.category(character) in _HIDDEN for character in text):
        raise InvalidOperation(f"{field}: no control characters")


class CampaignOperations:
    """Carries out operations on campaigns. `now` returns seconds on the gateway's clock.

    Each operation is logged once it is done, and a new snapshot is due, so that watchers see it at once.
    """

    def __init__(self, dispatcher: Dispatcher, snapshots: StatusSnapshots, now: Callable[[], float]) -> None:
        self._dispatcher = dispatcher
        self._snapshots = snapshots
        self._now = now

    async def hold(self, campaign_id: str, operator: Operator, *, answering: bool) -> int:
        """Put a campaign on hold; return how many dial requests were answered.

        `answering`: waiting and new dial requests are answered HELD. Otherwise they wait. Raises
        `InvalidOperation` and `HoldLimitReached`.
        """
        self._check(campaign_id, operator)
        hold = Hold(operator.name, operator.reason, self._now(), answering)
        try:
            answered = await self._dispatcher.hold(campaign_id, hold)
        except TooManyHolds:
            raise HoldLimitReached from None
        self._done("a campaign is held", campaign_id, operator, answering=answering, answered=answered)
        return answered

    def release(self, campaign_id: str, operator: Operator) -> None:
        """End the hold of a campaign. Raises `InvalidOperation` and `NotOnHold`."""
        self._check(campaign_id, operator)
        action = OperatorAction(ActionKind.RELEASE, operator.name, operator.reason, self._now())
        if not self._dispatcher.release(campaign_id, action):
            raise NotOnHold
        self._done("a campaign is released", campaign_id, operator)

    async def purge(self, campaign_id: str, operator: Operator) -> int:
        """Answer what is queued for a campaign PURGED; return how many. Raises `InvalidOperation`."""
        self._check(campaign_id, operator)
        action = OperatorAction(ActionKind.PURGE, operator.name, operator.reason, self._now())
        purged = await self._dispatcher.purge(campaign_id, action)
        self._done("a campaign is purged", campaign_id, operator, purged=purged)
        return purged

    @staticmethod
    def _check(campaign_id: str, operator: Operator) -> None:
        problem = problem_with_campaign(campaign_id)
        if problem is not None:
            raise InvalidOperation(problem)
        check_text("reason", operator.reason)

    def _done(self, event: str, campaign_id: str, operator: Operator, **more: object) -> None:
        self._snapshots.outdated()
        about = {"campaign": campaign_id, "caller": operator.name, "reason": operator.reason}
        log.info(event, extra=about | more)
