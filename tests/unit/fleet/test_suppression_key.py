"""All replicas of a fleet hash phone numbers with one key."""

import asyncio
import logging

import pytest

from gateway.core.fleet.suppressions import Suppression
from gateway.fleet.membership import SharedStateAway
from gateway.fleet.suppression_key import PROPOSED_AFTER_S
from gateway.fleet.suppression_sync import StaleHashError
from gateway.shared_state.rules.suppressions import SuppressionsRules
from tests.unit.dispatch.test_dispatcher import turns
from tests.unit.fleet.suppression_fleet import ONE, TWO, Fleet, fleet_of


async def test_replicas_hash_with_the_key_of_the_fleet() -> None:
    """A replica without a key of its own takes the fleet's before it sends anything."""
    async with fleet_of("a") as fleet:
        late = await fleet.add("late", b"drawn by itself", fixed=False)
        assert late.key.key == b"key"
        assert late.sends()


async def test_a_new_fleet_takes_the_key_of_its_first_replica() -> None:
    """Nobody proposes a key for a second, since a replica that knows suppressions may have one in use."""
    fleet = Fleet()
    try:
        a = await fleet.add("a", b"drawn by a", fixed=False)
        b = await fleet.add("b", b"drawn by b", fixed=False)
        assert a.sends()  # nothing can be suppressed yet
        asking = asyncio.create_task(b.sync.keyed())
        await turns()
        assert not asking.done()
        fleet.seconds += PROPOSED_AFTER_S
        await asking
        await a.sync.keyed()
        assert a.key.key == b.key.key
    finally:
        for task in fleet.tasks:
            task.cancel()


async def test_the_key_in_use_comes_back_to_a_store_without_data() -> None:
    """A new replica that meets the empty store first takes the key of one that knows suppressions."""
    async with fleet_of("a") as fleet:
        (a,) = fleet.replicas
        a.beat()
        await a.sync.suppress(ONE, "Ines", "asked for it")
        fleet.store.flush()
        new = await fleet.add("new", b"drawn by itself", fixed=False)
        a.beat("2")
        await new.sync.keyed()
        assert new.key.key == b"key"
        await new.knows(ONE, "2")


async def test_a_replica_with_another_key_from_a_file_sends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its hashes would match no suppression, so it is suspended, says so once, and leaves the store alone."""
    async with fleet_of("a") as fleet:
        await fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it")
        with caplog.at_level(logging.ERROR):
            other = await fleet.add("other", b"of a file", fixed=True)
        assert not other.sends()
        assert "DIAL_GATEWAY_GUARD_KEY_FILE" in (other.sync.in_words() or "")
        assert len(caplog.records) == 1
        assert len(other.numbers) == 0


async def test_a_hash_with_the_former_key_is_taken_back() -> None:
    """The store was given another key since the last beat: nobody would find the number there."""
    async with fleet_of() as fleet:
        a = await fleet.add("a", b"drawn by a", fixed=False)
        fleet.seconds += PROPOSED_AFTER_S
        await a.sync.keyed()
        theirs = Suppression(TWO, "Ada", "asked for it", key=b"of another replica")
        fleet.store.rules.suppressions = SuppressionsRules()
        fleet.store.suppress(theirs)
        with pytest.raises(StaleHashError):
            await a.sync.suppress(ONE, "Ines", "asked for it")
        assert ONE not in a.numbers
        await a.sync.keyed()
        assert a.key.key == b"of another replica"
        await a.sync.suppress(ONE, "Ines", "asked for it")
        assert ONE in a.numbers
        assert a.sends()


def give_another_key(fleet: Fleet) -> None:
    """Empty the store, and have another replica give it its key."""
    fleet.store.rules.suppressions = SuppressionsRules()
    fleet.store.suppress(Suppression(b"number 3", "Ada", "asked for it", key=b"of another replica"))


async def test_all_hashes_with_the_former_key_are_taken_back() -> None:
    """Several at once do not keep each other's key alive, whichever is answered first."""
    async with fleet_of() as fleet:
        a = await fleet.add("a", b"drawn by a", fixed=False)
        fleet.seconds += PROPOSED_AFTER_S
        await a.sync.keyed()
        give_another_key(fleet)
        asked = [a.sync.suppress(number, "Ines", "asked for it") for number in (ONE, TWO, ONE)]
        refused = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in refused] == [StaleHashError] * 3
        assert ONE not in a.numbers
        assert TWO not in a.numbers
        await a.sync.keyed()
        assert a.key.key == b"of another replica"
        await asyncio.gather(*(a.sync.suppress(number, "Ines", "asked for it") for number in (ONE, TWO)))
        assert ONE in a.numbers
        assert TWO in a.numbers
        assert a.sends()


@pytest.mark.parametrize("is_away", [False, True])
async def test_a_hash_is_taken_back_if_the_key_changes_before_the_store_answers(is_away: bool) -> None:
    """It would be in force nowhere, also not here, even if the store cannot be reached any more."""
    async with fleet_of() as fleet:
        a = await fleet.add("a", b"drawn by a", fixed=False)
        fleet.seconds += PROPOSED_AFTER_S
        await a.sync.keyed()
        delayed, goes_on = asyncio.Event(), asyncio.Event()

        async def hold_up(command: str) -> None:
            if command == "suppress":
                delayed.set()
                await goes_on.wait()

        a.state.on_request = hold_up
        asking = asyncio.create_task(a.sync.suppress(ONE, "Ines", "asked for it"))
        await delayed.wait()
        assert ONE in a.numbers
        give_another_key(fleet)
        a.beat("2")
        await a.knows(b"number 3", "2")
        assert a.key.key == b"of another replica"
        a.state.partitioned = is_away
        goes_on.set()
        with pytest.raises(StaleHashError):
            await asking
        assert ONE not in a.numbers


async def test_a_replica_that_knows_other_suppressions_keeps_its_key() -> None:
    """The number stays suppressed in it, and it sends nothing: it cannot recognize those of the fleet."""
    async with fleet_of() as fleet:
        a = await fleet.add("a", b"drawn by a", fixed=False)
        fleet.seconds += PROPOSED_AFTER_S
        await a.sync.keyed()
        await a.sync.suppress(ONE, "Ines", "asked for it")
        give_another_key(fleet)
        asked = [a.sync.suppress(number, "Ines", "asked for it") for number in (TWO, b"number 4")]
        refused = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in refused] == [SharedStateAway] * 2
        assert TWO in a.numbers
        a.beat("2")
        await turns()
        assert not a.sends()


async def test_a_number_is_not_allowed_under_the_former_key() -> None:
    """ "It is not suppressed" would be untrue: the store has it under another hash."""
    async with fleet_of() as fleet:
        a = await fleet.add("a", b"drawn by a", fixed=False)
        fleet.seconds += PROPOSED_AFTER_S
        await a.sync.keyed()
        fleet.store.rules.suppressions = SuppressionsRules()
        fleet.store.suppress(Suppression(TWO, "Ada", "asked for it", key=b"of another replica"))
        with pytest.raises(StaleHashError):
            await a.sync.end(ONE, "Ines", "wants calls")
        await a.sync.keyed()
        assert a.key.key == b"of another replica"


async def test_with_a_key_of_a_file_the_number_stays_suppressed_here() -> None:
    async with fleet_of("a") as fleet:
        (a,) = fleet.replicas
        fleet.store.rules.suppressions = SuppressionsRules()
        fleet.store.suppress(Suppression(TWO, "Ada", "asked for it", key=b"of another file"))
        with pytest.raises(SharedStateAway):
            await a.sync.suppress(ONE, "Ines", "asked for it")
        assert ONE in a.numbers


async def test_after_a_loss_a_replica_agrees_on_the_key_again() -> None:
    """Others may have given the store another key, so an operator waits until this replica has read it."""
    async with fleet_of("a") as fleet:
        late = await fleet.add("late", b"drawn by itself", fixed=False)
        late.beat()
        await late.sync.keyed()
        fleet.store.flush()
        fleet.store.rules.suppressions = SuppressionsRules(key=b"of another replica")
        late.state.partitioned = True
        late.beat("2")
        asking = asyncio.create_task(late.sync.keyed())
        await turns()
        assert not asking.done()
        late.state.partitioned = False
        await asking
        assert late.key.key == b"of another replica"
