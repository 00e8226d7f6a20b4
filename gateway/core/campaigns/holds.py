"""Campaigns that somebody holds: no call leaves for them until they are released."""

import enum
from typing import NamedTuple

HOLD_LIMIT = 1000
"""Campaigns that may be held at once: also one that nobody has sent for may be."""


class TooManyHolds(Exception):  # noqa: N818 - says what happened, like the failures of calls
    """As many campaigns are held as may be."""


class Hold(NamedTuple):
    """Who holds a campaign, why and since when; `answering`: what waits, and what comes, is answered HELD."""

    caller: str
    reason: str
    at: float
    answering: bool = False


class ActionKind(enum.IntEnum):
    """What somebody did to a campaign. The numbers are the wire contract's."""

    HOLD = 1
    RELEASE = 2
    PURGE = 3


class OperatorAction(NamedTuple):
    """The last thing that somebody did to a campaign; `answered` dial requests were answered by that."""

    kind: ActionKind
    caller: str
    reason: str
    at: float
    answered: int = 0


class Holds:
    """The campaigns that are held now, bounded in number."""

    def __init__(self, limit: int = HOLD_LIMIT) -> None:
        self._limit = limit
        self._holds: dict[str, Hold] = {}

    def __contains__(self, campaign_id: str) -> bool:
        return campaign_id in self._holds

    def __len__(self) -> int:
        return len(self._holds)

    def get(self, campaign_id: str) -> Hold | None:
        """Return the hold of a campaign, None where it is not held."""
        return self._holds.get(campaign_id)

    def put(self, campaign_id: str, hold: Hold) -> None:
        """Hold a campaign, or hold it otherwise; raises `TooManyHolds`."""
        if campaign_id not in self._holds and len(self._holds) >= self._limit:
            raise TooManyHolds
        self._holds[campaign_id] = hold

    def release(self, campaign_id: str) -> bool:
        """Hold a campaign no longer; return whether it was held."""
        return self._holds.pop(campaign_id, None) is not None

    def items(self) -> list[tuple[str, Hold]]:
        """Return the campaigns that are held, each with its hold."""
        return list(self._holds.items())

    def names(self) -> list[str]:
        """Return the campaigns that are held."""
        return list(self._holds)
