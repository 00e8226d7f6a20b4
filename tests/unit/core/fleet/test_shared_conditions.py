"""Replicas that share conditions of campaigns, over the rules of the store, on a manual clock."""

import random
from dataclasses import dataclass, field

import pytest

from gateway.core.campaigns.condition import Condition
from gateway.core.campaigns.conditions import FORGET_AFTER_S, STATE_CALLS_PER_S, Conditions
from gateway.core.engine import Decision, Engine, Limits
from gateway.core.fleet.messages import ConditionsRequest, FleetSettings, Member, TickReply
from gateway.core.fleet.shared_conditions import ALONE_AFTER_S, PUTS, RECORDED_AGAIN_S, SharedConditions
from gateway.core.model import BATCH_LIMIT, CampaignNotice, NoticeKind, Waiter
from gateway.shared_state.rules.conditions import ConditionsRules
from tests.unit.core.making import NOW, Caller, dial

SETTINGS = FleetSettings(10.0, 10.0, 1200.0)


@dataclass
class Replica:
    """One replica's conditions; `waits` has the campaigns for which requests wait. It keeps what follows."""

    name: str
    store: "Store"
    waits: set[str] = field(default_factory=lambda: {"c"})
    told: list[tuple[str, CampaignNotice]] = field(default_factory=list)
    reopenings: list[str] = field(default_factory=list)
    endings: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conditions = Conditions(random.Random(1))
        self.shared = SharedConditions(self.name, self.conditions, self.waits.__contains__, self)

    def stopped(self, now: float, campaign_id: str, notice: CampaignNotice | None) -> None:
        """Keep a notice."""
        if notice is not None:
            self.told.append((campaign_id, notice))

    def reopened(self, now: float, campaign_id: str) -> None:
        """Note that the campaign may be probed here."""
        self.reopenings.append(campaign_id)

    def ended(self, now: float, campaign_id: str, state: str) -> None:
        """Note that the campaign flows, or has ended."""
        self.endings.append((campaign_id, state))

    def beat(self, *, lost: bool = False, leaving: bool = False) -> bool:
        """Exchange a beat, whose reply may be lost; return whether it carried conditions."""
        store = self.store
        request = self.shared.request(store.now, leaving=leaving)
        newest = store.rules.newest(store.ms)
        reply = None if request is None else store.rules.exchange(store.ms, request)
        if lost:
            self.shared.failed(store.now)
        else:
            self.shared.replied(store.now, store.tick(), newest, reply)
        return request is not None

    def condition(self, campaign_id: str = "c") -> tuple[Condition, bool] | None:
        """Return the condition of a campaign, and whether this replica owns it."""
        record = self.conditions.records().get(campaign_id)
        return None if record is None else (record.condition, not record.elsewhere)


@dataclass
class Store:
    """The store and the members that it knows; `live` are those that are not lost."""

    now: float = NOW
    rules: ConditionsRules = field(default_factory=ConditionsRules)
    live: list[str] = field(default_factory=list)
    epoch: str = "1"
    shift_s: float = 0.0

    @property
    def ms(self) -> int:
        """The store's clock, which is `shift_s` ahead of the replicas'."""
        return round((self.now + self.shift_s) * 1000)

    def tick(self) -> TickReply:
        """Return what a tick tells."""
        members = tuple(Member(name, name, lost=name not in self.live) for name in "abc")
        return TickReply(self.epoch, members, SETTINGS, 10.0)

    def replicas(self, names: str = "ab") -> list[Replica]:
        """Add replicas, and let each exchange a beat."""
        made = [Replica(name, self) for name in names]
        self.live += names
        for replica in made:
            replica.beat()
        return made


def parked(names: str = "ab") -> list[Replica]:
    """Let the first replica find that a campaign is paused, and the others read that."""
    replicas = Store().replicas(names)
    replicas[0].conditions.park(NOW, "c", "Paused")
    beat(*replicas)
    return replicas


def beat(*replicas: Replica) -> None:
    """Exchange beats of replicas, twice: news of the last reach the first."""
    for replica in (*replicas, *replicas):
        replica.beat()


def after(seconds: float, *replicas: Replica) -> None:
    """Let time pass, and exchange beats."""
    replicas[0].store.now += seconds
    beat(*replicas)


OWN, COPY = (Condition.PARKED, True), (Condition.PARKED, False)


def test_the_others_copy_a_condition() -> None:
    """They make no calls, ask for no state, tell their callers, and are not woken for it."""
    a, b = parked()
    assert (a.condition(), b.condition()) == (OWN, COPY)
    assert [(name, notice.kind) for name, notice in b.told] == [("c", NoticeKind.CAMPAIGN_PARKED)]
    late = NOW + 100.0
    assert b.conditions.limit("c") == 0
    assert b.conditions.advance(late) == b.conditions.to_look_up(late, lambda _: True) == []
    assert b.conditions.deadline(late) is None
    assert a.conditions.to_look_up(late, lambda _: True) == ["c"]


def test_own_conditions_beside_copies_go_on() -> None:
    """A replica with work of its own leaves the copies alone."""
    a, b = parked()
    b.waits |= {"d", "e"}
    b.conditions.park(NOW, "d", "Paused")
    b.conditions.throttled(NOW, "e", 1, NOW)
    beat(a, b)
    late = NOW + 10.0
    assert b.conditions.advance(late) == ["e"]
    assert b.conditions.to_look_up(late, lambda _: True) == ["d"]
    assert b.condition() == COPY


def test_callers_are_told_of_a_condition_that_another_replica_has_found() -> None:
    """And that the campaign flows again; then the call leaves."""
    store = Store()
    (a,) = store.replicas("a")
    engine = Engine(Limits(linger_s=0.0, forecast=False), random.Random(1), fleet_member="b")
    caller, shared = Caller(), engine.shared_conditions
    assert shared is not None
    a.conditions.park(NOW, "campaign", "Paused")
    a.waits.add("campaign")
    a.beat()
    engine.submit(NOW, [(Waiter(caller.source, 0), dial())])

    def exchange() -> Decision:
        request = shared.request(NOW) or ConditionsRequest(store.rules.version)
        shared.replied(NOW, store.tick(), 0, store.rules.exchange(store.ms, request))
        return engine.poll(NOW)

    shared.replied(NOW, store.tick(), store.rules.version, None)
    stopped = exchange()
    assert [notice.notice.kind for notice in stopped.notices] == [NoticeKind.CAMPAIGN_PARKED]
    assert stopped.batches == []
    a.conditions.looked_up(NOW, ["campaign"], {"campaign": "Running"})
    a.beat()
    shared.replied(NOW, store.tick(), store.rules.version, None)
    resumed = exchange()
    assert [notice.notice.kind for notice in resumed.notices] == [NoticeKind.CAMPAIGN_RESUMED]
    assert len(resumed.batches) == 1


def test_all_flow_when_the_owner_has_seen_that_the_campaign_runs() -> None:
    a, b = parked()
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    beat(a, b)
    assert a.condition() is b.condition() is None
    assert b.endings == [("c", "Running")]
    assert b.conditions.limit("c") == BATCH_LIMIT


@pytest.mark.parametrize("state", ["Stopped", "NotFound"])
def test_the_end_of_a_campaign_is_told_with_its_state(state: str) -> None:
    a, b = parked()
    a.conditions.looked_up(NOW, ["c"], {"c": state})
    beat(a, b)
    assert b.endings == [("c", state)]


def test_of_two_that_find_it_at_once_one_becomes_the_owner() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    b.conditions.throttled(NOW, "c", 1, NOW)
    beat(a, b)
    assert (a.condition(), b.condition()) == ((Condition.COOLING, True), (Condition.COOLING, False))
    assert b.told == []  # its callers were told when it found that itself


def test_a_probe_of_a_former_owner_changes_nothing() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    b.conditions.throttled(NOW, "c", 7, NOW)
    b.conditions.advance(NOW + 5.0)
    b.conditions.called("c", 8)
    beat(a, b)
    assert not b.conditions.accepted(NOW + 5.1, "c", 8)
    assert b.conditions.throttled(NOW + 5.1, "c", 8, NOW) is None
    assert b.condition() == (Condition.COOLING, False)


def test_the_end_of_a_pause_and_the_growth_of_probes_are_told() -> None:
    """So the next owner goes on with calls of the same size, and pauses that are as long."""
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW - 10.0)
    beat(a, b)
    assert b.conditions.records()["c"].since == pytest.approx(NOW - 10.0)
    assert b.conditions.records()["c"].until == pytest.approx(a.conditions.records()["c"].until, abs=0.01)
    after(5.0, a, b)
    assert a.conditions.advance(a.store.now) == ["c"]
    a.conditions.called("c", 2)
    a.conditions.accepted(a.store.now, "c", 2)
    beat(a, b)
    assert b.conditions.records()["c"].limit == 13
    a.waits.clear()
    beat(a, b)
    beat(a, b)
    assert (a.condition(), b.condition()) == ((Condition.PROBING, False), (Condition.PROBING, True))
    assert b.conditions.limit("c") == 13
    assert b.reopenings == ["c"]


def test_an_owner_for_which_nothing_waits_gives_up_after_two_beats_only() -> None:
    """A trickle of requests keeps the owner."""
    a, b = parked()
    a.waits.clear()
    a.beat()
    assert a.condition() == OWN
    a.waits.add("c")
    after(0.2, a, b)
    assert a.condition() == OWN
    a.waits.clear()
    after(0.2, a, b)
    beat(a, b)
    assert (a.condition(), b.condition()) == (COPY, OWN)


def test_an_owner_whose_probe_is_under_way_does_not_give_up() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    a.conditions.advance(NOW + 5.0)
    a.conditions.called("c", 2)
    a.waits.clear()
    beat(a, b)
    beat(a, b)
    assert a.condition() == (Condition.PROBING, True)


@pytest.mark.parametrize("throttled", [False, True])
@pytest.mark.parametrize("shift_s", [-3600.0, 1500.0])
def test_a_store_whose_clock_steps_keeps_no_campaign_stopped(shift_s: float, throttled: bool) -> None:
    """Whoever takes a condition over after the step goes on soon."""
    store = Store()
    a, b = store.replicas()
    if throttled:
        a.conditions.throttled(NOW, "c", 1, NOW)
    else:
        a.conditions.park(NOW, "c", "Paused")
    a.beat()
    store.shift_s = shift_s
    beat(b)
    taken = b.conditions.get("c")
    assert taken is not None
    assert taken.since <= NOW
    store.live.remove("a")
    beat(b)
    later = NOW + 36.0 if throttled else NOW + 12.0
    assert b.conditions.advance(later) == (["c"] if throttled else [])
    assert b.conditions.to_look_up(later, lambda _: True) == ([] if throttled else ["c"])


def test_a_condition_that_nobody_wants_waits_for_the_next_request() -> None:
    """The first replica with a request for the campaign takes it."""
    a, b = parked()
    a.waits.clear()
    b.waits.clear()
    beat(a, b)
    after(60.0, a, b)
    assert (a.condition(), b.condition()) == (COPY, COPY)
    b.waits.add("c")
    beat(b, a)
    assert (a.condition(), b.condition()) == (COPY, OWN)
    assert b.conditions.to_look_up(b.store.now, lambda _: True) == ["c"]


@pytest.mark.parametrize("returns", [False, True])
def test_the_condition_of_a_lost_owner_is_taken_by_one(returns: bool) -> None:
    """An owner that returns finds another in its place."""
    a, b, c = parked("abc")
    a.store.live.remove("a")
    beat(b, c)
    assert (b.condition(), c.condition()) == (OWN, COPY)
    if returns:
        a.store.live.append("a")
        beat(a, b, c)
        assert [each.condition() for each in (a, b, c)] == [COPY, OWN, COPY]


def test_a_leaving_owner_gives_all_up() -> None:
    a, b = parked()
    a.beat(leaving=True)
    beat(b)
    beat(b)
    assert b.condition() == OWN


def test_whoever_finds_out_more_becomes_the_owner() -> None:
    """A call that was under way when the campaign was throttled elsewhere shows that it is paused."""
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    beat(a, b)
    b.conditions.park(NOW, "c", "Paused")
    beat(b, a)
    assert (a.condition(), b.condition()) == (COPY, OWN)


def test_a_call_that_shows_what_is_known_takes_nothing_over() -> None:
    a, b = parked()
    assert b.conditions.park(NOW, "c", "Paused") is None
    beat(b, a)
    assert (a.condition(), b.condition()) == (OWN, COPY)


def test_what_is_found_during_a_beat_is_newer_than_its_reply() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    request = a.shared.request(NOW)
    assert request is not None
    reply = a.store.rules.exchange(a.store.ms, request)
    a.conditions.forget("c")
    a.shared.replied(NOW, a.store.tick(), 0, reply)
    assert a.shared.wants_beat()
    beat(a, b)
    assert a.condition() is b.condition() is None


def test_a_call_that_ends_during_a_beat_knows_more_than_its_reply() -> None:
    """The reply tells of the next pause, and the call has shown that the campaign does not run."""
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    beat(a, b)
    a.conditions.advance(NOW + 5.0)
    a.beat()
    b.beat()
    request = b.shared.request(NOW)
    assert request is not None
    b.conditions.park(NOW, "c", "Paused")
    b.shared.replied(NOW, a.store.tick(), 0, a.store.rules.exchange(a.store.ms, request))
    assert b.condition() == OWN
    beat(b, a)
    assert (a.condition(), b.condition()) == (COPY, OWN)


def test_a_lost_reply_does_no_harm() -> None:
    """The condition is recorded, the replica does not know, and tells it again."""
    a, b = Store().replicas()
    a.conditions.park(NOW, "c", "Paused")
    a.beat(lost=True)
    beat(b, a)
    assert (a.condition(), b.condition()) == (OWN, COPY)
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    a.beat(lost=True)
    beat(b, a)
    assert a.condition() is b.condition() is None


def test_a_condition_between_two_beats_is_not_told() -> None:
    (a,) = Store().replicas("a")
    a.conditions.park(NOW, "c", "Paused")
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    assert not a.beat()


def test_nothing_is_exchanged_while_nothing_changes() -> None:
    a, b = parked()
    assert not a.beat()
    assert not b.beat()
    assert not a.shared.wants_beat()


def test_a_replica_alone_goes_on_with_what_it_knows() -> None:
    """After so long without a reply; when replies come again, one is the owner."""
    a, b = parked()
    a.store.now += ALONE_AFTER_S
    b.beat(lost=True)
    assert b.condition() == COPY
    a.store.now += 0.1
    b.beat(lost=True)
    assert b.condition() == OWN
    assert b.reopenings == ["c"]
    beat(a, b)
    beat(a, b)
    assert (a.condition(), b.condition()).count(OWN) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_a_store_that_has_lost_all_gets_all_conditions_again(first: int) -> None:
    """From any replica; the owner stays the same."""
    replicas = a, b = parked()
    a.store.rules, a.store.epoch = ConditionsRules(), "2"
    for number in (first, 1 - first) * 3:
        replicas[number].beat()
    assert (a.condition(), b.condition()) == (OWN, COPY)
    assert {name: one.condition.owner for name, one in a.store.rules.conditions.items()} == {"c": "a"}


def test_a_store_that_has_returned_to_an_old_state_hears_what_flows() -> None:
    a, b = parked()
    old = a.store.rules
    a.store.rules = ConditionsRules()
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    beat(a, b)
    a.store.rules, a.store.epoch = old, "3"
    beat(a, b)
    beat(a, b)
    assert a.condition() is b.condition() is None


def test_a_table_removed_by_hand_is_noticed() -> None:
    a, b = parked()
    a.store.rules = ConditionsRules()
    beat(a, b)
    beat(a, b)
    assert "c" in a.store.rules.conditions
    assert (a.condition(), b.condition()) == (OWN, COPY)


def test_an_old_condition_is_recorded_again() -> None:
    a, b = parked()
    before = a.store.rules.version
    after(RECORDED_AGAIN_S + 0.1, a, b)
    assert a.store.rules.version > before
    after(RECORDED_AGAIN_S - 1.0, a, b)
    after(FORGET_AFTER_S - RECORDED_AGAIN_S, a, b)
    assert (a.condition(), b.condition()) == (OWN, COPY)


def test_a_condition_without_an_owner_is_forgotten_at_last() -> None:
    a, b = parked()
    a.waits.clear()
    b.waits.clear()
    beat(a, b)
    after(FORGET_AFTER_S + 0.1, a, b)
    assert a.condition() is b.condition() is None
    assert ("c", "") in a.endings + b.endings


def test_owners_share_the_calls_that_read_states() -> None:
    """With two replicas that read states, each waits twice as long between its calls."""
    a, b = parked()
    b.waits.add("d")
    b.conditions.park(NOW, "d", "Paused")
    beat(a, b)
    beat(a, b)
    assert [each.conditions.readers for each in (a, b)] == [2, 2]
    late = NOW + 10.0
    assert a.conditions.to_look_up(late, lambda _: True) == ["c"]
    a.conditions.looked_up(late, ["c"], {"c": "Paused"})
    a.conditions.records()["c"].until = late
    soon, later = late + 1.9 / STATE_CALLS_PER_S, late + 2.1 / STATE_CALLS_PER_S
    assert a.conditions.to_look_up(soon, lambda _: True) == []
    assert a.conditions.to_look_up(later, lambda _: True) == ["c"]


def test_one_request_carries_a_bounded_number() -> None:
    """The others follow with the next beats, which are wanted at once."""
    a, b = Store().replicas()
    names = [f"c{number}" for number in range(PUTS + 5)]
    for name in names:
        a.conditions.park(NOW, name, "Paused")
        a.waits.add(name)
    request = a.shared.request(NOW)
    assert request is not None
    assert len(request.puts) == PUTS
    a.beat()
    assert a.shared.wants_beat()
    a.beat()
    b.beat()
    b.beat()
    assert len(b.conditions.records()) == len(names)
