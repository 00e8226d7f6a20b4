"""Which campaigns may call, and how much: flowing, cooling or parked.

    FLOWING ── an item throttled for capacity ──▶ COOLING ── pause over ──▶ PROBING
       ▲                                             ▲  pause grows            │
       │                                             └── throttled again ──────┤
       └── calls have grown to full ──────────────────── taken: a larger one ──┘
    any ── Connect says Paused, Initialized or what we do not know ──▶ PARKED
    PARKED ── Connect says Running ──▶ FLOWING      (without the right to ask: ──▶ PROBING)

A campaign that probes has one call in flight at a time: first of one item, then of `STEP` more with
every call that is taken, until calls are full. Only campaigns that do not flow have an entry here.
"""

import enum
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.model import BATCH_LIMIT, CampaignNotice, NoticeKind, Reason

FIRST_PAUSE_S, LONGEST_PAUSE_S, PAUSE_SHARE = 1.0, 30.0, 0.3
"""Pauses of a campaign that is throttled for capacity: a share of the time that this has lasted, give
or take a fifth. So its end is seen soon after a short time, and a long time costs few calls."""
STEP = 12
"""Items by which a probing campaign's calls grow."""
LOOK_EVERY_S = 1.0
"""Seconds between two looks at the state of a parked campaign; more where hundreds are parked."""
LOOK_AGAIN_S = 3.0
"""The same after a look that failed."""
LOOKS_A_SECOND = 2.0
"""GetCampaignStateBatch calls a second at most, of the 5 that AWS allows an account and Region (AWS
administrator guide, service quotas): others may be asking too."""
LOOK_LIMIT = 25
"""Campaigns in one GetCampaignStateBatch call (botocore model)."""
FORGET_AFTER_S = 600.0
"""Seconds after which a campaign that might probe and has nothing to send is forgotten."""
BLIND_PROBE_S = 10.0
"""Seconds between two probes of a parked campaign whose state the gateway has no right to see."""
BLIND_FOR_S = 300.0
"""Seconds after which the gateway asks for states again that it had no right to see."""

RUNNING = "Running"
NOT_FOUND = "NotFound"
ENDED = frozenset({"Stopped", "Failed", "Completed", NOT_FOUND})


class Condition(enum.Enum):
    """What keeps a campaign's requests."""

    COOLING = "cooling"
    PROBING = "probing"
    PARKED = "parked"


class Standing(NamedTuple):
    """A campaign that does not flow: since when, by which state of Connect's if any, until when at least."""

    campaign_id: str
    condition: Condition
    since: float
    until: float
    state: str


class Change(NamedTuple):
    """A campaign came to stand otherwise. `condition` is None where it flows again, or is gone.

    `again` says that it did not flow before either; `pause_s` is how long it will at least take.
    """

    campaign_id: str
    condition: Condition | None
    state: str
    pause_s: float = 0.0
    again: bool = False


@dataclass(slots=True)
class _Held:
    """A campaign that does not flow. `limit` is in items of the next call, `until` when it may change."""

    condition: Condition
    since: float
    until: float
    cause: NoticeKind
    state: str = ""
    limit: int = 1
    calling: int | None = None
    looking: bool = False


class Conditions:
    """The campaigns that do not flow by what Connect says, and what ends that."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._held: dict[str, _Held] = {}
        self._may_look = True
        self._blind_until = 0.0
        self._looked_at: float | None = None
        self._earliest: float | None = None
        self._changes: list[Change] = []

    def standings(self) -> list[Standing]:
        """Return the campaigns that do not flow."""
        return [_standing(campaign_id, held) for campaign_id, held in self._held.items()]

    def standing(self, campaign_id: str) -> Standing | None:
        """Return how a campaign stands that does not flow; None where it flows."""
        held = self._held.get(campaign_id)
        return _standing(campaign_id, held) if held is not None else None

    def take_changes(self) -> list[Change]:
        """Return what has changed since this was last asked."""
        taken, self._changes = self._changes, []
        return taken

    def limit(self, campaign_id: str) -> int:
        """How many items the campaign's next call may carry now; 0: it may not call."""
        held = self._held.get(campaign_id) if self._held else None
        if held is None:
            return BATCH_LIMIT
        return held.limit if held.condition is Condition.PROBING and held.calling is None else 0

    def called(self, campaign_id: str, number: int) -> None:
        """Note that call `number` left for the campaign; a probing one waits for its end."""
        held = self._held.get(campaign_id) if self._held else None
        if held is not None:
            held.calling = number

    def ended(self, campaign_id: str, number: int) -> None:
        """Note that a call came to an end that says nothing of the campaign."""
        held = self._held.get(campaign_id) if self._held else None
        if held is not None and held.calling == number:
            held.calling = None

    def throttled(self, now: float, campaign_id: str, number: int, formed_at: float) -> CampaignNotice | None:
        """Cool a campaign down after call `number` had items throttled for capacity."""
        held = self._held.get(campaign_id)
        if held is not None and (held.condition is Condition.PARKED or held.calling != number):
            return None  # a call from before the pause says nothing new
        since = formed_at if held is None else held.since
        pause_s = min(max(PAUSE_SHARE * (now - since), FIRST_PAUSE_S), LONGEST_PAUSE_S)
        until = now + pause_s * self._rng.uniform(0.8, 1.2)
        kind = NoticeKind.CAMPAIGN_COOLING
        self._hold(campaign_id, _Held(Condition.COOLING, since, until, kind))
        self._changes.append(Change(campaign_id, Condition.COOLING, "", until - now, held is not None))
        return _notice(kind, until - now, "Amazon Connect takes no more for this campaign for now")

    def taken(self, now: float, campaign_id: str, number: int) -> bool:
        """Note that all of call `number` was taken; return whether the campaign flows after that."""
        held = self._held.get(campaign_id) if self._held else None
        if held is None:
            return True
        if held.condition is not Condition.PROBING or held.calling != number:
            return False
        held.calling = None
        held.limit += STEP
        held.until = now + FORGET_AFTER_S
        if held.limit < BATCH_LIMIT:
            return False
        self.forget(campaign_id)
        return True

    def park(self, now: float, campaign_id: str, state: str) -> CampaignNotice | None:
        """Keep a campaign's requests, since Connect says that it is in `state`."""
        held = self._held.get(campaign_id)
        self._may_look |= now >= self._blind_until  # the right may have been given meanwhile
        wait_s = LOOK_EVERY_S if self._may_look else BLIND_PROBE_S
        until = now + wait_s * self._rng.uniform(0.8, 1.2)
        again = held is not None and held.cause is NoticeKind.CAMPAIGN_PARKED
        since = held.since if held is not None and again else now
        kind = NoticeKind.CAMPAIGN_PARKED
        self._hold(campaign_id, _Held(Condition.PARKED, since, until, kind, state=state))
        if not again:
            self._changes.append(Change(campaign_id, Condition.PARKED, state, again=held is not None))
        return None if again else _notice(kind, None, f"the campaign is {state}")

    def advance(self, now: float) -> list[str]:
        """Let pauses end; return the campaigns that may call again, each to probe."""
        reopened: list[str] = []
        if not self._held or now < self._next_at():
            return reopened
        for campaign_id, held in list(self._held.items()):
            if held.until > now or self._is_watched(held):
                continue
            if held.condition is not Condition.PROBING:
                held.condition, held.until = Condition.PROBING, now + FORGET_AFTER_S
                held.limit, held.calling = 1, None
                reopened.append(campaign_id)
                self._changes.append(Change(campaign_id, Condition.PROBING, held.state, again=True))
            elif held.calling is None:
                self._release(campaign_id)
            else:
                held.until = now + FORGET_AFTER_S
        self._earliest = None
        return reopened

    def to_look_up(self, now: float, wanted: Callable[[str], bool]) -> list[str]:
        """Return the parked campaigns to ask Connect about now, at most one call of them.

        A campaign that is not `wanted`, since nothing waits for it, is forgotten instead.
        """
        if not self._held or now < self._next_at() or self._next_look_at(now) > now:
            return []
        watched = [(name, held) for name, held in self._held.items() if self._is_watched(held)]
        due = [name for name, held in watched if held.until <= now and not held.looking]
        for name in due:
            if not wanted(name):
                self.forget(name)
        due = [name for name in due if name in self._held]
        chosen = sorted(due, key=lambda name: self._held[name].until)[:LOOK_LIMIT]
        for name in chosen:
            self._held[name].looking = True
        self._looked_at = now if chosen else self._looked_at
        self._earliest = None
        return chosen

    def looked_up(self, now: float, asked: Iterable[str], states: Mapping[str, str]) -> dict[str, str]:
        """Take Connect's answer; return the state of those that are no longer parked.

        A campaign that Connect says nothing of stays as it is, and is asked about again.
        """
        changed: dict[str, str] = {}
        for campaign_id in asked:
            held = self._held.get(campaign_id)
            if held is None or held.condition is not Condition.PARKED:
                continue
            held.looking = False
            if self._may_look:
                held.until = now + (LOOK_EVERY_S if campaign_id in states else LOOK_AGAIN_S)
            held.state = states.get(campaign_id, held.state)
            if held.state == RUNNING or held.state in ENDED:
                changed[campaign_id] = held.state
                self._release(campaign_id, held.state)
        self._earliest = None
        return changed

    def may_not_look(self, now: float) -> None:
        """Note that the gateway has no right to see states: a rare probe must do for a while."""
        self._may_look, self._blind_until = False, now + BLIND_FOR_S
        for held in self._held.values():
            if held.condition is Condition.PARKED:
                held.looking = False
                held.until = now + BLIND_PROBE_S * self._rng.uniform(0.5, 1.0)
        self._earliest = None

    def forget(self, campaign_id: str) -> None:
        """Drop what is known of a campaign: it is gone, or nobody asks for it any more."""
        if campaign_id in self._held:
            self._release(campaign_id)
        self._earliest = None

    def notice(self, now: float, campaign_id: str) -> CampaignNotice | None:
        """Return what to tell a caller that comes while the campaign does not flow."""
        held = self._held.get(campaign_id) if self._held else None
        if held is None:
            return None
        if held.cause is NoticeKind.CAMPAIGN_PARKED:
            return _notice(held.cause, None, f"the campaign is {held.state}")
        wait_s = max(0.0, held.until - now) if held.condition is Condition.COOLING else None
        return _notice(held.cause, wait_s, "Amazon Connect takes no more for this campaign for now")

    def reason(self, campaign_id: str) -> Reason | None:
        """Return the reason of an expiry in this campaign; None where nothing keeps it."""
        held = self._held.get(campaign_id) if self._held else None
        if held is None:
            return None
        parked = held.cause is NoticeKind.CAMPAIGN_PARKED
        return Reason.CAMPAIGN_NOT_RUNNING if parked else Reason.THROTTLED

    def deadline(self, now: float) -> float | None:
        """Return when `advance` or `to_look_up` will next have something to do."""
        if not self._held:
            return None
        next_at = self._next_at()
        if next_at <= now:  # what is due and was not done waits for the right to look
            return self._next_look_at(now)
        return next_at if next_at < float("inf") else None

    def _next_at(self) -> float:
        """Return the earliest `until`: looked for once after each change, not at each question."""
        if self._earliest is None:
            instants = (held.until for held in self._held.values() if not held.looking)
            self._earliest = min(instants, default=float("inf"))
        return self._earliest

    def _hold(self, campaign_id: str, held: _Held) -> None:
        self._held[campaign_id] = held
        self._earliest = None

    def _release(self, campaign_id: str, state: str = "") -> None:
        del self._held[campaign_id]
        self._changes.append(Change(campaign_id, None, state))

    def _is_watched(self, held: _Held) -> bool:
        """Whether the end of it is seen by asking Connect."""
        return held.condition is Condition.PARKED and self._may_look

    def _next_look_at(self, now: float) -> float:
        return now if self._looked_at is None else self._looked_at + 1 / LOOKS_A_SECOND


def resumed() -> CampaignNotice:
    """Return the notice that a campaign flows again."""
    return _notice(NoticeKind.CAMPAIGN_RESUMED, None, "the campaign flows again")


def _standing(campaign_id: str, held: _Held) -> Standing:
    return Standing(campaign_id, held.condition, held.since, held.until, held.state)


def _notice(kind: NoticeKind, retry_after_s: float | None, detail: str) -> CampaignNotice:
    return CampaignNotice(kind, retry_after_s, detail)
