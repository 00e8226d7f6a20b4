"""A suppression reaches every replica of a fleet, and a replica that knows too little sends nothing."""

import asyncio
import logging

import pytest

from gateway.core.fleet.suppressions import Suppression, TooManySuppressions
from gateway.fleet.membership import SharedStateAway
from gateway.fleet.sending_stop import BEHIND_S
from gateway.fleet.suppression_sync import REPORTED_AGAIN_S
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.suppressions import SEEN_KEPT_MS, SuppressionsRules
from tests.simulation.fleet.virtual_loop import on_virtual_time
from tests.unit.dispatch.test_dispatcher import turns
from tests.unit.fleet.suppression_fleet import EPOCH_MS, ONE, TWO, Fleet, Key, Replica, fleet_of


@on_virtual_time
async def test_a_suppression_is_confirmed_by_all_replicas() -> None:
    """The reply names those that have carried it out; the number is suppressed on each."""
    async with fleet_of("a", "b", "c") as fleet:
        acting = asyncio.create_task(fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        assert ONE in fleet.replicas[0].numbers  # before the others know
        await fleet.beats()
        result = await acting
        assert (result.fleet.confirmed, result.fleet.unconfirmed) == (("a", "b", "c"), ())
        assert not result.existed
        for replica in fleet.replicas:
            assert ONE in replica.numbers
            assert replica.changes == 1


@on_virtual_time
async def test_a_replica_that_does_not_hear_is_named() -> None:
    """The reply comes after the longest wait for confirmations."""
    async with fleet_of("a", "b") as fleet:
        result = await fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it")
        assert (result.fleet.confirmed, result.fleet.unconfirmed) == (("a",), ("b",))
        assert ONE not in fleet.replicas[1].numbers


@on_virtual_time
async def test_an_end_is_carried_out_by_all_replicas() -> None:
    async with fleet_of("a") as fleet:
        (a,) = fleet.replicas
        await a.sync.suppress(ONE, "Ines", "asked for it")
        b = await fleet.add("b")
        assert ONE in b.numbers
        acting = asyncio.create_task(b.sync.end(ONE, "Ines", "wants calls"))
        await turns()
        await fleet.beats()
        result = await acting
        assert result is not None
        assert result.fleet.unconfirmed == ()
        assert ONE not in a.numbers
        assert await b.sync.end(ONE, "Ines", "again") is None


@on_virtual_time
async def test_nothing_is_sent_before_the_suppressions_were_read() -> None:
    """A starting replica that does not reach the store is suspended, until it has read everything."""
    fleet = Fleet()
    fleet.store.kill()
    replica = Replica("a", fleet, Key(b"key", fixed=True))
    assert not replica.sends()
    running = asyncio.create_task(replica.sync.run())
    try:
        await turns()
        assert "were not read yet" in (replica.sync.in_words() or "")
        fleet.store.start()
        replica.beat()
        await replica.sending()
        assert replica.wakes == 1
        assert replica.sync.in_words() is None
    finally:
        running.cancel()


@on_virtual_time
async def test_a_replica_that_stays_behind_stops_sending() -> None:
    """A beat tells of a suppression that cannot be read: after a while nothing is sent."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        b.state.partitioned = True
        acting = asyncio.create_task(a.sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        b.beat()
        assert b.sync.in_words() is None
        fleet.seconds += BEHIND_S
        b.beat()
        assert not b.sends()
        b.state.partitioned = False
        await b.sending()
        assert ONE in b.numbers
        await acting


@on_virtual_time
async def test_a_suppression_without_the_store_applies_here_and_is_shared_later() -> None:
    """It is refused with a clear error after it has taken effect, and the others get it later."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        fleet.store.hang()
        with pytest.raises(SharedStateAway):
            await a.sync.suppress(ONE, "Ines", "asked for it")
        assert ONE in a.numbers
        with pytest.raises(SharedStateAway):
            await a.sync.end(TWO, "Ines", "wants calls")
        fleet.store.hung = False
        await b.knows(ONE)


@on_virtual_time
async def test_a_flushed_store_gets_the_suppressions_back() -> None:
    """A replica that starts later reads them, although the others only had them in memory."""
    async with fleet_of("a") as fleet:
        (a,) = fleet.replicas
        a.beat()
        await a.sync.suppress(ONE, "Ines", "asked for it")
        fleet.store.flush()
        a.beat("2")
        await turns()
        late = await fleet.add("late")
        assert ONE in late.numbers
        assert ONE in a.numbers


@on_virtual_time
async def test_a_refused_suppression_is_taken_back() -> None:
    """The store has as many as it keeps: the number is not suppressed here only."""
    async with fleet_of("a") as fleet:
        fleet.store.rules.suppressions = SuppressionsRules(limit=1, key=b"key")
        (a,) = fleet.replicas
        await a.sync.suppress(ONE, "Ines", "asked for it")
        with pytest.raises(TooManySuppressions):
            await a.sync.suppress(TWO, "Ines", "asked for it")
        assert TWO not in a.numbers


@on_virtual_time
async def test_replies_of_an_outage_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first failed question that keeps the replica from sending is logged."""
    fleet = Fleet()
    fleet.store.kill()
    replica = Replica("a", fleet, Key(b"key"))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert not await replica.sync._exchange()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    with pytest.raises(SharedStateUnavailable):
        fleet.store.suppress(None)  # type: ignore[arg-type]


@on_virtual_time
async def test_a_look_up_reads_what_the_store_has_now() -> None:
    """A suppression of which no beat has told yet is found, with one exchange, and all replicas are named."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        acting = asyncio.create_task(a.sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        await fleet.beats()
        await acting
        b.beat()
        await turns()
        told = await b.sync.read()
        assert (told.complete, told.fleet.confirmed, told.fleet.unconfirmed) == (True, ("a", "b"), ())
        found = b.sync.get(ONE)
        assert found is not None
        assert (found.actor, found.reason, len(b.sync)) == ("Ines", "asked for it", 1)
        assert 0 < found.version <= told.everywhere
        asked = fleet.store.rules.suppressions
        assert asked is not None
        asked.suppress(EPOCH_MS + 200_000, Suppression(TWO, "Jon", "by another replica"))
        assert b.sync.get(TWO) is None
        await b.sync.read()
        assert b.sync.get(TWO) is not None


@on_virtual_time
async def test_a_look_up_names_a_replica_that_lacks_a_suppression() -> None:
    """What that replica has carried out before is still in force everywhere."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        acting = asyncio.create_task(a.sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        await fleet.beats()
        await acting
        b.state.partitioned = True
        await a.sync.suppress(TWO, "Ines", "asked for it")
        told = await a.sync.read()
        assert (told.complete, told.fleet.confirmed, told.fleet.unconfirmed) == (True, ("a",), ("b",))
        one, two = a.sync.get(ONE), a.sync.get(TWO)
        assert one is not None
        assert two is not None
        assert one.version <= told.everywhere < two.version


@on_virtual_time
async def test_a_look_up_without_the_store_says_so() -> None:
    """It ends within a second or so, and a suppression that is only here has no version."""
    async with fleet_of("a", "b") as fleet:
        a, _ = fleet.replicas
        fleet.store.hang()
        with pytest.raises(SharedStateAway):
            await a.sync.suppress(ONE, "Ines", "asked for it")
        told = await a.sync.read()
        assert (told.complete, told.everywhere, told.fleet.unconfirmed) == (False, 0, ("b",))
        found = a.sync.get(ONE)
        assert found is not None
        assert found.version == 0


@on_virtual_time
async def test_idle_replicas_are_not_forgotten() -> None:
    """They report again what they have carried out, before the store forgets them."""
    async with fleet_of("a", "b") as fleet:
        acting = asyncio.create_task(fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        await fleet.beats()
        await acting
        for _ in range(round(2 * SEEN_KEPT_MS / 1000 / REPORTED_AGAIN_S)):
            fleet.seconds += REPORTED_AGAIN_S
            await fleet.beats()
        told = await fleet.replicas[1].sync.read()
        assert told.fleet.unconfirmed == ()


@on_virtual_time
async def test_a_replica_that_knows_no_members_does_not_speak_for_them() -> None:
    """Before its first beat others may exist, so a suppression is confirmed for this replica only."""
    async with fleet_of("a", "b") as fleet:
        a, _ = fleet.replicas
        a.knows_members = False
        result = await a.sync.suppress(ONE, "Ines", "asked for it")
        assert (result.fleet.confirmed, result.fleet.only_here) == (("a",), True)
        told = await a.sync.read()
        assert not told.complete
        a.knows_members = True
        await fleet.beats()
        told = await a.sync.read()
        assert (told.complete, told.fleet.confirmed, told.fleet.only_here) == (True, ("a", "b"), False)
