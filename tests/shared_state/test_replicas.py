"""Gateways that share a real Valkey or Redis act as one, and report when they cannot."""

import logging

import pytest

from tests.integration.admin import scrape
from tests.integration.fleet_world import fleet_of
from tests.integration.test_metrics import documented
from tests.integration.world import dials, until, verdicts
from tests.ports import closed_port
from tests.shared_state.servers import Server

ACCEPTED = "ACCEPTED"


async def test_a_token_accepted_through_one_replica_is_replayed_by_another(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        one, other = fleet.replicas
        first = await one.ask(*dials(40))
        assert verdicts(first) == [ACCEPTED] * 40
        second = await other.ask(*dials(40))
        assert verdicts(second) == [ACCEPTED] * 40
        assert [result.dial_request_id for result in second] == [result.dial_request_id for result in first]
        assert set(fleet.dialed().values()) == {1}


async def test_readiness_follows_the_shared_state_in_words(
    fleet_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is logged once at its beginning and once at its end; a short one leaves a replica ready."""
    caplog.set_level(logging.INFO, "gateway")
    async with fleet_of(1, fleet_server.url, shared_state_longest_outage=2.0) as fleet:
        (replica,) = fleet.replicas
        await fleet.joined()
        assert replica.shared_state == (True, "connected; 1 replica")
        fleet_server.kill()
        await until(lambda: "unavailable for" in replica.shared_state[1])
        ready, words = replica.shared_state
        assert ready
        assert "refuses connections; this replica sends at its own part of the rate" in words
        await until(lambda: not replica.shared_state[0])
        assert "nothing is sent: the holds that were read last are too old" in replica.shared_state[1]
        fleet_server.start()
        await until(lambda: replica.shared_state == (True, "connected; 1 replica"))
    lines = [record.getMessage() for record in caplog.records if "shared state" in record.getMessage()]
    assert [line.partition(":")[0] for line in lines][:2] == [
        "the shared state is unavailable",
        "the shared state answers again",
    ]
    assert sum(line.startswith("the shared state is unavailable") for line in lines) == 1


async def test_without_a_first_reply_nothing_is_sent_and_the_gateway_is_not_ready() -> None:
    with closed_port() as port:
        async with fleet_of(1, f"valkey://127.0.0.1:{port}") as fleet:
            (replica,) = fleet.replicas
            stream = replica.stream()
            await stream.send(*dials(3))
            await until(lambda: "refuses connections" in replica.shared_state[1])
            ready, words = replica.shared_state
            assert not ready
            assert words.startswith("unavailable since the start: ")
            assert words.endswith("nothing is sent before it has answered once")
            assert fleet.dialed().total() == 0


async def test_what_waited_for_the_first_reply_is_sent_after_it(fleet_server: Server) -> None:
    fleet_server.kill()
    async with fleet_of(1, fleet_server.url) as fleet:
        stream = fleet.replicas[0].stream()
        await stream.send(*dials(3))
        fleet_server.start()
        await stream.finish()
        assert verdicts(await stream.rest()) == [ACCEPTED] * 3


async def test_a_replica_that_leaves_is_no_member_any_more(fleet_server: Server) -> None:
    async with fleet_of(1, fleet_server.url) as fleet:
        leaving = await fleet.add("leaving")
        await fleet.joined()
        await leaving.gateway.stop(1.0)
        fleet.replicas.remove(leaving)
        await fleet.joined()
        metrics = await fleet.replicas[0].metrics()
        assert metrics["dial_gateway_fleet_members"] == 1
        assert metrics["dial_gateway_fleet_members_lost"] == 0


async def test_the_metrics_of_a_fleet_have_true_values(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        one = fleet.replicas[0]
        await one.ask(*dials(50))
        metrics = await one.metrics()
        assert metrics["dial_gateway_fleet_members"] == 2
        assert metrics["dial_gateway_shared_state_connected"] == 1
        assert metrics["dial_gateway_shared_state_outage_seconds"] == 0
        assert metrics["dial_gateway_fleet_solo"] == 0
        assert metrics["dial_gateway_permits_granted_total"] >= 2
        assert metrics["dial_gateway_fleet_settings_differ"] == 0
        fleet_server.kill()
        await until(lambda: "unavailable for" in one.shared_state[1])
        metrics = await one.metrics()
        assert metrics["dial_gateway_shared_state_connected"] == 0
        assert metrics["dial_gateway_shared_state_outage_seconds"] > 0
        assert metrics["dial_gateway_fleet_beats_missed_total"] >= 3


async def test_the_documented_metrics_of_a_fleet_are_exported(fleet_server: Server) -> None:
    async with fleet_of(1, fleet_server.url) as fleet:
        await fleet.joined()
        await fleet.replicas[0].ask(*dials(3))
        fleet_server.kill()
        await until(lambda: "unavailable for" in fleet.replicas[0].shared_state[1])
        exported = (await scrape(fleet.replicas[0].gateway.admin_port)).names()
    expected = documented(fleet=True)
    del expected["dial_gateway_shared_state_certificate_not_after_timestamp_seconds"]  # test_certificates.py
    assert {name: exported.get(name) for name in expected} == expected
    assert not exported.keys() - expected.keys() - documented().keys() - {"target_info"}


async def test_replicas_with_different_quotas_say_so_and_keep_the_lower(
    fleet_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet_of(1, fleet_server.url) as fleet:
        await fleet.add("other", call_rate=40.0)
        await fleet.joined()
        one = fleet.replicas[0]
        await until(lambda: "fleet" in one.gateway.admin.monitoring.readiness().notes)
        assert "call_rate" in one.gateway.admin.monitoring.readiness().notes["fleet"]
        assert (await one.metrics())["dial_gateway_fleet_settings_differ"] == 1
        assert one.gateway.engine.call_rate_ceiling == 40.0
    assert any("DIFFERENT SETTINGS" in record.getMessage() for record in caplog.records)
