"""One replica's side of the conditions that a fleet shares: who probes a campaign, and who reads its state.

Whoever finds that a campaign is throttled or does not run owns its condition and records it in the shared
state. The other replicas copy it: they make no calls for the campaign and do not ask for its state. The owner
goes on until the campaign flows, and records that too. An owner for whose campaign nothing waits gives the
condition up. A condition without an owner, or whose owner is lost or has left, goes to the first replica with
waiting requests for the campaign that records itself as the owner. A replica that cannot reach the shared
state for `ALONE_AFTER_S` goes on by itself with what it knows.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.core.campaigns.condition import Condition, NotFlowing
from gateway.core.campaigns.conditions import FORGET_AFTER_S, LONGEST_PAUSE_S, UNSEEN_PROBE_S, Conditions
from gateway.core.fleet.messages import ConditionsReply, ConditionsRequest, SharedCondition, TickReply
from gateway.core.model import CampaignNotice, NoticeKind

ALONE_AFTER_S = 1.1
"""Seconds without a reply after which a replica probes and reads states itself: others regard it as lost."""
RECORDED_AGAIN_S = 300.0
"""Seconds after which an owner records an unchanged condition again, so that the store keeps it."""
LONGEST_S = {
    Condition.COOLING: 1.2 * LONGEST_PAUSE_S,
    Condition.PROBING: FORGET_AFTER_S,
    Condition.PARKED: 1.2 * UNSEEN_PROBE_S,
}
"""Seconds that a condition which is read from the store lasts before something is due, at most. The store
tells more if its clock has stepped back; the campaign must not wait for that clock."""
PUTS = 50
"""Conditions in one request, at most, so that the store is not kept busy for long."""


class Effects(Protocol):
    """What follows for callers and queues when another replica has changed the condition of a campaign."""

    def stopped(self, now: float, campaign_id: str, notice: CampaignNotice | None) -> None:
        """Make no more calls for a campaign; tell its callers if there is a notice."""
        ...

    def reopened(self, now: float, campaign_id: str) -> None:
        """Probe a campaign if its pause is over."""
        ...

    def ended(self, now: float, campaign_id: str, state: str) -> None:
        """Let a campaign flow again, or answer its waiting requests if Connect's state of it says so."""
        ...


class SharedConditions:
    """Exchanges the changes of `conditions` with the other replicas. `member` is this one.

    `is_waiting` tells whether requests wait for a campaign here.
    """

    def __init__(
        self, member: str, conditions: Conditions, is_waiting: Callable[[str], bool], effects: Effects
    ) -> None:
        conditions.begin_sharing()
        self._member = member
        self._conditions = conditions
        self._is_waiting = is_waiting
        self._effects = effects
        self._owners: dict[str, str] = {}
        self._read_at: dict[str, float] = {}
        self._unsent: dict[str, str] = {}
        self._sent: tuple[str, ...] = ()
        self._idle: frozenset[str] = frozenset()
        self._live: frozenset[str] = frozenset()
        self._epoch = ""
        self._seen = self._newest = 0
        self._replied_at: float | None = None
        self._alone = False

    # --- for the beat loop --------------------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """Whether something has changed here since the last beat."""
        return self._conditions.has_to_share

    def wants_beat(self) -> bool:
        """Return whether another beat should follow the last one at once."""
        return self.has_news or self._newest != self._seen or bool(self._unsent or self._to_take())

    def request(self, now: float, *, leaving: bool = False) -> ConditionsRequest | None:
        """Return what the next beat tells and asks; None if there is nothing. `leaving`: it is the last."""
        self._collect()
        self._age(now)
        self._give_up(leaving=leaving)
        taken = {} if leaving else dict.fromkeys(self._to_take(), self._member)
        self._sent = tuple(self._unsent)[:PUTS]
        puts = [self._put(now, name, self._unsent[name], self._owner(name)) for name in self._sent]
        puts += [self._put(now, name, "", owner) for name, owner in taken.items() if name not in self._sent]
        if not puts and self._newest == self._seen:
            return None
        return ConditionsRequest(self._seen, tuple(puts[:PUTS]))

    def replied(self, now: float, tick: TickReply, newest: int, reply: ConditionsReply | None) -> None:
        """Take the reply to the last request, `newest` being the version of the store's newest condition."""
        self._replied_at, self._alone = now, False
        self._live = frozenset(each.member for each in tick.members if not each.lost)
        known, self._epoch = self._epoch or tick.epoch, tick.epoch
        self._newest = newest
        if tick.epoch != known or (reply is not None and reply.version < self._seen):
            self._record_all_again()
        elif reply is not None:
            self._newest = max(newest, reply.version)
            self._take(now, reply)

    def failed(self, now: float) -> None:
        """Note that a beat got no reply."""
        if self._alone or self._replied_at is None or now - self._replied_at <= ALONE_AFTER_S:
            return
        self._alone = True
        for name, record in list(self._conditions.records().items()):
            if record.elsewhere:
                self._own(now, name)
                self._unsent[name] = ""
        self._conditions.readers = 1

    # --- what to tell -------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Note what has changed here. A condition that began and ended between two beats is not told."""
        records = self._conditions.records()
        for name, state in self._conditions.take_to_share().items():
            if name in records or name in self._owners:
                self._unsent[name] = state
            else:
                self._unsent.pop(name, None)

    def _give_up(self, *, leaving: bool) -> None:
        """Give up conditions of campaigns for which nothing has waited at two beats in a row."""
        own = {name: one for name, one in self._conditions.records().items() if not one.elsewhere}
        idle = frozenset(
            name for name, one in own.items() if one.calling is None and not self._is_waiting(name)
        )
        for name in own if leaving else idle & self._idle:
            self._conditions.set_elsewhere(name, elsewhere=True)
            self._owners[name] = ""
            self._unsent[name] = ""
        self._idle = idle

    def _to_take(self) -> list[str]:
        """Return the campaigns that nobody probes or asks about, and for which requests wait here."""
        return [
            name
            for name, record in self._conditions.records().items()
            if record.elsewhere and self._owners.get(name, "") not in self._live and self._is_waiting(name)
        ]

    def _owner(self, campaign_id: str) -> str:
        record = self._conditions.records().get(campaign_id)
        if record is None or not record.elsewhere:
            return self._member
        owner = self._owners.get(campaign_id, "")
        return "" if owner == self._member else owner

    def _put(self, now: float, campaign_id: str, state: str, owner: str) -> SharedCondition:
        record = self._conditions.records().get(campaign_id)
        if record is None:
            return SharedCondition(campaign_id, owner, None, state=state)
        return SharedCondition(
            campaign_id,
            owner,
            record.condition,
            parked=record.cause is NoticeKind.CAMPAIGN_PARKED,
            limit=record.limit,
            state=record.state,
            pause_ms=round((record.until - now) * 1000),
            age_ms=round((now - record.since) * 1000),
        )

    def _age(self, now: float) -> None:
        """Record own conditions again in time, and forget those that nobody has recorded for long."""
        records = self._conditions.records()
        for name, at in list(self._read_at.items()):
            record = records.get(name)
            if record is None:
                del self._read_at[name]
            elif not record.elsewhere and now - at >= RECORDED_AGAIN_S:
                self._unsent.setdefault(name, "")
            elif record.elsewhere and now - at >= FORGET_AFTER_S:
                self._conditions.forget(name)
                self._effects.ended(now, name, "")

    def _record_all_again(self) -> None:
        """Record all conditions again, since the store may have lost some."""
        self._seen = 0
        self._unsent |= dict.fromkeys(self._conditions.records(), "")

    # --- what others tell ---------------------------------------------------------------------------

    def _take(self, now: float, reply: ConditionsReply) -> None:
        for name in self._sent:
            self._unsent.pop(name, None)
        self._sent = ()
        for shared in reply.conditions:
            self._owners[shared.campaign_id] = shared.owner
            self._read_at[shared.campaign_id] = now
        self._collect()
        for shared in reply.conditions:
            if shared.campaign_id not in self._unsent:  # what was found here since is newer
                self._read(now, shared)
        self._seen = reply.version
        self._forget_owners()

    def _read(self, now: float, shared: SharedCondition) -> None:
        name = shared.campaign_id
        record = self._conditions.records().get(name)
        if shared.condition is None:
            if record is not None:
                self._conditions.flows_elsewhere(name, shared.state)
                self._effects.ended(now, name, shared.state)
        elif shared.owner != self._member:
            self._effects.stopped(now, name, self._conditions.copy(now, name, _copy_of(now, shared)))
        elif record is None:
            self._unsent[name] = ""
        elif record.elsewhere:
            self._own(now, name)
        elif (record.condition, record.limit, record.state) != (shared.condition, shared.limit, shared.state):
            self._unsent[name] = ""

    def _own(self, now: float, campaign_id: str) -> None:
        self._conditions.set_elsewhere(campaign_id, elsewhere=False)
        self._effects.reopened(now, campaign_id)

    def _forget_owners(self) -> None:
        """Forget the owners of conditions that are over, and count who reads states."""
        records = self._conditions.records()
        self._owners = {name: owner for name, owner in self._owners.items() if name in records}
        parked = (name for name, record in records.items() if record.condition is Condition.PARKED)
        self._conditions.readers = max(1, len({self._owners.get(name, "") for name in parked} - {""}))


def _copy_of(now: float, shared: SharedCondition) -> NotFlowing:
    assert shared.condition is not None  # noqa: S101 - the caller has checked it
    cause = NoticeKind.CAMPAIGN_PARKED if shared.parked else NoticeKind.CAMPAIGN_COOLING
    return NotFlowing(
        shared.condition,
        now - max(0, shared.age_ms) / 1000,
        now + min(shared.pause_ms / 1000, LONGEST_S[shared.condition]),
        cause,
        shared.state,
        shared.limit,
        elsewhere=True,
    )
