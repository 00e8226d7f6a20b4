"""Live suppressions of gateways that share a real Valkey or Redis."""

import asyncio
import time
from pathlib import Path

import pytest

from dialgateway import CallFailed, Confirmation, SuppressionLifetime
from gateway.compliance.number_hash import NumberHash
from tests.integration.fleet_world import Replica, fleet_of
from tests.integration.world import CAMPAIGN, PHONE, dial, dials, until, verdicts
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.operators import NAMES, client_of, dialctl
from tests.shared_state.servers import Server
from tests.stopwatch import Stopwatch

OTHER = "+12065550199"
REASON = "asked for it"
SUPPRESSED = "REJECTED SUPPRESSED NEVER"
OTHER_KEY = b"the key of another replica"
ALL = Confirmation(NAMES, (), only_here=False)


async def suppress(replica: Replica, number: str = PHONE) -> Confirmation | None:
    async with client_of(replica) as client:
        done = await client.suppress_number(number, REASON)
        assert done.lifetime is SuppressionLifetime.SHARED
        return done.confirmation


async def asked(replica: Replica, token: str, number: str = PHONE) -> list[str]:
    return verdicts(await replica.ask(dial(token, phone_number=number)))


async def keyed(replica: Replica) -> None:
    """Wait until a replica hashes with the key of its fleet."""
    fleet = replica.gateway.replica.fleet
    assert fleet is not None
    await fleet.suppressions.keyed()


def suppresses(replica: Replica) -> bool:
    return len(replica.gateway.guard.suppressions.live) > 0


@pytest.mark.timed
async def test_nothing_is_sent_to_a_number_on_any_replica_a_second_later(fleet_server: Server) -> None:
    """Under load on all replicas: no call with the number arrives later; other numbers go on."""
    async with fleet_of(3, fleet_server.url, call_rate=20.0, linger=0.0) as fleet:
        await fleet.joined()
        for number, replica in enumerate(fleet.replicas):
            stream = replica.stream()
            for first in range(0, 600, 100):
                await stream.send(*dials(50, f"no-{number}-{first}"))
                await stream.send(*dials(100, f"yes-{number}-{first}", phone_number=OTHER))
        journal = fleet.simulator.connect.journal
        await until(lambda: len(list(journal)) >= 10)
        watch = Stopwatch()
        assert await suppress(fleet.replicas[1]) == ALL
        assert watch.took_s < 1.0
        await asyncio.sleep(0.1)  # what left before arrives

        def sent(prefix: str) -> int:
            return sum(token.startswith(prefix) for call in journal for token in call.tokens)

        before, others = sent("no-"), sent("yes-")
        await asyncio.sleep(1.0)
        assert sent("no-") == before
        assert sent("yes-") > others


async def test_queued_requests_are_answered_on_all_replicas(fleet_server: Server) -> None:
    """They are answered without a permit, while their campaign is held."""
    async with fleet_of(3, fleet_server.url) as fleet:
        await fleet.joined()
        async with client_of(fleet.replicas[0]) as client:
            await client.hold_campaign(CAMPAIGN, "test")
        streams = [replica.stream() for replica in fleet.replicas]
        for number, stream in enumerate(streams):
            await stream.send(*dials(3, f"queued-{number}"))
        await fleet.certain()
        assert await suppress(fleet.replicas[2]) == ALL
        for stream in streams:
            assert verdicts(await stream.read(3)) == [SUPPRESSED] * 3
        assert not fleet.dialed()


async def test_a_suppression_outlives_all_replicas(fleet_server: Server) -> None:
    """The next generation has it before it sends anything, with the key that the store has kept."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        await suppress(fleet.replicas[0])
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        await fleet.certain()
        assert await asked(fleet.replicas[1], "no") == [SUPPRESSED]
        assert await asked(fleet.replicas[1], "yes", OTHER) == ["ACCEPTED"]
        async with client_of(fleet.replicas[1]) as client:
            assert (await client.suppress_number(PHONE, "again")).already_suppressed
            await client.allow_number(PHONE, "wants calls")
        assert await asked(fleet.replicas[0], "again") == ["ACCEPTED"]


async def test_a_replica_without_the_store_is_named_and_follows(fleet_server: Server) -> None:
    """The one that is cut off is named; asked itself, it suppresses at once, and tells the others later."""
    async with lossy_proxy_to(fleet_server.port) as proxy, fleet_of(2, fleet_server.url) as fleet:
        cut_off = await fleet.add("cut-off", shared_state_url=f"valkey://127.0.0.1:{proxy.port}")
        await fleet.joined()
        await keyed(cut_off)
        proxy.partitioned = True
        told = await suppress(fleet.replicas[0])
        assert told == Confirmation(NAMES[:2], ("cut-off",), only_here=False)
        assert not suppresses(cut_off)
        async with client_of(cut_off) as client:
            with pytest.raises(CallFailed, match="on this replica only") as failed:
                await client.suppress_number(OTHER, REASON)
            assert failed.value.reason == "SHARED_STATE_UNREACHABLE"
            with pytest.raises(CallFailed, match="stays suppressed"):
                await client.allow_number(OTHER, REASON)
        assert suppresses(cut_off)
        proxy.heal()
        lives = [replica.gateway.guard.suppressions.live for replica in fleet.replicas]
        await until(lambda: all(len(live) == 2 for live in lives))


async def test_a_flushed_store_gets_suppressions_and_key_back(fleet_server: Server) -> None:
    """Replicas record what they know again; a later replica refuses the number with the same hash."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        await suppress(fleet.replicas[0])
        with fleet_server.client() as client:
            client.flushall()
            await until(lambda: client.hlen("{dial-gateway}:suppressions:numbers") == 1)
        late = await fleet.add("late")
        await fleet.joined()
        assert suppresses(late)
        assert await asked(late, "no") == ["UNKNOWN SUPPRESSED SAME_TOKEN"]  # the loss left tokens in doubt
        assert not fleet.dialed()
        hashing = [replica.gateway.guard.hashing.of(PHONE) for replica in fleet.replicas]
        assert len(set(hashing)) == 1


async def test_a_store_that_was_given_another_key_gets_numbers_under_it(fleet_server: Server) -> None:
    """Replicas that have not noticed the loss of its data record no number under the former key."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        for replica in fleet.replicas:
            await keyed(replica)
        give_another_key(fleet_server, OTHER_KEY)
        await suppress(fleet.replicas[0])  # before its next beat, which would notice
        recorded = NumberHash(OTHER_KEY).of(PHONE)
        assert fleet_server.command("HEXISTS", "{dial-gateway}:suppressions:numbers", recorded)
        for number, replica in enumerate(fleet.replicas):
            assert await asked(replica, f"a-{number}") == ["UNKNOWN SUPPRESSED SAME_TOKEN"]
        assert not fleet.dialed()


async def test_several_numbers_at_once_are_recorded_under_the_other_key(fleet_server: Server) -> None:
    """None of them makes the replica keep its former key for the others' sake."""
    numbers = [f"+1206555{number:04}" for number in range(8)]
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        for replica in fleet.replicas:
            await keyed(replica)
        give_another_key(fleet_server, OTHER_KEY)
        await asyncio.gather(*(suppress(fleet.replicas[0], number) for number in numbers))
        hashes = [NumberHash(OTHER_KEY).of(number) for number in numbers]
        found = fleet_server.command("HMGET", "{dial-gateway}:suppressions:numbers", *hashes)
        assert isinstance(found, list)
        assert None not in found
        for number, replica in enumerate(fleet.replicas):
            assert await asked(replica, f"a-{number}", numbers[7]) == ["UNKNOWN SUPPRESSED SAME_TOKEN"]
            assert replica.gateway.guard.hashing.key == OTHER_KEY
        assert not fleet.dialed()


def give_another_key(server: Server, key: bytes) -> None:
    """Empty a store, and keep a key and a number in it, as another replica does that meets it first."""
    prefix, number_hash = "{dial-gateway}:suppressions:", b"8 bytes."
    version = time.time_ns() // 1_000_000
    with server.client() as client, client.pipeline() as commands:
        commands.flushall()
        commands.hset(f"{prefix}counters", "key", key)
        commands.hset(f"{prefix}numbers", number_hash, f'{version} {version} 0 ["Ada", "asked for it"]')
        commands.zadd(f"{prefix}order", {number_hash: version})
        commands.set(f"{prefix}version", version)
        commands.execute()


async def test_a_replica_with_another_key_of_a_file_sends_nothing(
    fleet_server: Server, tmp_path: Path
) -> None:
    """It could not recognize a suppressed number, so it is not ready and says why."""
    (tmp_path / "key").write_text("another key than that of the fleet")
    async with fleet_of(1, fleet_server.url) as fleet:
        await fleet.joined()
        await suppress(fleet.replicas[0])
        other = await fleet.add("other", guard_key_file=str(tmp_path / "key"))
        await fleet.joined()
        ready, words = other.shared_state
        assert not ready
        assert "DIAL_GATEWAY_GUARD_KEY_FILE" in words
        stream = other.stream()
        await stream.send(dial("waits", phone_number=OTHER))
        await asyncio.sleep(0.5)
        assert not fleet.dialed()


async def test_dialctl_names_the_replicas(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        code, out, err = await dialctl(fleet.replicas[0], "suppress", PHONE, "--reason", REASON)
        assert (code, err) == (0, "")
        assert "confirmed by gateway-0, gateway-1" in out
        code, out, _ = await dialctl(fleet.replicas[1], "allow", PHONE, "--reason", REASON)
        assert (code, "confirmed by gateway-0, gateway-1" in out) == (0, True)
        assert not any(map(suppresses, fleet.replicas))
