"""Contacts that the shared state loses are written again, and until then nothing is sent under limits."""

import asyncio
import math

import pytest

from gateway.core.claims.doubts import WRITE_AGAIN_S
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.fleet.messages import Claim, Claimed, ClaimVerdict, Settlement
from gateway.fleet.counted_contacts import AT_ONCE, RECENT_S, CountedContacts
from gateway.shared_state.rules.contacts import ContactRules
from tests.unit.fleet.ledger_world import World, turns

ONCE = ContactLimit("once", 1, 600.0)
COUNTED = Claimed(ClaimVerdict.CLAIMED, count=ContactCount())
FULL = Claimed(ClaimVerdict.CLAIMED, count=ContactCount(ONCE, 1.0))


def claim(token: str, number: int = 1) -> Claim:
    """Return the claim of a call to one person."""
    return Claim(token, "fingerprint", number, Contact(b"person", token.encode(), (ONCE,)))


def withdrawal(token: str, number: int = 1) -> tuple[str, Settlement]:
    contact = claim(token).contact
    return "campaign", Settlement(token, "fingerprint", number, None, withdrawn=contact)


def kept(world: World) -> int:
    """Return how many contacts the store has."""
    contacts = world.store.rules.contacts
    assert isinstance(contacts, ContactRules)
    return sum(len(numbered.contacts) for numbered in contacts.numbers.values())


async def counted(world: World, token: str) -> ContactCount | None:
    """Claim a call; return what was counted."""
    verdicts = await world.claims.claim("campaign", [claim(token)])
    assert verdicts is not None
    return verdicts[0].count


def lost_at_ms(world: World) -> int:
    contacts = world.store.rules.contacts
    assert isinstance(contacts, ContactRules)
    return contacts.lost_at_ms


async def test_contacts_are_written_again_after_a_failover() -> None:
    """Until then, and until all replicas have done so, the core must not trust the store."""
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    assert world.ledger.contacts_known_from == -math.inf
    copy = world.store.snapshot()
    assert await world.claims.claim("campaign", [claim("t")]) is not None
    world.store.fail_over(copy)
    assert await world.claims.claim("campaign", [claim("u")]) is None
    assert world.ledger.contacts_known_from == math.inf
    await turns()
    assert world.ledger.contacts_known_from == world.now + WRITE_AGAIN_S
    assert await counted(world, "u") == ContactCount(ONCE, 600.0)
    assert kept(world) == 1
    writer.cancel()


async def test_a_withdrawn_contact_is_not_written_again() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await world.claims.claim("campaign", [claim("t")])
    world.claims.settle([withdrawal("t")])
    await turns()
    assert kept(world) == 0
    world.store.fail_over(world.store.snapshot())
    world.claims.seen("two", [])
    await turns()
    assert kept(world) == 0
    writer.cancel()


async def test_a_flush_makes_limits_full_for_their_period() -> None:
    """This holds also if the replica that notices the flush has counted nothing itself."""
    world = World()
    world.ledger.has_limits = True
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    world.store.flush()
    world.claims.seen("two", [])
    await turns()
    assert lost_at_ms(world) == world.now * 1000
    assert await counted(world, "t") == ContactCount(ONCE, 600.0, lost=True)
    writer.cancel()


async def test_a_flush_without_limits_notes_nothing() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    world.store.flush()
    world.claims.seen("two", [])
    await turns()
    assert lost_at_ms(world) == 0
    writer.cancel()


@pytest.mark.parametrize(("pause_s", "is_lost"), [(RECENT_S - 5.0, False), (RECENT_S + 5.0, True)])
async def test_a_store_with_old_data_is_noticed(pause_s: float, *, is_lost: bool) -> None:
    """After a start from a dump, contacts that replicas no longer keep are lost: limits count as full."""
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    old = world.store.snapshot()
    await world.claims.claim("campaign", [claim("t")])
    world.now += pause_s
    await world.claims.claim("campaign", [claim("other")])
    world.store.start(old)
    world.claims.seen("two", [])
    await turns()
    assert (lost_at_ms(world) > 0) == is_lost
    writer.cancel()


async def test_after_an_outage_a_new_replica_waits_until_the_others_have_written() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [], epoch_age_s=0.5)
    await turns()
    assert world.ledger.contacts_known_from == world.now + WRITE_AGAIN_S - 0.5
    writer.cancel()


async def test_contacts_are_written_again_when_the_store_is_back() -> None:
    world = World()
    writer = asyncio.create_task(world.claims.run())
    world.claims.seen("one", [])
    await turns()
    copy = world.store.snapshot()
    await world.claims.claim("campaign", [claim("t")])
    world.store.fail_over(copy)
    world.fails = True
    world.claims.seen("two", [])
    await turns()
    assert world.ledger.contacts_known_from == math.inf
    world.fails = False
    await world.after_pause()
    assert kept(world) == 1
    assert world.ledger.contacts_known_from == world.now + WRITE_AGAIN_S
    writer.cancel()


# --- what is kept ---------------------------------------------------------------------------------------


def test_only_what_was_counted_is_kept_and_the_last_count_of_a_call() -> None:
    contacts = CountedContacts()
    contacts.counted(0.0, [claim("a"), claim("b"), Claim("c", "f", 1)], [COUNTED, FULL, COUNTED])
    contacts.counted(1.0, [claim("a", 2)], [COUNTED])
    contacts.settled([withdrawal("a", 1), withdrawal("z")])
    contacts.may_be_lost()
    covered_s, part = contacts.take(3.0)
    assert covered_s == math.inf
    assert [(one.number, one.age_ms) for one in part] == [(2, 2_000)]


def test_many_contacts_are_written_in_several_commands() -> None:
    contacts = CountedContacts()
    claims = [claim(str(number)) for number in range(AT_ONCE + 1)]
    contacts.counted(0.0, claims, [COUNTED] * len(claims))
    contacts.may_be_lost()
    sizes = []
    while contacts.must_restore:
        sizes.append(len(contacts.take(0.0)[1]))
        contacts.restored()
    assert sizes == [AT_ONCE, 1]


def test_old_contacts_and_too_many_are_forgotten() -> None:
    contacts = CountedContacts(limit=2)
    for second in range(4):
        contacts.counted(float(second), [claim(str(second))], [COUNTED])
    contacts.may_be_lost()
    assert contacts.take(10.0)[0] == 9.0
    contacts.counted(RECENT_S + 3.5, [claim("new")], [COUNTED])
    assert len(contacts) == 3  # one, and two to be written again


async def test_whether_a_contact_has_room_is_not_known_until_lost_contacts_are_written_again() -> None:
    """A dry run must not say that a number may be called while the store does not know all calls to it."""
    world = World()
    looked_at = [Contact(b"person", b"t", (ONCE,))]
    world.claims.seen("one", [], epoch_age_s=0.5)  # others may not have written their contacts yet
    world.now += WRITE_AGAIN_S - 0.6
    assert await world.claims.look_at_contacts(looked_at) is None
    world.now += 0.1
    assert await world.claims.look_at_contacts(looked_at) == [ContactCount()]
    await counted(world, "u")
    counts = await world.claims.look_at_contacts(looked_at)
    assert counts is not None
    assert counts[0].full == ONCE
    world.fails = True
    assert await world.claims.look_at_contacts(looked_at) is None
    world.fails = False
    world.claims.seen("two", [])
    assert await world.claims.look_at_contacts(looked_at) is None
