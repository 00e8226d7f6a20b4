"""A replica exchanges beats in time, and puts holds in force before permits."""

import asyncio
from dataclasses import replace

import pytest

from gateway.core.quota.beat_times import BEAT_EVERY_S, IDLE_BEAT_EVERY_S
from gateway.core.quota.pause_watch import HEAR_S
from tests.unit.fleet.member_bench import AWAY, HERE, OTHER, Bench, on_virtual_time


@on_virtual_time
async def test_beats_are_regular(bench: Bench) -> None:
    await asyncio.sleep(1.1)
    assert bench.sent_at == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-3)


@on_virtual_time
async def test_an_idle_replica_sends_fewer_beats_but_not_after_a_failed_one(
    bench: Bench,
) -> None:
    bench.every_s = IDLE_BEAT_EVERY_S
    await asyncio.sleep(0.7)
    bench.problem = AWAY
    await asyncio.sleep(0.6)
    bench.problem = None
    await asyncio.sleep(0.6)
    assert bench.sent_at == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.1, 1.3, 1.6], abs=1e-3)


@on_virtual_time
async def test_an_idle_replica_whose_permits_want_a_beat_does_not_wait(bench: Bench) -> None:
    bench.every_s = IDLE_BEAT_EVERY_S
    await asyncio.sleep(0.05)
    bench.every_s = BEAT_EVERY_S
    bench.member.turned()
    await asyncio.sleep(0.2)
    assert bench.sent_at == pytest.approx([0.0, 0.2], abs=1e-3)


@on_virtual_time
async def test_a_slow_reply_does_not_shift_the_next_beat(bench: Bench) -> None:
    bench.takes_s = 0.15
    await asyncio.sleep(0.65)
    assert bench.sent_at == pytest.approx([0.0, 0.2, 0.4, 0.6], abs=1e-3)


@on_virtual_time
async def test_permits_that_are_wanted_are_asked_for_at_once(bench: Bench) -> None:
    """The dispatcher's turn shows the wish; two beats are never closer than the shortest gap."""
    await asyncio.sleep(0.05)
    bench.wanted_at = 0.05
    bench.member.turned()
    await asyncio.sleep(0.001)
    assert bench.sent_at == pytest.approx([0.0, 0.05], abs=1e-3)
    bench.wanted_at = 0.0
    bench.member.turned()
    await asyncio.sleep(0.1)
    assert bench.sent_at == pytest.approx([0.0, 0.05, 0.055], abs=1e-3)


@on_virtual_time
async def test_urgent_beats_are_no_denser_than_ten_in_a_fifth_of_a_second(bench: Bench) -> None:
    for _ in range(1000):
        bench.wanted_at = 0.0
        bench.member.turned()
        await asyncio.sleep(0.001)
    assert bench.sent_at[:3] == pytest.approx([0.0, 0.005, 0.01], abs=2e-3)
    assert max(sum(at <= one < at + 0.2 for one in bench.sent_at) for at in bench.sent_at) == 10
    assert len(bench.sent) in range(45, 56)


@on_virtual_time
async def test_a_turn_without_a_wish_changes_nothing(bench: Bench) -> None:
    await asyncio.sleep(0.05)
    for _ in range(100):
        bench.member.turned()
    await asyncio.sleep(0.1)
    assert len(bench.sent) == 1


@on_virtual_time
async def test_actions_that_wait_for_confirmation_hurry_the_beats(bench: Bench) -> None:
    bench.within_s = 0.05
    bench.member.wake()
    await asyncio.sleep(0.21)
    assert bench.sent_at == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2], abs=5e-3)


@on_virtual_time
async def test_a_wake_during_a_beat_is_not_lost(bench: Bench) -> None:
    bench.takes_s = 0.1
    await asyncio.sleep(0.05)
    bench.member.wake()
    await asyncio.sleep(0.06)
    assert len(bench.sent) == 2


@on_virtual_time
async def test_holds_and_doubts_are_in_force_before_the_permits_of_the_same_reply(bench: Bench) -> None:
    await asyncio.sleep(0.01)
    assert bench.events == ["holds", "seen", "permits", "wake"]


@on_virtual_time
async def test_while_the_store_is_away_beats_are_no_denser(bench: Bench) -> None:
    """A wish for permits cannot be met, so it does not hurry beats that fail."""
    bench.problem = AWAY
    for _ in range(100):
        bench.wanted_at = 0.0
        bench.member.turned()
        await asyncio.sleep(0.01)
    assert len(bench.sent) <= 7
    assert set(bench.events) == {"failed", "wake"}


@on_virtual_time
async def test_the_return_of_the_store_is_used_at_once(bench: Bench) -> None:
    bench.problem = AWAY
    await asyncio.sleep(0.65)
    bench.problem = None
    bench.member.wake()
    await asyncio.sleep(0.001)
    assert bench.events[-1] == "wake"
    assert bench.member.in_words() == (True, "connected; 1 replica")


@on_virtual_time
async def test_members_that_have_ended_are_reported_with_the_next_beat(bench: Bench) -> None:
    bench.members = (HERE, replace(OTHER, lost=True))
    bench.gone = (OTHER.member,)
    await asyncio.sleep(0.3)
    assert [beat.tick.gone for beat in bench.sent] == [(), (OTHER.member,)]


@on_virtual_time
async def test_a_look_for_ended_members_that_meets_a_bug_is_followed_by_others(bench: Bench) -> None:
    bench.members = (HERE, replace(OTHER, lost=True))
    bench.gone, bench.bugs = (OTHER.member,), [ZeroDivisionError()]
    await asyncio.sleep(0.5)
    assert [beat.tick.gone for beat in bench.sent] == [(), (), (OTHER.member,)]


@on_virtual_time
async def test_a_replica_that_leaves_says_so_and_sends_no_beat_after_it(bench: Bench) -> None:
    await asyncio.sleep(0.1)
    await bench.member.leave()
    assert [beat.tick.leaving for beat in bench.sent] == [False, True]
    await asyncio.sleep(1.0)
    assert len(bench.sent) == 2


@on_virtual_time
async def test_leaving_during_a_beat_waits_for_its_end(bench: Bench) -> None:
    bench.takes_s = 0.15
    await asyncio.sleep(0.05)
    await bench.member.leave()
    assert [beat.tick.leaving for beat in bench.sent] == [False, True]


@on_virtual_time
async def test_leaving_without_the_store_takes_one_attempt(bench: Bench) -> None:
    bench.problem = AWAY
    await asyncio.sleep(0.3)
    began = asyncio.get_running_loop().time()
    await bench.member.leave()
    assert asyncio.get_running_loop().time() - began < 0.2


@on_virtual_time
async def test_a_slow_beat_is_no_pause(bench: Bench) -> None:
    """While a beat waits for its reply this process runs, also if there is nothing else to do."""
    bench.takes_s = 2.0
    showing = asyncio.create_task(bench.member.show_life())
    await asyncio.sleep(10.0)
    showing.cancel()
    assert bench.pauses.waits_until < 0.0


@on_virtual_time
async def test_a_turn_after_a_pause_ends_it(bench: Bench) -> None:
    now = asyncio.get_running_loop().time()
    bench.pauses.runs(now - 30.0)
    bench.member.turning()
    assert bench.pauses.waits_until == now + HEAR_S
