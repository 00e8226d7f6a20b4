"""The ledger of whole gateways over gRPC: one call for each token, and few commands of the store."""

import asyncio
import re
from collections import Counter

import pytest

from tests.integration.fleet_world import FleetWorld, fleet_of
from tests.integration.world import dial, dials
from tests.shared_state.servers import Server

pytestmark = pytest.mark.timed
COUNT = 200
PRODUCERS, ROUNDS, LIST = 20, 5, 10


async def commands(fleet: FleetWorld) -> dict[str, int]:
    """Return how many commands of each kind the replicas have sent for client tokens."""
    counts: Counter[str] = Counter()
    for replica in fleet.replicas:
        scraped = await replica.gateway.admin.monitoring.metrics()
        assert scraped is not None
        for operation, count in re.findall(
            r'shared_state_duration_seconds_count{operation="(claim|settle|look_up)"} (\d+)',
            scraped[0].decode(),
        ):
            counts[operation] += int(count)
    return counts


async def test_tokens_go_to_connect_once_through_whole_gateways(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        first, second = fleet.replicas
        requests = dials(COUNT)
        at_once = await asyncio.gather(first.ask(*requests), second.ask(*requests))
        later = await second.ask(*requests)
        for results in (*at_once, later):
            assert {result.outcome for result in results} == {1}
        ids = [[result.dial_request_id for result in results] for results in (*at_once, later)]
        assert ids[0] == ids[1] == ids[2]
        assert all(result.replayed for result in later)
        assert set(fleet.dialed().values()) == {1}
        (other,) = await first.ask(dial(requests[0].client_token, phone_number="+12065550999"))
        assert (other.outcome, other.reason) == (2, 3)  # REJECTED, TOKEN_CONFLICT


async def _produce(fleet: FleetWorld, producer: int) -> list[int]:
    """Send lists of one producer to one replica, a quarter of a second apart; return the outcomes."""
    stream = fleet.replicas[producer % len(fleet.replicas)].stream()
    reading = asyncio.create_task(stream.rest())
    for number in range(ROUNDS):
        await stream.send(*dials(LIST, f"p{producer}-{number}"))
        await asyncio.sleep(0.25)
    await stream.finish()
    return [result.outcome for result in await reading]


async def test_producers_cost_few_commands_of_the_store(fleet_server: Server) -> None:
    """Twenty producers use 80% of the quota: 800 dial requests a second, 40 full calls a second."""
    async with fleet_of(3, fleet_server.url, call_rate=40.0) as fleet:
        await fleet.joined()
        outcomes = await asyncio.gather(*(_produce(fleet, producer) for producer in range(PRODUCERS)))
        sent = PRODUCERS * ROUNDS * LIST
        assert sum(map(len, outcomes)) == sent
        assert {outcome for each in outcomes for outcome in each} == {1}
        counts = await commands(fleet)
        assert counts["claim"] > 0
        assert sum(counts.values()) <= 0.15 * sent, dict(counts)
