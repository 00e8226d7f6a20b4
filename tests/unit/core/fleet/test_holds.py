"""A hold is in force in every replica until an operator releases it, whatever the store forgets."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.fleet.holds import OFFERED, Changes, FleetHolds
from gateway.core.fleet.messages import ControlRequest, FleetAction, FleetActionKind
from gateway.shared_state.rules.control import ControlRules
from tests.cases import cases

HOLD, RELEASE, PURGE = FleetActionKind.HOLD, FleetActionKind.RELEASE, FleetActionKind.PURGE
CAMPAIGNS = ("c1", "c2")


def action(kind: FleetActionKind, campaign: str = "c1", caller: str = "Ines") -> FleetAction:
    return FleetAction(kind, campaign, caller, "complaints")


@dataclass
class Fleet:
    """Replicas around one store. The store's clock moves with each operation."""

    rules: ControlRules = field(default_factory=ControlRules)
    replicas: dict[str, FleetHolds] = field(default_factory=dict)
    now_ms: int = 1_700_000_000_000

    def beat(self, name: str, *, lost_reply: bool = False) -> Changes:
        """Exchange a beat; a reply that is lost has been carried out by the store."""
        self.now_ms += 10
        replica = self.replicas.setdefault(name, FleetHolds())
        replica.requested()
        request = ControlRequest(name, replica.seen, replica.carried_out, unrecorded=replica.offered())
        reply = self.rules.exchange(self.now_ms, request)
        return Changes() if lost_reply else replica.read(reply)

    def act(self, name: str, wanted: FleetAction) -> Changes | None:
        self.now_ms += 10
        recorded = self.rules.act(self.now_ms, wanted)
        return None if recorded is None else self.replicas[name].recorded(recorded)

    def beat_all(self, times: int = 3) -> None:
        for _ in range(times):
            for name in self.replicas:
                self.beat(name)


def fleet_of(*names: str) -> Fleet:
    fleet = Fleet()
    for name in names:
        fleet.beat(name)
    return fleet


def test_a_hold_reaches_every_replica_once() -> None:
    fleet = fleet_of("a", "b")
    changes = fleet.act("a", action(HOLD))
    assert changes is not None
    assert [hold.campaign_id for hold in changes.held] == ["c1"]
    assert not fleet.beat("a")
    changes = fleet.beat("b")
    assert changes
    assert [hold.caller for hold in changes.held] == ["Ines"]
    assert changes.purged == changes.released == ()
    assert not fleet.beat("b")
    assert fleet.replicas["b"].seen == fleet.rules.version


def test_a_new_replica_reads_the_holds_and_no_old_purge() -> None:
    fleet = fleet_of("a")
    fleet.act("a", action(HOLD))
    fleet.act("a", action(PURGE))
    changes = fleet.beat("new")
    assert (len(changes.held), changes.purged) == (1, ())


def test_a_release_names_who_ended_the_hold() -> None:
    fleet = fleet_of("a", "b")
    for campaign in CAMPAIGNS:
        fleet.act("a", action(HOLD, campaign))
    fleet.beat_all()
    for campaign, caller in zip(CAMPAIGNS, ("Otto", "Ada"), strict=True):
        own = fleet.act("b", action(RELEASE, campaign, caller))
        assert own is not None
        assert [(one.campaign_id, one.caller) for one in own.released] == [(campaign, caller)]
    released = fleet.beat("a").released
    assert {one.campaign_id: one.caller for one in released} == {"c1": "Otto", "c2": "Ada"}
    assert fleet.replicas["a"].in_force == fleet.replicas["b"].in_force == {}


def test_a_purge_is_carried_out_once_by_each() -> None:
    fleet = fleet_of("a", "b")
    changes = fleet.act("a", action(PURGE))
    assert changes is not None
    assert len(changes.purged) == 1
    assert (fleet.beat("a").purged, len(fleet.beat("b").purged)) == ((), 1)
    assert (fleet.beat("a").purged, fleet.beat("b").purged) == ((), ())


def test_a_reply_that_is_older_than_an_action_does_not_end_it() -> None:
    """The beat was answered before the hold was recorded, and its reply arrived after."""
    fleet = fleet_of("a", "b")
    fleet.act("b", action(HOLD, "c2"))
    replica = fleet.replicas["a"]
    replica.requested()
    old = fleet.rules.exchange(fleet.now_ms, ControlRequest("a", replica.seen))
    fleet.act("a", action(HOLD))
    assert not replica.read(old)
    assert set(replica.in_force) == {"c1"}
    assert {hold.campaign_id for hold in fleet.beat("a").held} == {"c2"}


def test_a_hold_without_the_store_is_recorded_later() -> None:
    fleet = fleet_of("a", "b")
    changes = fleet.replicas["a"].hold_here(action(HOLD))
    assert len(changes.held) == 1
    assert not fleet.rules.holds
    assert not fleet.beat("a").released
    assert fleet.rules.holds["c1"].caller == "Ines"
    assert len(fleet.beat("b").held) == 1
    fleet.act("b", action(RELEASE))
    fleet.beat_all()
    assert [replica.in_force for replica in fleet.replicas.values()] == [{}, {}]


def test_a_hold_without_the_store_may_be_released_without_it() -> None:
    fleet = fleet_of("a")
    replica = fleet.replicas["a"]
    replica.hold_here(action(HOLD))
    assert set(replica.in_force) == {"c1"}
    changes = replica.release_here(action(RELEASE))
    assert [one.campaign_id for one in changes.released] == ["c1"]
    assert not replica.release_here(action(RELEASE))
    fleet.beat_all()
    assert (replica.in_force, fleet.rules.holds) == ({}, {})


def test_a_release_ends_a_hold_that_is_still_to_be_recorded() -> None:
    fleet = fleet_of("a")
    fleet.rules.act(fleet.now_ms + 5, action(HOLD))  # the reply was lost
    fleet.replicas["a"].hold_here(action(HOLD))
    fleet.act("a", action(RELEASE))
    fleet.beat_all()
    assert (fleet.replicas["a"].in_force, fleet.rules.holds) == ({}, {})


def test_a_hold_whose_record_was_not_confirmed_is_recorded_once() -> None:
    fleet = fleet_of("a", "b")
    fleet.rules.act(fleet.now_ms + 5, action(HOLD))  # the reply was lost
    fleet.replicas["a"].hold_here(action(HOLD))
    fleet.beat_all()
    assert len(fleet.rules.history) == 1


def test_a_hold_that_was_read_before_its_record_failed_ends_with_its_release() -> None:
    """The store recorded it and a beat brought it, and then the reply to the record did not come in time."""
    fleet = fleet_of("a", "b")
    fleet.rules.act(fleet.now_ms + 5, action(HOLD))
    fleet.beat("b")
    fleet.replicas["b"].hold_here(action(HOLD))
    fleet.beat_all()
    assert fleet.replicas["b"].offered() == ()
    fleet.act("a", action(RELEASE))
    fleet.beat_all()
    assert fleet.rules.holds == {}
    assert fleet.replicas["b"].in_force == {}


def test_many_unrecorded_holds_are_offered_in_parts() -> None:
    fleet = fleet_of("a")
    for number in range(3 * OFFERED):
        fleet.replicas["a"].hold_here(action(HOLD, f"c{number}"))
    assert len(fleet.replicas["a"].offered()) == OFFERED
    fleet.beat_all(4)
    assert len(fleet.rules.holds) == 3 * OFFERED
    assert fleet.replicas["a"].offered() == ()


def test_a_flushed_store_gets_its_holds_back() -> None:
    fleet = fleet_of("a", "b")
    fleet.act("a", action(HOLD))
    fleet.beat_all()
    fleet.rules = ControlRules()
    assert not fleet.beat("b").released
    fleet.beat_all()
    assert set(fleet.rules.holds) == {"c1"}
    assert set(fleet.beat("new").held[0:1]) == set(fleet.rules.holds.values())


# --- any order of operations --------------------------------------------------------------------------

NAMES = ("a", "b", "c")
KINDS = (
    *(
        "beat",
        "beat",
        "lost reply",
        "hold",
        "hold",
        "release",
        "purge",
        "unconfirmed hold",
        "hold read early",
    ),
    "hold here",
    *("flush", "save", "fail over", "restart"),
)
step = st.tuples(st.sampled_from(KINDS), st.sampled_from(NAMES), st.sampled_from(CAMPAIGNS))


@dataclass
class Story:
    """A fleet and what operators were told: the campaigns that must be held, or must not."""

    fleet: Fleet = field(default_factory=lambda: fleet_of(*NAMES))
    held: dict[str, str] = field(default_factory=dict)
    complete: bool = True
    saved: ControlRules = field(default_factory=ControlRules)

    def tell(self, kind: str, name: str, campaign: str) -> None:
        fleet = self.fleet
        simple: dict[str, Callable[[], object]] = {
            "beat": lambda: fleet.beat(name),
            "lost reply": lambda: fleet.beat(name, lost_reply=True),
            "purge": lambda: fleet.act(name, action(PURGE, campaign)),
        }
        if kind in simple:
            simple[kind]()
        elif kind == "hold":
            fleet.act(name, action(HOLD, campaign, name))
            self.held[campaign] = name
        elif kind == "release" and fleet.act(name, action(RELEASE, campaign)) is not None:
            self.held.pop(campaign, None)
        elif kind in {"hold here", "unconfirmed hold", "hold read early"}:
            if kind != "hold here":
                fleet.now_ms += 10
                fleet.rules.act(fleet.now_ms, action(HOLD, campaign, name))
            if kind == "hold read early":
                fleet.beat(name)
            fleet.replicas[name].hold_here(action(HOLD, campaign, name))
            self.held[campaign] = name
            self.complete = False  # a release by another replica may come before its record
        elif kind in {"flush", "fail over"}:
            fleet.rules = ControlRules() if kind == "flush" else copy.deepcopy(self.saved)
            self.complete = False
        elif kind == "save":
            self.saved = copy.deepcopy(fleet.rules)
        elif kind == "restart":
            self._restart(name)

    def _restart(self, name: str) -> None:
        """Restart a replica, unless it alone knows something."""
        kept = {
            other: set(replica.in_force) for other, replica in self.fleet.replicas.items() if other != name
        }
        known = set().union(*kept.values())
        if set(self.fleet.replicas[name].in_force) <= known & set(self.fleet.rules.holds):
            self.fleet.replicas[name] = FleetHolds()


@settings(max_examples=cases(80, 1000))
@given(steps=st.lists(step, max_size=30))
def test_holds_stay_whatever_happens(steps: list[tuple[str, str, str]]) -> None:
    """Every hold that an operator was told of is in force everywhere once all have exchanged beats.

    Then nothing is left to be recorded. Without lost data, and without holds made while the store was away,
    nothing else is held.
    """
    story = Story()
    for each in steps:
        story.tell(*each)
    story.fleet.beat_all()
    for replica in story.fleet.replicas.values():
        assert set(story.held) <= set(replica.in_force)
        assert {name: _said(hold) for name, hold in replica.in_force.items()} == {
            name: _said(hold) for name, hold in story.fleet.rules.holds.items()
        }
        assert replica.offered() == ()
        if story.complete:
            assert set(story.held) == set(replica.in_force)


def _said(hold: FleetAction) -> FleetAction:
    return replace(hold, version=0, at_ms=0)
