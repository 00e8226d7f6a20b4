"""Two dispatchers share the ledger of a real server, with one Connect in memory, in real time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.connect.fake import FakeConnect
from gateway.core.campaigns.holds import Hold
from gateway.core.engine import Limits
from tests.shared_state.lossy_proxy import LossyProxy, lossy_proxy_to
from tests.shared_state.servers import Server
from tests.shared_state.states import state_at
from tests.stopwatch import Stopwatch
from tests.unit.fleet.replicas import PHONE, Owner, Replica, make_replica, run

pytestmark = pytest.mark.timed
PATIENT_S, HASTY_S = 5.0, 0.25
"""The time limit of commands: long, or short for tests in which the server does not answer."""
SOON_S = 10.0
"""Seconds in which something happens that takes milliseconds on a quiet machine."""
TOKENS = [f"t{number}" for number in range(500)]
ACCEPTED = ["ACCEPTED NONE"] * len(TOKENS)


@dataclass
class Fleet:
    """Two replicas; a proxy is between the first and the server."""

    server: Server
    proxy: LossyProxy
    connect: FakeConnect
    live: list[str]
    a: Replica
    b: Replica

    @property
    def sent(self) -> list[str]:
        """The tokens that went to Connect, in order, with repetitions."""
        return [token for _, tokens in self.connect.calls for token in tokens]

    def commands(self) -> int:
        """Return how many scripts the server has run."""
        client = self.server.client()
        stats = client.info("commandstats")
        client.close()
        assert isinstance(stats, dict)
        return sum(stats[name]["calls"] for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats)


@asynccontextmanager
async def fleet_at(server: Server, *, timeout_s: float = PATIENT_S, **limits: float) -> AsyncIterator[Fleet]:
    """Run two replicas at a server."""
    connect, live = FakeConnect(), ["a", "b"]
    settings = Limits(**{"call_rate": 0.0, "linger_s": 0.02, **limits})  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(lossy_proxy_to(server.port))
        urls = {"a": f"valkey://127.0.0.1:{proxy.port}/0", "b": server.url}
        replicas = []
        for name, url in urls.items():
            state = await stack.enter_async_context(state_at(url, name, timeout_s=timeout_s))
            replica = make_replica(name, state, connect, time.monotonic, lambda: live, settings, timeout_s)
            replicas.append(replica)
        await stack.enter_async_context(run(*replicas))
        yield Fleet(server, proxy, connect, live, *replicas)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def answered(*owners: Owner, count: int = len(TOKENS)) -> None:
    """Wait until each caller has so many answers."""
    await until(lambda: all(len(owner.told) >= count for owner in owners))


async def warm(fleet: Fleet) -> None:
    """Let both replicas connect and load the scripts."""
    owners = [replica.send(f"warm-{name}") for name, replica in (("a", fleet.a), ("b", fleet.b))]
    await answered(*owners, count=1)
    await settled(fleet)
    fleet.connect.calls.clear()


async def reached(replica: Replica) -> None:
    """Wait until a replica is connected again, and has examined the server if that is a new one."""
    async with asyncio.timeout(SOON_S):
        while await replica.claims.look_up("c", ["unused"]) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def again(replica: Replica) -> list[str]:
    """Send the tokens of a held campaign again; return the outcomes, which the server knows."""
    owner = replica.send(*TOKENS)
    await answered(owner)
    return owner.outcomes


async def settled(fleet: Fleet) -> None:
    """Wait until all results are recorded."""
    for replica in (fleet.a, fleet.b):
        async with asyncio.timeout(SOON_S):
            await replica.claims.written()


async def test_tokens_accepted_through_one_replica_need_no_call_through_another(fleet_server: Server) -> None:
    async with fleet_at(fleet_server) as fleet:
        await warm(fleet)
        first = fleet.a.send(*TOKENS)
        await answered(first)
        await settled(fleet)
        second = fleet.b.send(*TOKENS)
        await answered(second)
        assert first.outcomes == second.outcomes == ACCEPTED
        assert sorted(fleet.sent) == sorted(TOKENS)
        assert all(one.answer.replayed for one in second.told)


async def test_tokens_sent_to_two_replicas_at_once_go_to_connect_once(fleet_server: Server) -> None:
    async with fleet_at(fleet_server) as fleet:
        await warm(fleet)
        first, second = fleet.a.send(*TOKENS), fleet.b.send(*reversed(TOKENS))
        await answered(first, second)
        assert first.outcomes == second.outcomes == ACCEPTED
        assert sorted(fleet.sent) == sorted(TOKENS)
        ids = [
            {one.client_token: one.answer.dial_request_id for one in owner.told} for owner in (first, second)
        ]
        assert ids[0] == ids[1]


async def test_another_number_is_a_conflict_on_the_other_replica(fleet_server: Server) -> None:
    async with fleet_at(fleet_server) as fleet:
        await warm(fleet)
        await answered(fleet.a.send("t"), count=1)
        await settled(fleet)
        other, same = fleet.b.send("t", phone=PHONE + "0"), fleet.b.send("t")
        await answered(other, count=1)
        assert other.outcomes == ["REJECTED TOKEN_CONFLICT"]
        assert fleet.sent == ["t"]
        assert same.outcomes in ([], ["REJECTED TOKEN_CONFLICT"])


async def test_a_call_of_25_takes_few_commands(fleet_server: Server) -> None:
    """Look-ups, claims and settlements: at most 0.15 commands for each dial request."""
    async with fleet_at(fleet_server, call_rate=40.0, call_burst=10.0) as fleet:
        await warm(fleet)
        before = fleet.commands()
        owners = [
            (fleet.a, fleet.b)[part % 2].send(*TOKENS[part * 5 : part * 5 + 5])
            for part in range(len(TOKENS) // 5)
        ]
        await answered(*owners, count=5)
        await settled(fleet)
        commands = fleet.commands() - before
        assert len(fleet.sent) == len(TOKENS)
        assert commands <= 0.15 * len(TOKENS), f"{commands / len(TOKENS):.3f} commands for each dial request"


async def test_a_hung_server_delays_answers_by_a_second_and_makes_none_untrue(fleet_server: Server) -> None:
    async with fleet_at(fleet_server, timeout_s=HASTY_S) as fleet:
        await warm(fleet)
        fleet.a.claims.seen("epoch", [])
        await fleet.b.dispatcher.campaign_actions.hold("c", Hold("ops", "", 0.0, answering=True))
        fleet_server.pause()
        watch = Stopwatch()
        sent, held = fleet.a.send(*TOKENS), fleet.b.send(*TOKENS)
        await answered(sent, held)
        took_s = watch.took_s
        fleet_server.resume()
        assert took_s < 3.0
        assert sent.outcomes == ACCEPTED
        assert held.outcomes == ["UNKNOWN HELD"] * len(TOKENS)
        await settled(fleet)
        await reached(fleet.b)
        fleet.b.claims.seen("epoch", [])  # its next beat is answered
        async with asyncio.timeout(SOON_S):
            while await again(fleet.b) != ACCEPTED:  # a reply may still be late
                pass
        assert sorted(fleet.sent) == sorted(TOKENS)


async def test_a_killed_server_gets_the_results_after_its_start(fleet_server: Server) -> None:
    async with fleet_at(fleet_server) as fleet:
        await warm(fleet)
        fleet_server.kill()
        owner = fleet.a.send("t")
        await answered(owner, count=1)
        assert owner.outcomes == ["ACCEPTED NONE"]
        assert fleet.a.claims.waiting > 0
        fleet_server.start()
        await settled(fleet)
        await reached(fleet.b)
        fleet.b.claims.seen("epoch", [])  # its next beat is answered
        again = fleet.b.send("t")
        await answered(again, count=1)
        assert again.told[0].answer.replayed


async def test_claims_whose_replies_are_lost_leave_the_tokens_in_doubt(fleet_server: Server) -> None:
    async with fleet_at(fleet_server, timeout_s=HASTY_S, max_attempts=1) as fleet:
        await warm(fleet)
        fleet.proxy.lose_replies = True
        owner = fleet.a.send("t")
        await answered(owner, count=1)
        assert owner.outcomes == ["ACCEPTED NONE"]
        fleet.live.remove("a")
        await fleet.b.dispatcher.campaign_actions.hold("c", Hold("ops", "", 0.0, answering=True))
        other = fleet.b.send("t")
        await answered(other, count=1)
        assert other.outcomes[0] in {"UNKNOWN HELD", "ACCEPTED NONE"}  # its settlement may have been run
        fleet.proxy.heal()
        fleet.proxy.cut()
        await settled(fleet)
        again = fleet.b.send("t")
        await answered(again, count=1)
        assert again.outcomes == ["ACCEPTED NONE"]


async def test_the_tokens_of_a_replica_that_died_in_its_call_are_sent_in_doubt(fleet_server: Server) -> None:
    async with fleet_at(fleet_server) as fleet:
        await warm(fleet)
        hanging = asyncio.Event()
        fleet.connect.script.append(hanging)
        fleet.a.send("t")
        await until(lambda: fleet.sent == ["t"])
        second = fleet.b.send("t")
        await asyncio.sleep(0.5)
        assert second.told == []
        assert fleet.sent == ["t"]
        fleet.live.remove("a")
        await answered(second, count=1)
        assert second.outcomes == ["ACCEPTED NONE"]
        assert fleet.sent == ["t", "t"]
        hanging.set()


async def test_a_server_without_its_scripts_loads_them_again(fleet_server: Server) -> None:
    async with fleet_at(fleet_server) as fleet:
        await warm(fleet)
        fleet_server.command("SCRIPT", "FLUSH")
        first = fleet.a.send("t")
        await answered(first, count=1)
        await settled(fleet)
        second = fleet.b.send("t")
        await answered(second, count=1)
        assert second.told[0].answer.replayed
