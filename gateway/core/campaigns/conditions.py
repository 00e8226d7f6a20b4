"""Which campaigns may call, and how many items a call may carry: flowing, cooling or parked.

    FLOWING ── an item throttled for capacity ──▶ COOLING ── pause over ──▶ PROBING
       ▲                                             ▲  pause grows            │
       │                                             └── throttled again ──────┤
       └── calls have grown to full ──────────────────── taken: a larger one ──┘
    any ── Connect says Paused, Initialized or what we do not know ──▶ PARKED
    PARKED ── Connect says Running ──▶ FLOWING      (without the right to ask: ──▶ PROBING)

A campaign that probes has one call in flight at a time: first of one item, then of `PROBE_STEP` more with
every call that is taken, until calls are full. Only campaigns that do not flow have a record here.

In a fleet, one replica owns the condition of a campaign: it probes, or reads the state. In the others the
campaign is stopped `elsewhere` and makes no calls (`core/fleet/shared_conditions.py`).
"""

import random
from collections.abc import Callable, Iterable, Mapping

from gateway.core.campaigns.condition import CampaignCondition, Condition, ConditionChange, NotFlowing
from gateway.core.model import BATCH_LIMIT, CampaignNotice, NoticeKind, Reason

FIRST_PAUSE_S, LONGEST_PAUSE_S, PAUSE_SHARE = 1.0, 30.0, 0.3
"""Pauses of a campaign that is throttled for capacity: `PAUSE_SHARE` of the time that the throttling has
lasted, with 20 % jitter, within these bounds. So the end of a short throttling is noticed soon, and a long
one costs few calls."""
PROBE_STEP = 12
"""Items by which the calls of a probing campaign grow."""
STATE_CHECK_S = 1.0
"""Seconds between two checks of the state of a parked campaign; more if hundreds are parked."""
STATE_RECHECK_S = 3.0
"""Seconds between the two if the first check failed."""
STATE_CALLS_PER_S = 2.0
"""GetCampaignStateBatch calls a second at most, of the 5 that AWS allows an account and Region (AWS
administrator guide, service quotas): other clients may use the rest."""
STATE_CALL_LIMIT = 25
"""Campaigns in one GetCampaignStateBatch call (botocore model)."""
FORGET_AFTER_S = 600.0
"""Seconds without a call after which a probing campaign is forgotten."""
UNSEEN_PROBE_S = 10.0
"""Seconds between two probe calls of a parked campaign if the gateway may not read its state."""
STATES_DENIED_S = 300.0
"""Seconds after which the gateway tries again to read states that it was not allowed to read."""

RUNNING = "Running"
NOT_FOUND = "NotFound"
ENDED = frozenset({"Stopped", "Failed", "Completed", NOT_FOUND})


class Conditions:
    """The campaigns that do not flow according to Connect, and what makes them flow again."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._not_flowing: dict[str, NotFlowing] = {}
        self._may_see_states = True
        self._denied_until = 0.0
        self._asked_at: float | None = None
        self._earliest: float | None = None
        self._changes: list[ConditionChange] = []
        self._to_share: dict[str, str] | None = None
        self.readers = 1
        """How many replicas read states; they share the calls that may do it."""

    def all(self) -> list[CampaignCondition]:
        """Return the campaigns that do not flow."""
        return [_condition_of(campaign_id, record) for campaign_id, record in self._not_flowing.items()]

    def get(self, campaign_id: str) -> CampaignCondition | None:
        """Return the condition of a campaign; None if it flows."""
        record = self._not_flowing.get(campaign_id)
        return _condition_of(campaign_id, record) if record is not None else None

    def take_changes(self) -> list[ConditionChange]:
        """Return the changes since the last call."""
        taken, self._changes = self._changes, []
        return taken

    def limit(self, campaign_id: str) -> int:
        """Return how many items the campaign's next call may carry now; 0 if it must not call."""
        record = self._not_flowing.get(campaign_id) if self._not_flowing else None
        if record is None:
            return BATCH_LIMIT
        if record.elsewhere or record.calling is not None:
            return 0
        return record.limit if record.condition is Condition.PROBING else 0

    def called(self, campaign_id: str, number: int) -> None:
        """Note that call `number` of the campaign has begun; a probing campaign waits for its end."""
        record = self._not_flowing.get(campaign_id) if self._not_flowing else None
        if record is not None:
            record.calling = number

    def ended(self, now: float, campaign_id: str, number: int) -> None:
        """Note that a call has ended, in a way that says nothing about the campaign."""
        record = self._not_flowing.get(campaign_id) if self._not_flowing else None
        if record is not None and record.calling == number:
            record.calling = None
            record.until = now + FORGET_AFTER_S

    def throttled(self, now: float, campaign_id: str, number: int, formed_at: float) -> CampaignNotice | None:
        """Cool a campaign down after call `number` had items throttled for capacity."""
        record = self._not_flowing.get(campaign_id)
        if record is not None and (record.condition is Condition.PARKED or record.calling != number):
            return None  # the call began before the pause, so its result is old
        since = formed_at if record is None else record.since
        pause_s = min(max(PAUSE_SHARE * (now - since), FIRST_PAUSE_S), LONGEST_PAUSE_S)
        until = now + pause_s * self._rng.uniform(0.8, 1.2)
        kind = NoticeKind.CAMPAIGN_COOLING
        self._enter(campaign_id, NotFlowing(Condition.COOLING, since, until, kind))
        self._changes.append(
            ConditionChange(campaign_id, Condition.COOLING, "", until - now, record is not None)
        )
        return _notice(kind, until - now, "Amazon Connect takes no more for this campaign for now")

    def accepted(self, now: float, campaign_id: str, number: int) -> bool:
        """Note that Connect accepted all items of call `number`; return whether the campaign flows now."""
        record = self._not_flowing.get(campaign_id) if self._not_flowing else None
        if record is None:
            return True
        if record.condition is not Condition.PROBING or record.calling != number:
            return False
        record.calling = None
        record.limit += PROBE_STEP
        record.until = now + FORGET_AFTER_S
        self._share(campaign_id)
        if record.limit < BATCH_LIMIT:
            return False
        self.forget(campaign_id)
        return True

    def park(self, now: float, campaign_id: str, state: str) -> CampaignNotice | None:
        """Park a campaign, since Connect says that it is in `state`.

        Return the notice, None if it was parked.
        """
        record = self._not_flowing.get(campaign_id)
        if record is not None and record.elsewhere and record.condition is Condition.PARKED:
            return None
        self._may_see_states |= now >= self._denied_until  # the permission may have been granted since
        wait_s = STATE_CHECK_S if self._may_see_states else UNSEEN_PROBE_S
        until = now + wait_s * self._rng.uniform(0.8, 1.2)
        again = record is not None and record.cause is NoticeKind.CAMPAIGN_PARKED
        since = record.since if record is not None and again else now
        kind = NoticeKind.CAMPAIGN_PARKED
        self._enter(campaign_id, NotFlowing(Condition.PARKED, since, until, kind, state=state))
        if not again:
            self._changes.append(
                ConditionChange(campaign_id, Condition.PARKED, state, again=record is not None)
            )
        return None if again else _notice(kind, None, f"the campaign is {state}")

    def advance(self, now: float) -> list[str]:
        """End the pauses that are over at `now`; return the campaigns that may probe from now on."""
        reopened: list[str] = []
        if not self._not_flowing or now < self._next_at():
            return reopened
        for campaign_id, record in list(self._not_flowing.items()):
            if record.until > now or record.elsewhere or self._ends_by_state(record):
                continue
            if record.condition is not Condition.PROBING:
                self._begin_probing(now, campaign_id, record)
                reopened.append(campaign_id)
            elif record.calling is None:
                self._leave(campaign_id)
            else:
                record.until = now + FORGET_AFTER_S
        self._earliest = None
        return reopened

    def to_look_up(self, now: float, wanted: Callable[[str], bool]) -> list[str]:
        """Return the parked campaigns whose states are to be read now: those of one call at most.

        A campaign that is not `wanted`, since nothing waits for it, is forgotten instead.
        """
        if not self._not_flowing or now < self._next_at() or self._next_check_at(now) > now:
            return []
        watched = [
            (name, record) for name, record in self._not_flowing.items() if self._ends_by_state(record)
        ]
        due = [name for name, record in watched if record.until <= now and not record.asked]
        for name in due:
            if not wanted(name):
                self._unwanted(name)
        due = [name for name in due if name in self._not_flowing and not self._not_flowing[name].elsewhere]
        chosen = sorted(due, key=lambda name: self._not_flowing[name].until)[:STATE_CALL_LIMIT]
        for name in chosen:
            self._not_flowing[name].asked = True
        self._asked_at = now if chosen else self._asked_at
        self._earliest = None
        return chosen

    def looked_up(self, now: float, asked: Iterable[str], states: Mapping[str, str]) -> dict[str, str]:
        """Take the states that Connect returned; return those of the campaigns that are not parked any more.

        A campaign without a state stays parked, and its state is read again.
        """
        changed: dict[str, str] = {}
        for campaign_id in asked:
            record = self._not_flowing.get(campaign_id)
            if record is None or record.condition is not Condition.PARKED:
                continue
            record.asked = False
            if self._may_see_states:
                record.until = now + (STATE_CHECK_S if campaign_id in states else STATE_RECHECK_S)
            state = states.get(campaign_id, record.state)
            if state != record.state:
                record.state = state
                self._share(campaign_id)
            if record.state == RUNNING or record.state in ENDED:
                changed[campaign_id] = record.state
                self._leave(campaign_id, record.state)
        self._earliest = None
        return changed

    def may_not_look_up(self, now: float) -> None:
        """Note that the gateway may not read states. Rare probe calls replace reading them for a while."""
        self._may_see_states, self._denied_until = False, now + STATES_DENIED_S
        for record in self._not_flowing.values():
            if record.condition is Condition.PARKED and not record.elsewhere:
                record.asked = False
                record.until = now + UNSEEN_PROBE_S * self._rng.uniform(0.5, 1.0)
        self._earliest = None

    def forget(self, campaign_id: str) -> None:
        """Forget the condition of a campaign: it is gone, or nothing waits for it any more."""
        if campaign_id in self._not_flowing:
            self._leave(campaign_id)
        self._earliest = None

    def notice(self, now: float, campaign_id: str) -> CampaignNotice | None:
        """Return the notice for a caller whose requests arrive while the campaign does not flow."""
        record = self._not_flowing.get(campaign_id) if self._not_flowing else None
        if record is None:
            return None
        if record.cause is NoticeKind.CAMPAIGN_PARKED:
            return _notice(record.cause, None, f"the campaign is {record.state}")
        wait_s = max(0.0, record.until - now) if record.condition is Condition.COOLING else None
        return _notice(record.cause, wait_s, "Amazon Connect takes no more for this campaign for now")

    def reason(self, campaign_id: str) -> Reason | None:
        """Return why requests of this campaign expire while they wait; None if it flows."""
        record = self._not_flowing.get(campaign_id) if self._not_flowing else None
        if record is None:
            return None
        parked = record.cause is NoticeKind.CAMPAIGN_PARKED
        return Reason.CAMPAIGN_NOT_RUNNING if parked else Reason.THROTTLED

    def deadline(self, now: float) -> float | None:
        """Return when `advance` or `to_look_up` will next have something to do."""
        if not self._not_flowing:
            return None
        next_at = self._next_at()
        if next_at <= now:  # a state check is due, and must wait for the rate of state checks
            return self._next_check_at(now)
        return next_at if next_at < float("inf") else None

    # --- in a fleet ---------------------------------------------------------------------------------

    def begin_sharing(self) -> None:
        """Keep a list of the changes that the other replicas of the fleet must know."""
        self._to_share = {}

    @property
    def has_to_share(self) -> bool:
        """Whether anything has changed that the other replicas must know."""
        return bool(self._to_share)

    def take_to_share(self) -> dict[str, str]:
        """Return the campaigns whose conditions have changed, and their last states if they flow again."""
        taken, self._to_share = self._to_share or {}, {}
        return taken

    def records(self) -> Mapping[str, NotFlowing]:
        """Return the campaigns that do not flow. Not to be changed."""
        return self._not_flowing

    def copy(self, now: float, campaign_id: str, record: NotFlowing) -> CampaignNotice | None:
        """Take the condition that another replica has told; return the notice if callers must be told."""
        before = self._not_flowing.get(campaign_id)
        self._not_flowing[campaign_id], self._earliest = record, None
        if before is None or before.condition is not record.condition:
            pause_s = max(0.0, record.until - now) if record.condition is Condition.COOLING else 0.0
            again = before is not None
            self._changes.append(
                ConditionChange(campaign_id, record.condition, record.state, pause_s, again, elsewhere=True)
            )
        is_news = before is None or before.cause is not record.cause
        return self.notice(now, campaign_id) if is_news else None

    def flows_elsewhere(self, campaign_id: str, state: str) -> None:
        """Take from another replica that a campaign flows again, or has ended in `state`."""
        del self._not_flowing[campaign_id]
        self._changes.append(ConditionChange(campaign_id, None, state, elsewhere=True))
        self._earliest = None
        if self._to_share is not None:
            self._to_share.pop(campaign_id, None)

    def set_elsewhere(self, campaign_id: str, *, elsewhere: bool) -> None:
        """Let another replica probe or read the state, or begin to do that here."""
        record = self._not_flowing[campaign_id]
        record.elsewhere, record.calling, record.asked = elsewhere, None, False
        self._earliest = None

    # --- implementation -----------------------------------------------------------------------------

    def _begin_probing(self, now: float, campaign_id: str, record: NotFlowing) -> None:
        record.condition, record.until = Condition.PROBING, now + FORGET_AFTER_S
        record.limit, record.calling = 1, None
        self._changes.append(ConditionChange(campaign_id, Condition.PROBING, record.state, again=True))
        self._share(campaign_id)

    def _unwanted(self, campaign_id: str) -> None:
        """Forget a condition for which nothing waits here; in a fleet, another replica may go on with it."""
        if self._to_share is None:
            self.forget(campaign_id)
        else:
            self.set_elsewhere(campaign_id, elsewhere=True)
            self._share(campaign_id)

    def _share(self, campaign_id: str, state: str = "") -> None:
        if self._to_share is not None:
            self._to_share[campaign_id] = state

    def _next_at(self) -> float:
        """Return the earliest `until`; it is computed once after each change."""
        if self._earliest is None:
            records = self._not_flowing.values()
            instants = (record.until for record in records if not record.asked and not record.elsewhere)
            self._earliest = min(instants, default=float("inf"))
        return self._earliest

    def _enter(self, campaign_id: str, record: NotFlowing) -> None:
        self._not_flowing[campaign_id] = record
        self._earliest = None
        self._share(campaign_id)

    def _leave(self, campaign_id: str, state: str = "") -> None:
        del self._not_flowing[campaign_id]
        self._changes.append(ConditionChange(campaign_id, None, state))
        self._share(campaign_id, state)

    def _ends_by_state(self, record: NotFlowing) -> bool:
        """Whether reading the campaign's state shows that the condition has ended."""
        return record.condition is Condition.PARKED and self._may_see_states and not record.elsewhere

    def _next_check_at(self, now: float) -> float:
        return now if self._asked_at is None else self._asked_at + self.readers / STATE_CALLS_PER_S


def resumed() -> CampaignNotice:
    """Return the notice that a campaign flows again."""
    return _notice(NoticeKind.CAMPAIGN_RESUMED, None, "the campaign flows again")


def _condition_of(campaign_id: str, record: NotFlowing) -> CampaignCondition:
    return CampaignCondition(campaign_id, record.condition, record.since, record.until, record.state)


def _notice(kind: NoticeKind, retry_after_s: float | None, detail: str) -> CampaignNotice:
    return CampaignNotice(kind, retry_after_s, detail)
