"""The model of the shared state has the outages of a real one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.core.fleet.messages import Claim, Claimed, ClaimVerdict, Settlement, TokenRecord, TokenState
from gateway.shared_state.port import SharedState, SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore
from gateway.shared_state.rules.rules import Rules


@dataclass
class Tokens:
    """A ledger that only remembers who claimed a token last."""

    by: dict[str, str] = field(default_factory=dict)
    fingerprint_key: bytes = b""

    def doubt(self, now_ms: int, for_ms: int) -> None:
        pass

    def in_doubt(self, now_ms: int) -> bool:
        return False

    def claim(
        self, now_ms: int, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        self.by |= {claim.client_token: member for claim in claims}
        return [Claimed(ClaimVerdict.CLAIMED) for _ in claims]

    def settle(self, now_ms: int, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        self.by.clear()

    def look_up(
        self, now_ms: int, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> dict[str, TokenRecord]:
        known = {token: self.by[token] for token in tokens if token in self.by}
        return {token: TokenRecord(TokenState.SENDING, "", member) for token, member in known.items()}

    def keep_key(self, new: bytes) -> bytes:
        return new


def store_of() -> ModelStore:
    """Make a store with that ledger, whose clock stands still."""
    return ModelStore(lambda: 0, Rules(ledger=Tokens()))


async def claim(state: SharedState, token: str) -> None:
    await state.claim("campaign", "a", ["a"], [Claim(token, "", 1)])


async def known(state: SharedState, *tokens: str) -> set[str]:
    return set(await state.look_up("campaign", ["a"], tokens))


async def test_replicas_share_a_store() -> None:
    """What one replica writes, another reads."""
    store = store_of()
    await claim(ModelState(store), "t")
    assert await known(ModelState(store), "t", "u") == {"t"}


async def test_a_killed_store_carries_nothing_out() -> None:
    """A killed store fails and forgets; after its start it has another replication history."""
    state = ModelState(store_of())
    await claim(state, "t")
    history = state.store.replication
    state.store.kill()
    with pytest.raises(SharedStateUnavailable):
        await claim(state, "u")
    state.store.start(Rules(ledger=Tokens()))
    assert await known(state, "t", "u") == set()
    assert state.store.replication != history


async def test_a_hung_store_carries_out_late_what_arrived() -> None:
    """An operation on a hung store fails, and is carried out once the store goes on."""
    state = ModelState(store_of())
    state.store.hang()
    with pytest.raises(SharedStateUnavailable):
        await claim(state, "t")
    state.store.resume()
    assert await known(state, "t") == {"t"}


async def test_a_read_only_store_reads() -> None:
    """A store that cannot write refuses a claim and still answers a look-up."""
    state = ModelState(store_of())
    await claim(state, "t")
    state.store.read_only = True
    with pytest.raises(SharedStateUnavailable):
        await claim(state, "u")
    assert await known(state, "t", "u") == {"t"}


async def test_a_fail_over_loses_writes() -> None:
    """After a fail-over to an older copy the newer writes are gone, and the history is another."""
    state = ModelState(store_of())
    await claim(state, "t")
    copy, history = state.store.snapshot(), state.store.replication
    await claim(state, "u")
    state.store.fail_over(copy)
    assert await known(state, "t", "u") == {"t"}
    assert state.store.replication != history


async def test_two_stores_after_a_split() -> None:
    """In a split brain each replica sees only what was written on its side."""
    here, there = ModelState(store_of()), ModelState(store_of())
    there.store = here.store.promoted(here.store.snapshot())
    await claim(here, "t")
    await claim(there, "u")
    assert await known(here, "t", "u") == {"t"}
    assert await known(there, "t", "u") == {"u"}
    assert here.store.replication != there.store.replication


async def test_a_lost_reply() -> None:
    """An operation whose reply is lost was carried out, and fails."""

    async def lose(operation: str) -> None:
        raise SharedStateUnavailable(f"the reply to {operation} is lost")

    store = store_of()
    with pytest.raises(SharedStateUnavailable, match="claim"):
        await claim(ModelState(store, on_reply=lose), "t")
    assert await known(ModelState(store), "t") == {"t"}


async def test_a_late_message_is_overtaken() -> None:
    """A message that waits is carried out after one that was sent later."""
    gate = asyncio.Event()

    async def wait(operation: str) -> None:
        await gate.wait()

    store = store_of()
    late = asyncio.create_task(claim(ModelState(store, on_request=wait), "t"))
    await ModelState(store).settle("campaign", "a", [])
    gate.set()
    await late
    assert await known(ModelState(store), "t") == {"t"}


async def test_a_partition() -> None:
    """A replica that is cut off reaches nothing; the others do."""
    store = store_of()
    cut_off, other = ModelState(store), ModelState(store)
    cut_off.partitioned = True
    with pytest.raises(SharedStateUnavailable):
        await claim(cut_off, "t")
    await claim(other, "u")
    assert await known(other, "t", "u") == {"u"}


async def test_a_store_without_a_part() -> None:
    """A store that has no ledger refuses claims."""
    with pytest.raises(SharedStateRefused):
        await claim(ModelState(ModelStore(lambda: 0, Rules())), "t")
