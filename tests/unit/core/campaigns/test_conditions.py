"""The conditions of campaigns: every arrow of the diagram in `conditions`, and the limits of its times."""

import random

import pytest

from gateway.core.campaigns.conditions import (
    FIRST_PAUSE_S,
    FORGET_AFTER_S,
    LONGEST_PAUSE_S,
    PAUSE_SHARE,
    PROBE_STEP,
    STATE_CALL_LIMIT,
    STATE_CALLS_PER_S,
    STATE_CHECK_S,
    STATE_RECHECK_S,
    STATES_DENIED_S,
    UNSEEN_PROBE_S,
    Conditions,
)
from gateway.core.model import BATCH_LIMIT, NoticeKind, Reason
from tests.unit.core.making import NOW


def make(seed: int = 1) -> Conditions:
    """Make conditions in which every campaign flows."""
    return Conditions(random.Random(seed))


def cooling(seed: int = 1, formed_at: float = NOW) -> tuple[Conditions, float]:
    """Cool campaign "a" down at NOW; return the end of its pause too."""
    held = make(seed)
    notice = held.throttled(NOW, "a", 1, formed_at)
    assert notice is not None
    assert notice.kind is NoticeKind.CAMPAIGN_COOLING
    assert notice.retry_after_s is not None
    return held, NOW + notice.retry_after_s


def probing() -> tuple[Conditions, float]:
    """Let the pause of campaign "a" end; return when that was too."""
    held, end = cooling()
    assert held.advance(end) == ["a"]
    return held, end


def parked(state: str = "Paused", *names: str) -> Conditions:
    """Park campaigns at NOW, "a" unless told otherwise."""
    held = make()
    for name in names or ("a",):
        notice = held.park(NOW, name, state)
        assert notice is not None
        assert (notice.kind, notice.retry_after_s) == (NoticeKind.CAMPAIGN_PARKED, None)
        assert state in notice.detail
    return held


def everybody(_: str) -> bool:
    """Say that every campaign has waiting requests."""
    return True


def look(held: Conditions, now: float) -> list[str]:
    """Ask at `now` which states to look up."""
    assert held.advance(now) == []
    return held.to_look_up(now, everybody)


def test_an_unknown_campaign_flows() -> None:
    """An unknown campaign makes full calls and needs no wake-up."""
    held = make()
    assert held.limit("a") == BATCH_LIMIT
    assert held.accepted(NOW, "a", 1)
    assert (held.deadline(NOW), held.reason("a"), held.notice(NOW, "a")) == (None, None, None)
    assert (held.advance(NOW), held.to_look_up(NOW, everybody)) == ([], [])


# --- cooling and probing -----------------------------------------------------------------------------


def test_throttled_campaign_cools_down_alone() -> None:
    """A capacity throttle pauses its own campaign until the announced instant, and no other."""
    held, end = cooling()
    assert (held.limit("a"), held.limit("b")) == (0, BATCH_LIMIT)
    assert held.deadline(NOW) == end
    assert held.reason("a") is Reason.THROTTLED
    assert held.advance(end - 0.001) == []
    assert held.limit("a") == 0
    assert held.advance(end) == ["a"]
    assert held.limit("a") == 1


def test_probe_is_one_call_at_a_time() -> None:
    """While a probe is in flight no second call leaves."""
    held, end = probing()
    held.called("a", 7)
    assert held.limit("a") == 0
    held.ended(end, "a", 6)
    assert held.limit("a") == 0
    held.ended(end, "a", 7)
    assert held.limit("a") == 1
    assert held.reason("a") is Reason.THROTTLED
    assert held.deadline(end) == pytest.approx(end + FORGET_AFTER_S)


def test_a_campaign_is_remembered_from_the_end_of_its_last_probe() -> None:
    """A probe that takes long and tells nothing is followed by another small one, not by a full call."""
    held, end = probing()
    held.called("a", 7)
    late = end + FORGET_AFTER_S - 1.0
    held.ended(late, "a", 7)
    held.advance(late + FORGET_AFTER_S - 1.0)
    assert held.limit("a") == 1
    held.advance(late + FORGET_AFTER_S)
    assert held.limit("a") == BATCH_LIMIT


def test_probes_grow_until_the_campaign_flows() -> None:
    """Each accepted probe makes the next one a step larger; a full one ends the probing."""
    held, now = probing()
    sizes, number = [], 10
    while (limit := held.limit("a")) < BATCH_LIMIT:
        sizes.append(limit)
        held.called("a", number)
        flows = held.accepted(now, "a", number)
        assert flows == (held.limit("a") == BATCH_LIMIT)
        number += 1
    assert sizes == list(range(1, BATCH_LIMIT, PROBE_STEP))
    assert held.deadline(now) is None
    assert held.reason("a") is None


def test_a_throttled_probe_begins_a_longer_pause() -> None:
    """After a throttled probe the pause is longer, and the next probe is small again."""
    held, now = probing()
    held.called("a", 2)
    assert not held.accepted(now, "a", 2)
    assert held.limit("a") == 1 + PROBE_STEP
    held.called("a", 3)
    notice = held.throttled(now + 60.0, "a", 3, now)
    assert notice is not None
    assert notice.retry_after_s is not None
    assert notice.retry_after_s > 10.0
    assert held.advance(now + 60.0 + notice.retry_after_s) == ["a"]
    assert held.limit("a") == 1


@pytest.mark.parametrize("lasted_s", [0.0, 1.0, 10.0, 40.0, 90.0, 1_000.0])
def test_pauses_grow_with_the_duration_of_the_throttling(lasted_s: float) -> None:
    """A pause is a share of the throttling's duration, within bounds and with 20% jitter."""
    expected = min(max(PAUSE_SHARE * lasted_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
    pauses = [cooling(seed, NOW - lasted_s)[1] - NOW for seed in range(200)]
    assert min(pauses) >= 0.8 * expected - 1e-6
    assert max(pauses) <= 1.2 * expected + 1e-6
    assert max(pauses) - min(pauses) > 0.3 * expected


def test_probes_of_a_long_throttle_are_few() -> None:
    """An hour of throttling costs few probes, and its end is noticed soon."""
    held, now = cooling()
    probes = 0
    while now < NOW + 3_600.0:
        assert held.advance(now) == ["a"]
        probes += 1
        held.called("a", probes)
        notice = held.throttled(now, "a", probes, now)
        assert notice is not None
        assert notice.retry_after_s is not None
        assert notice.retry_after_s <= 1.2 * LONGEST_PAUSE_S
        now += notice.retry_after_s
    assert probes < 150


def test_calls_from_before_the_pause_do_not_affect_it() -> None:
    """Calls that left before a pause neither prolong nor end it, even if they return during a probe."""
    held, end = cooling()
    assert held.throttled(NOW + 0.1, "a", 2, NOW) is None
    assert not held.accepted(NOW + 0.2, "a", 3)
    assert held.deadline(NOW + 0.2) == end
    held.advance(end)
    held.called("a", 9)
    assert held.throttled(end, "a", 4, NOW) is None
    assert not held.accepted(end, "a", 5)
    held.ended(end, "a", 6)
    assert held.limit("a") == 0
    held.accepted(end, "a", 9)
    assert held.limit("a") == 1 + PROBE_STEP


def test_a_later_caller_is_told_the_rest_of_the_pause() -> None:
    """A caller that comes during the pause is told what is left of it; during a probe, nothing."""
    held, end = cooling()
    notice = held.notice(NOW + 0.5, "a")
    assert notice is not None
    assert notice.kind is NoticeKind.CAMPAIGN_COOLING
    assert notice.retry_after_s == pytest.approx(end - NOW - 0.5)
    held.advance(end)
    notice = held.notice(end, "a")
    assert notice is not None
    assert notice.retry_after_s is None


def test_an_idle_probing_campaign_is_forgotten() -> None:
    """A campaign that may probe and has nothing to send is forgotten after a while."""
    held, end = probing()
    assert held.advance(end + FORGET_AFTER_S - 0.001) == []
    assert held.limit("a") == 1
    assert held.advance(end + FORGET_AFTER_S) == []
    assert held.limit("a") == BATCH_LIMIT
    assert held.deadline(end + FORGET_AFTER_S) is None


def test_a_very_long_probe_causes_no_idle_wake_up() -> None:
    """If a probe outlasts the memory of it, the named wake-up is not in the past."""
    held, end = probing()
    held.called("a", 7)
    now = end + FORGET_AFTER_S + 1.0
    assert held.advance(now) == []
    deadline = held.deadline(now)
    assert deadline is None or deadline > now


def test_memory_is_bounded_by_forgetting() -> None:
    """Nothing remains of thousands of campaigns that once did not flow."""
    held = make()
    for number in range(3_000):
        held.throttled(NOW, f"c{number}", number, NOW)
        held.park(NOW, f"p{number}", "Paused")
    held.advance(NOW + 2.0)
    now = NOW + 2.0
    for step in range(200):
        held.to_look_up(now + step, lambda _: False)
    held.advance(now + FORGET_AFTER_S + 1.0)
    assert held._not_flowing == {}
    assert held.deadline(now) is None


# --- parked ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["Paused", "Initialized", "", "SomethingNew"])
def test_a_campaign_in_any_other_state_is_parked(state: str) -> None:
    """A campaign in any state except the known final ones is parked and makes no calls by itself."""
    held = parked(state)
    assert held.limit("a") == 0
    assert held.reason("a") is Reason.CAMPAIGN_NOT_RUNNING
    assert held.advance(NOW + 1e6) == []
    assert held.limit("a") == 0
    assert held.park(NOW + 1.0, "a", state) is None  # told once
    notice = held.notice(NOW + 1.0, "a")
    assert notice is not None
    assert notice.kind is NoticeKind.CAMPAIGN_PARKED


def test_cooling_campaign_is_parked() -> None:
    """A cooling campaign is parked when Connect says so; a throttle then changes nothing."""
    held, _ = cooling()
    assert held.park(NOW, "a", "Paused") is not None
    assert held.reason("a") is Reason.CAMPAIGN_NOT_RUNNING
    assert held.throttled(NOW, "a", 5, NOW) is None
    assert held.reason("a") is Reason.CAMPAIGN_NOT_RUNNING


def test_parked_is_looked_up_again_and_again() -> None:
    """The state of a parked campaign is asked for soon, once at a time, and after each answer."""
    held = parked()
    assert look(held, NOW) == []
    due = held.deadline(NOW)
    assert due is not None
    assert NOW + 0.8 * STATE_CHECK_S <= due <= NOW + 1.2 * STATE_CHECK_S
    assert look(held, due) == ["a"]
    assert look(held, due + 100.0) == []
    assert held.looked_up(due, ["a"], {"a": "Paused"}) == {}
    assert held.deadline(due) == due + STATE_CHECK_S
    assert look(held, due + STATE_CHECK_S) == ["a"]
    assert held.looked_up(due + STATE_CHECK_S, ["a"], {}) == {}
    assert held.deadline(due + STATE_CHECK_S) == due + STATE_CHECK_S + STATE_RECHECK_S


@pytest.mark.parametrize("state", ["Running", "Stopped", "Failed", "Completed", "NotFound"])
def test_parked_until_connect_says_otherwise(state: str) -> None:
    """Running and the final states end the parking and are returned."""
    held = parked("Paused", "a", "b")
    assert sorted(look(held, NOW + 2.0)) == ["a", "b"]
    assert held.looked_up(NOW + 2.0, ["a", "b"], {"a": state, "b": "Initialized"}) == {"a": state}
    assert (held.limit("a"), held.limit("b")) == (BATCH_LIMIT, 0)
    assert held.looked_up(NOW + 2.1, ["a"], {"a": state}) == {}


def test_unknown_state_keeps_it_parked() -> None:
    """An unknown state keeps a campaign parked; callers are told the newest state."""
    held = parked()
    held.to_look_up(NOW + 2.0, everybody)
    assert held.looked_up(NOW + 2.0, ["a"], {"a": "Dreaming"}) == {}
    notice = held.notice(NOW + 2.0, "a")
    assert notice is not None
    assert "Dreaming" in notice.detail


def test_look_ups_are_bounded() -> None:
    """With any number of parked campaigns, look-ups keep their rate and size and reach every campaign."""
    names = [f"c{number}" for number in range(160)]
    held, now, last, seen = parked("Paused", *names), NOW, float("-inf"), set()
    looks = 0
    while now < NOW + 10.0:
        asked = look(held, now)
        if asked:
            looks += 1
            assert len(asked) == len(set(asked)) <= STATE_CALL_LIMIT
            assert now - last >= 1 / STATE_CALLS_PER_S - 1e-9
            last = now
            seen |= set(asked)
            held.looked_up(now, asked, dict.fromkeys(asked, "Paused"))
        deadline = held.deadline(now)
        assert deadline is not None
        assert deadline > now
        now = deadline
    assert seen == set(names)
    assert looks <= 10.0 * STATE_CALLS_PER_S + 1


def test_parked_is_forgotten_when_nobody_waits() -> None:
    """A parked campaign without waiting requests is forgotten instead of looked up."""
    held = parked("Paused", "a", "b")
    assert held.to_look_up(NOW + 2.0, lambda name: name == "b") == ["b"]
    assert (held.limit("a"), held.limit("b")) == (BATCH_LIMIT, 0)


# --- without the right to look -----------------------------------------------------------------------


def test_without_permission_to_look_a_parked_campaign_probes_rarely() -> None:
    """Without permission to look up states, a parked campaign probes rarely and is then parked for longer."""
    held = parked()
    assert held.to_look_up(NOW + 2.0, everybody) == ["a"]
    held.may_not_look_up(NOW + 2.0)
    due = held.deadline(NOW + 2.0)
    assert due is not None
    assert NOW + 2.0 + UNSEEN_PROBE_S / 2 <= due <= NOW + 2.0 + UNSEEN_PROBE_S
    assert held.advance(due) == ["a"]
    assert held.to_look_up(due, everybody) == []
    assert held.limit("a") == 1
    held.called("a", 5)
    assert held.park(due, "a", "Paused") is None
    again = held.deadline(due)
    assert again is not None
    assert due + 0.8 * UNSEEN_PROBE_S <= again <= due + 1.2 * UNSEEN_PROBE_S


def test_an_accepted_blind_probe_grows() -> None:
    """An accepted blind probe grows like any other; expiries still name the parked campaign."""
    held = parked()
    held.may_not_look_up(NOW)
    held.advance(NOW + UNSEEN_PROBE_S)
    assert held.reason("a") is Reason.CAMPAIGN_NOT_RUNNING
    for number in (1, 2):
        held.called("a", number)
        flows = held.accepted(NOW + UNSEEN_PROBE_S, "a", number)
    assert flows
    assert held.limit("a") == BATCH_LIMIT


def test_a_denied_look_up_does_not_hasten_the_probe() -> None:
    """The empty answer of a denied look-up does not bring the blind probe forward."""
    held = parked()
    asked = held.to_look_up(NOW + 2.0, everybody)
    held.may_not_look_up(NOW + 2.0)
    held.looked_up(NOW + 2.0, asked, {})
    due = held.deadline(NOW + 2.0)
    assert due is not None
    assert due >= NOW + 2.0 + UNSEEN_PROBE_S / 2


def test_permission_granted_later_is_noticed() -> None:
    """Minutes after a denial, a campaign that is parked again is looked up instead of probed."""
    held = parked()
    held.may_not_look_up(NOW)
    held.park(NOW + STATES_DENIED_S - 1.0, "a", "Paused")
    assert held.to_look_up(NOW + STATES_DENIED_S + 60.0, everybody) == []
    held.park(NOW + STATES_DENIED_S, "a", "Paused")
    assert held.to_look_up(NOW + STATES_DENIED_S + 1.2, everybody) == ["a"]
