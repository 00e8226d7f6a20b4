"""Contact limits of whole gateways over gRPC, with a real server: they outlive processes, and fail closed."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dialgateway import DialCheck, DialCheckVerdict, DialGatewayClient, DialRequest, Reason
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.cli import main
from gateway.shared_state.startup_check import NO_FILE
from tests.files import put
from tests.integration.fleet_world import FleetWorld, Replica, fleet_of
from tests.integration.world import CAMPAIGN, PHONE, Caller, dials, until, verdict
from tests.shared_state.servers import Server

RULES = f"""version: 1
unmatched: allow
limits: {{calls: {{calls: 3, period: 1h}}}}
rules:
  - {{name: debts, campaigns: [{CAMPAIGN}, campaign-b], hours: always, numbers: e164, limits: [calls]}}
"""
FREE = "campaign-free"
OTHER = "+12065550199"
FULL = "NOT_ACCEPTED CONTACT_LIMIT SAME_TOKEN"
IN_DOUBT = "UNKNOWN CONTACT_LIMIT SAME_TOKEN"
"""After an outage: other replicas may have sent the token meanwhile."""


def limited(folder: Path, text: str = RULES, *, key: bool = True) -> dict[str, Any]:
    """Write a guard file; return the settings that name it, and a key file unless the fleet keeps a key."""
    rules, secret = folder / "guard.yaml", folder / "key"
    put(rules, text)
    secret.write_text("a secret of the fleet, long enough\n")
    return {"guard_file": str(rules), "guard_key_file": str(secret) if key else None}


def counts(results: list[pb.DialResult]) -> dict[str, int]:
    """Return how often each verdict was given."""
    named = [verdict(result) for result in results]
    return {name: named.count(name) for name in set(named)}


async def asked(
    replica: Replica, prefix: str, count: int = 5, campaign: str = CAMPAIGN
) -> list[pb.DialResult]:
    """Send dial requests for one number through a replica."""
    return await replica.ask(*dials(count, prefix), campaign=campaign)


async def test_a_limit_is_shared_by_campaigns_and_replicas(fleet_server: Server, tmp_path: Path) -> None:
    """Of many requests at once exactly as many are sent as have room; the rest learns when there is room."""
    async with fleet_of(2, fleet_server.url, **limited(tmp_path)) as fleet:
        await fleet.joined()
        await fleet.certain()
        one, two = fleet.replicas
        both = await asyncio.gather(asked(one, "a"), asked(two, "b", campaign="campaign-b"))
        results = [result for each in both for result in each]
        assert counts(results) == {"ACCEPTED": 3, FULL: 7}
        assert fleet.dialed().total() + fleet.dialed("campaign-b").total() == 3
        refused = next(result for result in results if verdict(result) == FULL)
        assert refused.detail == "rule debts: limits: calls: at most 3 calls in 3,600 s"
        assert 3_500 < refused.retry_after.seconds <= 3_600
        assert counts(await two.ask(*dials(2, "c", phone_number=OTHER))) == {"ACCEPTED": 2}
        assert counts(await asked(one, "free", campaign=FREE)) == {"ACCEPTED": 5}


async def test_emails_count_under_no_limit(fleet_server: Server, tmp_path: Path) -> None:
    """In a call of calls, texts and e-mails, a limit of calls to a number counts only its own channel."""
    by_channel = RULES.replace("hours:", "channels: [telephony, email], hours:")
    async with fleet_of(1, fleet_server.url, connect_api="v2", **limited(tmp_path, by_channel)) as fleet:
        await fleet.joined()
        await fleet.certain()
        requests = [*dials(5, "call"), *dials(4, "text"), *dials(4, "mail", phone_number="")]
        for request in requests[5:9]:
            request.sms.SetInParent()
        for request in requests[9:]:
            request.email.destination_address = "ada@example.com"
        results = await fleet.replicas[0].ask(*requests)
        assert counts(results[:5]) == {"ACCEPTED": 3, FULL: 2}
        assert counts(results[5:]) == {"ACCEPTED": 8}


async def test_a_limit_outlives_the_processes(fleet_server: Server, tmp_path: Path) -> None:
    """Contacts count after all processes have ended, also if the store keeps the key of hashes."""
    settings = limited(tmp_path, key=False)
    async with fleet_of(1, fleet_server.url, **settings) as fleet:
        assert counts(await asked(fleet.replicas[0], "a", 3)) == {"ACCEPTED": 3}
    async with fleet_of(1, fleet_server.url, **settings) as fleet:
        await fleet.certain()
        assert counts(await asked(fleet.replicas[0], "b", 1)) == {FULL: 1}
        assert not fleet.dialed()


async def checked(replica: Replica, *phones: str, expires_in: float = 120.0) -> list[DialCheck]:
    """Check a dial request for each number."""
    expiration = datetime.now(UTC) + timedelta(seconds=expires_in)
    requests = [DialRequest(f"check-{at}", phone, expiration) for at, phone in enumerate(phones)]
    async with DialGatewayClient(f"127.0.0.1:{replica.port}") as client:
        return list((await client.check_dial_requests(CAMPAIGN, requests)).checks)


async def test_a_check_tells_whether_limits_have_room(fleet_server: Server, tmp_path: Path) -> None:
    """It counts nothing, whichever replica is asked and however often. Without the store nobody knows."""
    async with fleet_of(2, fleet_server.url, **limited(tmp_path)) as fleet:
        await fleet.joined()
        await fleet.certain()
        one, two = fleet.replicas
        assert counts(await asked(one, "a", 2)) == {"ACCEPTED": 2}
        for _ in range(3):
            (free,) = await checked(two, PHONE)
            assert (free.verdict, free.reason) == (DialCheckVerdict.SEND, Reason.UNSPECIFIED)
        assert counts(await asked(one, "b", 1)) == {"ACCEPTED": 1}
        full, other = await checked(two, PHONE, OTHER)
        assert (full.verdict, full.reason) == (DialCheckVerdict.NOT_ACCEPT, Reason.CONTACT_LIMIT)
        assert full.detail == "rule debts: limits: calls: at most 3 calls in 3,600 s"
        assert full.not_before is not None
        assert 3_500 < (full.not_before - datetime.now(UTC)).total_seconds() <= 3_600
        assert other.verdict is DialCheckVerdict.SEND
        (waits,) = await checked(two, PHONE, expires_in=7_200.0)
        assert (waits.verdict, waits.reason) == (DialCheckVerdict.WAIT, Reason.CONTACT_LIMIT)
        fleet_server.kill()
        (unknown,) = await checked(two, OTHER)
        assert (unknown.verdict, unknown.reason) == (DialCheckVerdict.WAIT, Reason.CONTACT_LIMIT)
        assert unknown.detail.startswith("limits: the shared state does not tell")


async def test_an_observed_limit_refuses_nothing(fleet_server: Server, tmp_path: Path) -> None:
    text = RULES.replace("limits: [calls]", "limits: [calls], observe: true")
    async with fleet_of(1, fleet_server.url, **limited(tmp_path, text)) as fleet:
        assert counts(await asked(fleet.replicas[0], "a")) == {"ACCEPTED": 5}
        decisions = fleet.replicas[0].gateway.guard.decisions
        observed = {one.reason.name: n for one, n in decisions.items() if one.decision.value == "observed"}
        assert observed == {"CONTACT_LIMIT": 2}
        (check,) = await checked(fleet.replicas[0], PHONE)
        assert check.verdict is DialCheckVerdict.SEND
        assert [one.reason for one in check.observed] == [Reason.CONTACT_LIMIT]


async def waiting(replica: Replica, prefix: str) -> Caller:
    """Send one dial request, and let it wait."""
    stream = replica.stream()
    await stream.send(*dials(1, prefix))
    await until(lambda: replica.gateway.engine.outstanding == 1)
    return stream


async def lost(fleet: FleetWorld) -> None:
    """Wait until the replicas have noticed that the store does not answer."""
    await until(lambda: not any(each.shared_state[1].startswith("connected") for each in fleet.replicas))


async def test_without_the_store_only_requests_without_limits_are_sent(
    fleet_server: Server, tmp_path: Path
) -> None:
    """When it is back without its data, earlier calls are not known, and limits count as full."""
    async with fleet_of(1, fleet_server.url, **limited(tmp_path)) as fleet:
        await fleet.joined()
        (replica,) = fleet.replicas
        assert counts(await asked(replica, "before", 1)) == {"ACCEPTED": 1}
        fleet_server.kill()
        await lost(fleet)
        stream = await waiting(replica, "limited")
        assert counts(await asked(replica, "free", campaign=FREE)) == {"ACCEPTED": 5}
        assert fleet.dialed().total() == 1
        fleet_server.start()
        await stream.finish()
        (result,) = await stream.rest()
        assert verdict(result) == IN_DOUBT
        assert "not known" in result.detail
        assert fleet.dialed().total() == 1


async def test_a_store_that_keeps_its_data_goes_on_counting(fleet_server: Server, tmp_path: Path) -> None:
    fleet_server.command("CONFIG", "SET", "appendonly", "yes")
    fleet_server.options = {**fleet_server.options, "appendonly": "yes"}
    async with fleet_of(1, fleet_server.url, **limited(tmp_path)) as fleet:
        await fleet.joined()
        (replica,) = fleet.replicas
        assert counts(await asked(replica, "before", 2)) == {"ACCEPTED": 2}
        fleet_server.terminate()
        await lost(fleet)
        fleet_server.start()
        assert counts(await asked(replica, "after", 2)) == {"ACCEPTED": 1, IN_DOUBT: 1}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set a guard file with limits for a gateway without a shared state, and no AWS account."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("DIAL_GATEWAY_SHARED_STATE_URL", raising=False)
    monkeypatch.setenv("DIAL_GATEWAY_GUARD_FILE", limited(tmp_path)["guard_file"])


NEEDS = "rules[0].limits: needs a shared state, since limits must outlive the process"


@pytest.mark.usefixtures("alone")
def test_a_limit_without_a_shared_state_ends_the_start(capfd: pytest.CaptureFixture[str]) -> None:
    assert main.main(["serve", "--simulator"]) == main.WRONG_USAGE
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("dial-gateway: DIAL_GATEWAY_GUARD_FILE: ")
    assert NEEDS in line
    assert "DIAL_GATEWAY_SHARED_STATE_URL" in line


@pytest.mark.usefixtures("alone")
def test_the_check_says_that_a_limit_needs_a_shared_state(capfd: pytest.CaptureFixture[str]) -> None:
    main.main(["check"])
    assert NEEDS in capfd.readouterr().out


@pytest.mark.usefixtures("alone")
def test_the_check_warns_of_a_store_that_forgets_calls(
    fleet_server: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAL_GATEWAY_SHARED_STATE_URL", fleet_server.url)
    main.main(["check"])
    assert NO_FILE in " ".join(capfd.readouterr().out.split())
    fleet_server.command("CONFIG", "SET", "appendonly", "yes")
    main.main(["check"])
    assert "append-only" not in capfd.readouterr().out
