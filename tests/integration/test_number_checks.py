"""Which numbers are suppressed: CheckNumbers through both clients, dialctl and the policy."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from dialgateway import (
    AccessDenied,
    CallFailed,
    DialGatewayClient,
    GatewayOverloaded,
    NumberCheck,
    NumberChecks,
    NumberList,
    NumberStatus,
    SuppressionLifetime,
    SyncDialGatewayClient,
)
from dialgateway.v1 import compliance_service_pb2 as pb
from dialgateway.v1.compliance_service_pb2_grpc import ComplianceServiceStub
from tests.integration.secured import BILLING, OPS, POLICY, caller_of, secured
from tests.integration.test_dial_checks import OBSERVING
from tests.integration.test_guard import OTHER, guarded, rules
from tests.integration.test_suppressions import KEY, dialctl
from tests.integration.world import PATIENCE_S, PHONE, World, world_of

NOBODY = "+12065550177"
REASON = "asked for it"
STATUS = NumberStatus


async def check(world: World, *numbers: str, reason: str = "") -> NumberChecks:
    async with DialGatewayClient(world.target) as client:
        return await client.check_numbers(numbers, reason)


async def suppress(world: World, number: str = PHONE) -> None:
    async with DialGatewayClient(world.target) as client:
        await client.suppress_number(number, REASON)


def statuses(found: NumberChecks) -> list[NumberStatus]:
    return [one.status for one in found.checks]


async def test_by_whom_since_when_and_why() -> None:
    """Without a shared state the gateway knows everything, and an end is seen at once."""
    async with world_of() as world:
        before = datetime.now(UTC)
        await suppress(world)
        found = await check(world, PHONE, OTHER, "12065550123")
        assert statuses(found) == [STATUS.SUPPRESSED, STATUS.NOT_SUPPRESSED, STATUS.INVALID]
        known, other, bad = found.checks
        assert known.suppressed_at is not None
        assert before - timedelta(seconds=1) < known.suppressed_at < datetime.now(UTC)
        assert known.suppressed_by.startswith("ipv4:127.0.0.1")
        assert (known.reason, known.lifetime) == (REASON, SuppressionLifetime.PROCESS)
        assert other == NumberCheck(1, STATUS.NOT_SUPPRESSED, other.number_hash)
        assert "must be E.164" in bad.detail
        assert (found.suppressed_by_operators, found.complete, found.confirmation) == (1, True, None)
        assert (found.lists, found.guard_version) == ((), "")
        async with DialGatewayClient(world.target) as client:
            done = await client.allow_number(PHONE, "wants calls")
        assert done.number_hash == known.number_hash
        assert statuses(await check(world, PHONE)) == [STATUS.NOT_SUPPRESSED]
        assert (await check(world)).suppressed_by_operators == 0


async def test_lists_and_the_rules_that_name_them(tmp_path: Path) -> None:
    """A list counts if a rule enforces it; one that is only observed is named."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n{PHONE}\n")
    async with world_of(**settings) as world:
        await suppress(world)
        found = await check(world, PHONE, OTHER, NOBODY)
        assert statuses(found) == [STATUS.SUPPRESSED, STATUS.LISTED, STATUS.NOT_SUPPRESSED]
        assert [one.lists for one in found.checks] == [("dnc",), ("dnc",), ()]
        assert found.lists == (NumberList("dnc", ("day",), ()),)
        assert found.guard_version
    text = rules("always").split("rules:")[0] + "rules:" + OBSERVING
    async with world_of(**guarded(tmp_path, text, listed=f"{OTHER}\n")) as world:
        found = await check(world, OTHER)
        assert (statuses(found), found.checks[0].lists) == ([STATUS.NOT_SUPPRESSED], ("dnc",))
        assert found.lists == (NumberList("dnc", (), ("trial",)),)


async def test_a_file_keeps_who_and_why(tmp_path: Path) -> None:
    """The next process tells the same about a suppression."""
    (tmp_path / "key").write_text(KEY)
    settings: dict[str, Any] = {
        "guard_key_file": str(tmp_path / "key"),
        "suppression_file": str(tmp_path / "suppressed.jsonl"),
    }
    async with world_of(**settings) as world:
        await suppress(world)
        before = (await check(world, PHONE)).checks
        assert before[0].lifetime is SuppressionLifetime.FILE
    async with world_of(**settings) as world:
        assert (await check(world, PHONE)).checks == before


async def test_a_suppression_that_is_not_on_the_disk_ends_with_the_process(tmp_path: Path) -> None:
    """A suppression that could not be written ends with the process; those written before it do not."""
    (tmp_path / "key").write_text(KEY)
    path = tmp_path / "suppressed.jsonl"
    settings: dict[str, Any] = {"guard_key_file": str(tmp_path / "key"), "suppression_file": str(path)}
    async with world_of(**settings) as world:
        await suppress(world, OTHER)
        path.rename(tmp_path / "away")
        path.mkdir()
        for number in (PHONE, OTHER):
            with pytest.raises(CallFailed, match="until this process ends"):
                await suppress(world, number)
        lifetimes = [one.lifetime for one in (await check(world, PHONE, OTHER)).checks]
        assert lifetimes == [SuppressionLifetime.PROCESS, SuppressionLifetime.FILE]
        path.rmdir()
        (tmp_path / "away").rename(path)
        await suppress(world)
        assert (await check(world, PHONE)).checks[0].lifetime is SuppressionLifetime.FILE


async def test_a_call_is_bounded_and_the_client_divides_a_list() -> None:
    """One call takes 1,000 numbers; the client asks about any number, in their order."""
    async with world_of() as world:
        stub: Any = ComplianceServiceStub(world.channel)
        with pytest.raises(grpc.aio.AioRpcError, match="at most 1,000 in one call") as failed:
            await stub.CheckNumbers(pb.CheckNumbersRequest(phone_numbers=[PHONE] * 1_001), timeout=PATIENCE_S)
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.aio.AioRpcError, match="of at most 65536 bytes"):
            await stub.CheckNumbers(pb.CheckNumbersRequest(phone_numbers=[""] * 40_000), timeout=PATIENCE_S)
        await suppress(world, "+12065551500")
        numbers = [f"+1206555{number:04}" for number in range(2_500)]
        with SyncDialGatewayClient(world.target) as client:
            found = await asyncio.to_thread(client.check_numbers, numbers)
        assert [one.index for one in found.checks] == list(range(2_500))
        assert [one.index for one in found.checks if one.status is STATUS.SUPPRESSED] == [1_500]


async def test_too_many_open_calls_of_one_caller_are_refused() -> None:
    """The limit is that of checks of dial requests; calls that have ended do not count."""
    async with world_of() as world, DialGatewayClient(world.target) as client:
        numbers = [PHONE] * 1_000
        calls = [client.check_numbers(numbers) for _ in range(40)]
        told = await asyncio.gather(*calls, return_exceptions=True)
        refused = [one for one in told if isinstance(one, GatewayOverloaded)]
        assert refused
        assert {one.reason for one in refused} == {"STREAM_LIMIT"}
        assert len(refused) < len(told)
        for _ in range(10):
            await client.check_numbers(numbers)


async def test_the_log_has_counts_and_no_number(caplog: pytest.LogCaptureFixture) -> None:
    """The log has neither a number, nor an invalid text, nor a hash."""
    async with world_of() as world:
        await suppress(world)
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            found = await check(world, PHONE, OTHER, "020 555 0123", reason="request 17")
    assert PHONE not in repr(found)
    told = [record.__dict__ for record in caplog.records]
    (event,) = [one for one in told if one.get("event_name") == "number.look_up"]
    assert (event["numbers"], event["suppressed"], event["invalid"]) == (3, 1, 1)
    assert (event["reason"], event["identified_by"], event["interface"]) == ("request 17", "address", "grpc")
    for secret in (PHONE, OTHER, "555 0123", found.checks[0].number_hash):
        assert secret not in caplog.text + str(told)


async def test_a_bad_reason_is_refused() -> None:
    async with world_of() as world:
        with pytest.raises(CallFailed, match="reason: at most 500 characters") as failed:
            await check(world, PHONE, reason="x" * 501)
        assert failed.value.reason == "INVALID_FIELD"


async def test_the_policy_grants_look_ups(tmp_path: Path) -> None:
    """Neither of the other rights about numbers includes it, and a refused caller's message is not read."""
    policy = POLICY.replace("    see:", "    see_suppressions: true\n    see:")
    policy = policy.replace("    dial:", "    suppress: true\n    end_suppressions: true\n    dial:")
    async with secured(tmp_path, policy=policy) as (world, folder):
        async with caller_of(world, folder.ca, BILLING) as billing:
            client = DialGatewayClient(world.target, channel=billing.channel)
            await client.suppress_number(PHONE, REASON)
            for numbers in ([PHONE], [], [PHONE] * 900):
                with pytest.raises(AccessDenied, match="OPERATION_DENIED"):
                    await client.check_numbers(numbers)
            unread: Any = billing.channel.unary_unary(
                "/dialgateway.v1.ComplianceService/CheckNumbers", request_serializer=lambda text: text
            )
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await unread(b"no message", timeout=PATIENCE_S)
            assert failed.value.code() is grpc.StatusCode.PERMISSION_DENIED
        async with caller_of(world, folder.ca, OPS) as ops:
            client = DialGatewayClient(world.target, channel=ops.channel)
            (known,) = (await client.check_numbers([PHONE])).checks
            assert known.suppressed_by == BILLING
            with pytest.raises(AccessDenied, match="OPERATION_DENIED"):
                await client.allow_number(PHONE, REASON)


# --- dialctl -----------------------------------------------------------------------------------------


async def test_dialctl_tells_about_one_number() -> None:
    """The number is in no output; the exit code tells whether it is suppressed."""
    async with world_of() as world:
        code, out, _ = await dialctl(world, "suppressions", PHONE)
        assert (code, out) == (1, "not suppressed\n")
        await suppress(world)
        code, out, _ = await dialctl(world, "suppressions", "+1 206 555 0123", "--reason", "request 17")
        assert code == 0
        assert out.startswith("suppressed since 20")
        assert out.endswith(f": {REASON}\n")
        code, out, _ = await dialctl(world, "suppressions", "-", "-o", "wide", stdin=f"{PHONE}\n".encode())
        assert (code, ", process]" in out, PHONE in out) == (0, True, False)
        code, out, err = await dialctl(world, "suppressions")
        assert (code, out, err) == (0, "numbers suppressed by operators: 1\n", "")
        code, _, err = await dialctl(world, "suppressions", "206 555 0123")
        assert (code, "--region" in err, "0123" in err) == (2, True, False)
        code, _, err = await dialctl(world, "suppressions", PHONE, "--numbers", "-")
        assert (code, "either" in err) == (2, True)


async def test_dialctl_tells_about_a_file(tmp_path: Path) -> None:
    """It names lines; the summary counts, and `--missing` shows what is not suppressed."""
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n")
    path = tmp_path / "opt-out.txt"
    path.write_text(f"# our list\n{PHONE}\n{OTHER}\n\nnonsense 0123\n{NOBODY}\n" + f"{PHONE}\n" * 2_000)
    async with world_of(**settings) as world:
        await suppress(world)
        code, out, _ = await dialctl(world, "suppressions", "--numbers", str(path), "--missing")
        assert code == 1
        assert out.splitlines() == [
            "line 5: INVALID: contains letters; write it in digits",
            "line 6: not suppressed",
            "2,004 numbers: 2,001 suppressed by operators, 1 in lists, 1 NOT suppressed, 1 INVALID",
            "2 not in force",
        ]
        code, out, _ = await dialctl(world, "suppressions", "--numbers", str(path))
        assert "line 3: suppressed; in the list dnc, enforced by day" in out.splitlines()
        code, out, _ = await dialctl(world, "suppressions", "--numbers", str(path), "-o", "json")
        *lines, last = map(json.loads, out.splitlines())
        assert [(one["line"], one["status"]) for one in lines[:4]] == [
            (2, "SUPPRESSED"),
            (3, "LISTED"),
            (5, "INVALID"),
            (6, "NOT_SUPPRESSED"),
        ]
        summary = last["summary"]
        assert summary["counts"] == {"SUPPRESSED": 2_001, "LISTED": 1, "INVALID": 1, "NOT_SUPPRESSED": 1}
        assert (summary["not_in_force"], summary["complete"]) == (2, True)
        assert not {PHONE, OTHER, NOBODY} & set(out.split('"'))
        path.write_text(f"{PHONE}\n{OTHER}\n")
        code, out, _ = await dialctl(world, "suppressions", "--numbers", str(path), "--missing")
        assert (code, out) == (0, "2 numbers: 1 suppressed by operators, 1 in lists\n")
        code, _, err = await dialctl(world, "suppressions", "--numbers", str(tmp_path / "none"))
        assert (code, "No such file" in err) == (2, True)
