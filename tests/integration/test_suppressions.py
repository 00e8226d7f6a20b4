"""Live suppressions in a whole gateway without a shared state: through the client, dialctl and the policy."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dialgateway import (
    AccessDenied,
    CallFailed,
    DialGatewayClient,
    NumberSuppressed,
    SuppressionLifetime,
    SyncDialGatewayClient,
)
from gateway.access.errors import AccessError
from gateway.control.suppression_file import SuppressionFile
from gateway.simulator import FaultKind
from tests import preloaded
from tests.integration.secured import BILLING, OPS, POLICY, caller_of, secured
from tests.integration.test_guard import OTHER, guarded, rules
from tests.integration.world import CAMPAIGN, PATIENCE_S, PHONE, World, dial, dials, until, verdicts, world_of

REASON = "asked for it"
KEY = "a secret key of 16 bytes or more"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with world_of() as world:
        yield world


async def suppress(world: World, number: str = PHONE) -> NumberSuppressed:
    async with DialGatewayClient(world.target) as client:
        return await client.suppress_number(number, REASON)


async def dialctl(world: World, *arguments: str, stdin: bytes = b"") -> tuple[int | None, str, str]:
    """Run dialctl to its end; return its exit code and both outputs."""
    process = await preloaded.start(
        "dialgateway.dialctl",
        *arguments,
        env={**os.environ, "DIAL_GATEWAY_TARGET": world.target},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), PATIENCE_S)
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


async def test_queued_and_later_requests_are_rejected(world: World) -> None:
    """Others of the same queue go on; after the end of the suppression the number is dialed again."""
    async with DialGatewayClient(world.target) as client:
        await suppress(world, "+12065550177")  # the guard decides from now on
        await client.hold_campaign(CAMPAIGN, "test")
        caller = world.stream()
        await caller.send(dial("no"), dial("yes", phone_number=OTHER))
        await until(lambda: world.gateway.engine.outstanding == 2)
        done = await suppress(world)
        assert (done.already_suppressed, done.lifetime) == (False, SuppressionLifetime.PROCESS)
        assert done.confirmation is None
        (result,) = await caller.read(1)
        assert (result.client_token, *verdicts([result])) == ("no", "REJECTED SUPPRESSED NEVER")
        assert PHONE not in result.detail
        await client.release_campaign(CAMPAIGN)
        assert verdicts(await caller.read(1)) == ["ACCEPTED"]
        assert verdicts(await world.ask(dial("later"))) == ["REJECTED SUPPRESSED NEVER"]
        assert (await suppress(world)).already_suppressed
        allowed = await client.allow_number(PHONE, "wants calls")
        assert allowed.number_hash == done.number_hash
        assert verdicts(await world.ask(dial("again"))) == ["ACCEPTED"]
        assert world.dialed("no") == world.dialed("later") == 0


async def test_no_further_attempt_of_a_call_has_the_number() -> None:
    """A failed call waits for a permit: its next attempt is revoked, and the other request is sent alone.

    Connect may have the suppressed one from the first attempt, so it is UNKNOWN.
    """
    async with world_of(call_rate=2.0, call_burst=1.0) as world:
        await suppress(world, "+12065550177")  # the guard decides from now on
        world.fault(FaultKind.EXCEPTION, code="InternalServerException", status=500, count=1)
        caller = world.stream()
        await caller.send(dial("no"), dial("yes", phone_number=OTHER))
        await until(lambda: len(world.calls()) == 1)
        await suppress(world)
        results = {result.client_token: result for result in await caller.read(2)}
        assert verdicts([results["no"]]) == ["UNKNOWN SUPPRESSED SAME_TOKEN"]
        assert verdicts([results["yes"]]) == ["ACCEPTED"]
        assert [call.items for call in world.calls()] == [2, 1]


async def test_the_log_has_the_hash_and_not_the_number(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The audit event names actor, reason and hash."""
    with caplog.at_level(logging.INFO):
        done = await suppress(world)
        with SyncDialGatewayClient(world.target) as client:
            await asyncio.to_thread(client.allow_number, PHONE, "wants calls")
    events = {record.__dict__.get("event_name"): record.__dict__ for record in caplog.records}
    event = events["number.suppress"]
    assert (event["number_hash"], event["reason"]) == (done.number_hash, REASON)
    assert (event["lifetime"], event["existed"], event["identified_by"]) == ("process", False, "address")
    assert events["number.allow"]["reason"] == "wants calls"
    assert PHONE not in caplog.text
    assert PHONE not in str(events)


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [
        ("", REASON, "phone_number: required"),
        ("12065550123", REASON, "phone_number: must be E.164"),
        (PHONE, "", "reason: required"),
        (PHONE, "a\nb", "reason: no control characters"),
        (PHONE, "x" * 501, "reason: at most 500 characters"),
    ],
)
async def test_what_is_refused(world: World, number: str, reason: str, words: str) -> None:
    async with DialGatewayClient(world.target) as client:
        for call in (client.suppress_number, client.allow_number):
            with pytest.raises(CallFailed, match=words) as failed:
                await call(number, reason)
            assert (failed.value.code, failed.value.reason) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_FIELD",
            )


async def test_only_live_suppressions_end(tmp_path: Path) -> None:
    """A number of a list stays refused, and the status says where else it may be."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{PHONE}\n")
    async with world_of(**settings) as world, DialGatewayClient(world.target) as client:
        with pytest.raises(CallFailed, match="a list of the guard file may have it") as failed:
            await client.allow_number(PHONE, REASON)
        assert (failed.value.code, failed.value.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_SUPPRESSED")
        await client.suppress_number(OTHER, REASON)
        results = await world.ask(dial("live", phone_number=OTHER), dial("listed"))
        assert verdicts(results) == ["REJECTED SUPPRESSED NEVER"] * 2
        assert "operator" in results[0].detail
        assert "dnc" in results[1].detail


async def test_the_policy_grants_suppressions(tmp_path: Path) -> None:
    """Each right counts by itself; a caller without any is refused."""
    policy = POLICY.replace("    see:", "    suppress: true\n    see:")
    async with secured(tmp_path, policy=policy) as (world, folder):
        async with caller_of(world, folder.ca, OPS) as ops:
            client = DialGatewayClient(world.target, channel=ops.channel)
            assert not (await client.suppress_number(PHONE, REASON)).already_suppressed
            with pytest.raises(AccessDenied, match="OPERATION_DENIED"):
                await client.allow_number(PHONE, REASON)
        async with caller_of(world, folder.ca, BILLING) as billing:
            client = DialGatewayClient(world.target, channel=billing.channel)
            with pytest.raises(AccessDenied, match="OPERATION_DENIED"):
                await client.suppress_number(PHONE, REASON)


async def test_a_file_keeps_suppressions(tmp_path: Path) -> None:
    """They are in force after a restart, and no longer once they have ended."""
    key = tmp_path / "key"
    key.write_text(KEY)
    settings: dict[str, Any] = {
        "guard_key_file": str(key),
        "suppression_file": str(tmp_path / "suppressed.jsonl"),
    }
    async with world_of(**settings) as world:
        assert (await suppress(world)).lifetime is SuppressionLifetime.FILE
        await suppress(world, OTHER)
        async with DialGatewayClient(world.target) as client:
            await client.allow_number(OTHER, "wants calls")
    assert PHONE not in (tmp_path / "suppressed.jsonl").read_text()
    async with world_of(**settings) as world:
        results = await world.ask(dial("no"), dial("yes", phone_number=OTHER))
        assert verdicts(results) == ["REJECTED SUPPRESSED NEVER", "ACCEPTED"]
    key.write_text(KEY + "other")
    with pytest.raises(AccessError, match="another key"):
        async with world_of(**settings):
            pass


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The number is suppressed all the same, and the status says that it will not last."""
    (tmp_path / "key").write_text(KEY)
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "suppressed.jsonl"
    settings: dict[str, Any] = {"guard_key_file": str(tmp_path / "key"), "suppression_file": str(path)}
    async with world_of(**settings) as world:
        path.unlink()
        path.mkdir()
        with pytest.raises(CallFailed, match="until this process ends") as failed:
            await suppress(world)
        assert failed.value.reason == "SUPPRESSION_NOT_KEPT"
        assert verdicts(await world.ask(dial("no"))) == ["REJECTED SUPPRESSED NEVER"]


async def test_dialctl_suppresses_and_allows(world: World) -> None:
    """It says what is left to do; the number is in no output, and may come from standard input."""
    code, out, err = await dialctl(world, "suppress", PHONE, "--reason", REASON, "-o", "json")
    document = json.loads(out)
    assert code == 0
    assert (document["action"], document["lifetime"]) == ("SUPPRESS", "PROCESS")
    assert "ends with the process" in err
    assert verdicts(await world.ask(*dials(1))) == ["REJECTED SUPPRESSED NEVER"]
    code, out, err = await dialctl(
        world, "suppress", "-", "--reason", REASON, "-o", "wide", stdin=f"{PHONE}\n".encode()
    )
    assert code == 0
    assert "suppressed, as it was before" in out
    assert document["number_hash"] in out
    code, out, _ = await dialctl(world, "allow", "+1 206 555 0123", "--reason", "wants calls")
    assert (code, PHONE in out) == (0, False)
    code, _, err = await dialctl(world, "allow", PHONE, "--reason", "wants calls")
    assert code == 1
    assert "not suppressed" in err
    code, _, err = await dialctl(world, "suppress", "206 555 0123", "--reason", REASON)
    assert (code, "--region" in err, "0123" in err) == (2, True, False)


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """A suppression that is not on the disk is not reported as kept."""
    path = tmp_path / "suppressed.jsonl"
    file = SuppressionFile(str(path), KEY.encode())
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space|Invalid argument"):
        await file.write(0.0, b"8 bytes.", "Ines", REASON, ended=False)


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"number_hash": "zz"}', '{"version": 1}'])
def test_a_broken_line_ends_the_start(tmp_path: Path, line: str) -> None:
    """A line that cannot be read might be a suppression. Only a last line without its end is dropped."""
    path = tmp_path / "suppressed.jsonl"
    SuppressionFile(str(path), KEY.encode())
    path.write_text(path.read_text() + line)
    assert SuppressionFile(str(path), KEY.encode()).kept == ()
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(AccessError, match="line 2 cannot be read"):
        SuppressionFile(str(path), KEY.encode())
