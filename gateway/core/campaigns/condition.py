"""The condition of one campaign that does not flow, and a change of it."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.model import NoticeKind


class Condition(enum.Enum):
    """Why a campaign does not flow."""

    COOLING = "cooling"
    PROBING = "probing"
    PARKED = "parked"


class CampaignCondition(NamedTuple):
    """The condition of a campaign that does not flow.

    It began at `since` and lasts at least until `until`. `state` is Connect's state of a parked campaign,
    else "".
    """

    campaign_id: str
    condition: Condition
    since: float
    until: float
    state: str


class ConditionChange(NamedTuple):
    """A change of a campaign's condition; `condition` is None if it flows again or is gone.

    `again` says that it did not flow before the change either. `pause_s` is the least duration of a pause.
    `elsewhere`: another replica of the fleet has found it.
    """

    campaign_id: str
    condition: Condition | None
    state: str
    pause_s: float = 0.0
    again: bool = False
    elsewhere: bool = False


@dataclass(slots=True)
class NotFlowing:
    """A campaign that does not flow. `limit` is in items of the next call, `until` when it may change.

    `cause` tells whether it was parked or throttled, `calling` is the number of the probe call in flight,
    and `asked` says that its state is being read. `elsewhere`: another replica probes it or reads its state.
    """

    condition: Condition
    since: float
    until: float
    cause: NoticeKind
    state: str = ""
    limit: int = 1
    calling: int | None = None
    asked: bool = False
    elsewhere: bool = False
