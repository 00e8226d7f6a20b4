"""Whole gateways over a real server that hangs, is full, is flushed, cannot write, or fails over.

In each outage dial requests go to two replicas before, during and after it, and then all again to the other
replica. No number is called twice, every answer is true, and the replicas are one fleet again at the end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.integration.fleet_world import FleetWorld, fleet_of
from tests.integration.world import dials, until, verdict
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.servers import Server, running_pair

COUNT = 30

Begin = Callable[[], object]


async def through_an_outage(fleet: FleetWorld, begin: Begin, end: Begin) -> None:
    """Dial before, during and after an outage, and everything again through the other replica.

    `begin` and `end` run in a thread: a server may take long to start, and the gateways must not stand still.
    """
    await fleet.joined()
    one, other = fleet.replicas
    results = [await each.ask(*dials(COUNT, f"before-{each.name}")) for each in (one, other)]
    await asyncio.to_thread(begin)
    during = [asyncio.create_task(each.ask(*dials(COUNT, f"during-{each.name}"))) for each in (one, other)]
    await asyncio.sleep(1.0)
    await asyncio.to_thread(end)
    results += await asyncio.gather(*during)
    await fleet.joined()
    results += [await each.ask(*dials(COUNT, f"after-{each.name}")) for each in (one, other)]
    assert_true(fleet, results)
    for number, each in enumerate((other, one)):  # now each through the replica that did not have them
        names = (one.name, other.name)[number]
        for phase in ("before", "during", "after"):
            assert_true(fleet, [await each.ask(*dials(COUNT, f"{phase}-{names}"))])
    assert max(fleet.dialed().values()) == 1


def assert_true(fleet: FleetWorld, results: list[list[pb.DialResult]]) -> None:
    """Every request has one answer, and only those are denied that Connect does not have."""
    dialed = fleet.dialed()
    for answers in results:
        assert len(answers) == COUNT
        for answer in answers:
            outcome = pb.Outcome.Name(answer.outcome)
            if outcome == "OUTCOME_ACCEPTED":
                assert dialed[answer.client_token] == 1
            elif outcome != "OUTCOME_UNKNOWN":
                assert dialed[answer.client_token] == 0, verdict(answer)


async def test_a_hung_server(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await through_an_outage(fleet, fleet_server.pause, fleet_server.resume)


@pytest.mark.timed
async def test_a_server_that_is_killed_and_starts_empty(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await through_an_outage(fleet, fleet_server.kill, fleet_server.start)


@pytest.mark.timed
async def test_a_flushed_server(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await through_an_outage(
            fleet, lambda: fleet_server.command("FLUSHALL"), lambda: fleet_server.command("SCRIPT", "FLUSH")
        )


@pytest.mark.timed
async def test_a_server_without_memory(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:

        def limit(size: str) -> Begin:
            return lambda: fleet_server.command("CONFIG", "SET", "maxmemory", size)

        await through_an_outage(fleet, limit("1"), limit("0"))


@pytest.mark.timed
async def test_a_server_that_cannot_write(program: str, tmp_path: Path) -> None:
    """It is made a replica of another server, and the primary again."""
    with running_pair(program, tmp_path) as pair:
        async with fleet_of(2, pair.primary.url) as fleet:
            await through_an_outage(fleet, pair.promote, pair.promote)


@pytest.mark.timed
async def test_a_failover_that_loses_writes(program: str, tmp_path: Path) -> None:
    """Replication is cut first, so the new primary lacks the last claims and settlements."""
    with running_pair(program, tmp_path, sentinel=True) as pair:
        async with fleet_of(2, pair.url) as fleet:
            await fleet.joined()
            pair.wait_for_replica()

            def fail_over() -> None:
                pair.cut_replication()
                pair.primary.kill()
                pair.replica.command("REPLICAOF", "NO", "ONE")
                assert pair.sentinel is not None
                pair.sentinel.command("SENTINEL", "REMOVE", "gateways")
                pair.sentinel.command("SENTINEL", "MONITOR", "gateways", "127.0.0.1", pair.replica.port, 1)

            await through_an_outage(fleet, fail_over, lambda: None)


@asynccontextmanager
async def behind_a_proxy(server: Server) -> AsyncIterator[tuple[FleetWorld, Begin, Begin]]:
    """Run two replicas, of which the second reaches the server through a proxy; yield how to cut it off."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(lossy_proxy_to(server.port))
        fleet = await stack.enter_async_context(fleet_of(1, server.url))
        await fleet.add("cut-off", shared_state_url=f"valkey://127.0.0.1:{proxy.port}")

        def cut() -> None:
            proxy.partitioned = True

        yield fleet, cut, proxy.heal


async def test_one_replica_cut_off(fleet_server: Server) -> None:
    loop = asyncio.get_running_loop()
    async with behind_a_proxy(fleet_server) as (fleet, cut, heal):

        def in_loop(change: Begin) -> Begin:
            return lambda: loop.call_soon_threadsafe(change)

        await through_an_outage(fleet, in_loop(cut), in_loop(heal))


async def test_a_replica_cut_off_stays_a_member_and_is_named_as_lost(fleet_server: Server) -> None:
    async with behind_a_proxy(fleet_server) as (fleet, cut, heal):
        await fleet.joined()
        one, other = fleet.replicas
        permits = other.gateway.engine.fleet_permits
        assert permits is not None
        await until(lambda: all(each.local_rate > 0.0 for each in permits.members))  # it has a part to keep
        cut()
        await until(lambda: one.shared_state == (True, "connected; 2 replicas, 1 of them lost"))
        await until(lambda: "unavailable for" in other.shared_state[1])
        assert other.shared_state[0]
        heal()
        await fleet.joined()


def test_servers_of_these_tests_keep_nothing(fleet_server: Server) -> None:
    """What a killed server has lost is really lost, or the tests above would show less."""
    fleet_server.command("SET", "a", "1")
    fleet_server.kill()
    fleet_server.start()
    assert fleet_server.command("DBSIZE") == 0
