"""A source of credentials is slow, hangs or fails: no call waits for it, and no request is in doubt."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.connect.credentials import AHEAD_S, LONGEST_PAUSE_S, AccessKeys, chain_of
from gateway.settings import SenderName
from gateway.simulator import Simulator, SimulatorSettings
from tests.integration.test_late_calls import gateway_to, never_above
from tests.integration.upstream import Request, reply_head, upstream_of
from tests.integration.world import CAMPAIGN, dials, until, verdicts
from tests.senders import EACH_SENDER
from tests.stopwatch import Stopwatch

DENIED = "NOT_ACCEPTED ACCESS_DENIED SAME_TOKEN"
REPLY = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>simulator</AccessKeyId>
<SecretAccessKey>simulator</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@dataclass
class Sts:
    """A token service: credentials for `lasts_s` seconds, after `slow_s`, or an error of a status."""

    lasts_s: float = 3600.0
    slow_s: float = 0.0
    status: str = "200 OK"
    asked: list[float] = field(default_factory=list)

    async def answer(self, request: Request, writer: Any) -> None:
        """Answer AssumeRoleWithWebIdentity."""
        self.asked.append(time.monotonic())
        await asyncio.sleep(self.slow_s)
        ends = datetime.now(UTC) + timedelta(seconds=self.lasts_s)
        body = REPLY.format(ends.isoformat()) if self.status == "200 OK" else "<ErrorResponse/>"
        writer.write(reply_head(len(body), self.status) + body.encode())


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide all credentials of this machine from boto3."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@asynccontextmanager
async def roles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sts: Sts) -> AsyncIterator[Path]:
    """Configure boto3 to assume a role; yield the path of the token file, which does not exist yet."""
    async with upstream_of(sts.answer) as upstream:
        token = tmp_path / "token"
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{upstream.port}")
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/dial")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        yield token


@asynccontextmanager
async def scene(sender: SenderName, keys: AccessKeys | None = None, **settings: Any) -> AsyncIterator[Any]:
    """Run a gateway that finds its own credentials, connected to a simulator that counts."""
    async with Simulator(SimulatorSettings(call_rate=settings.get("call_rate", 0.0))) as simulator:
        keys = keys or await asyncio.to_thread(_started)
        async with gateway_to(simulator.url, sender, keys=keys, **settings) as (gateway, caller):
            yield simulator, gateway, caller


class AdvancedClock:
    """The real time, moved forward by `ahead_s` seconds."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


def _started(epoch: Callable[[], float] = time.time) -> AccessKeys:
    keys = AccessKeys(chain_of("us-east-1", timeout_s=0.5), epoch=epoch, longest_sleep_s=0.05)
    keys.start(2.0)
    return keys


def _check(gateway: Any) -> tuple[bool, str]:
    found: tuple[bool, str] = gateway.admin.monitoring.readiness().checks["credentials"]
    return found


async def _until_ready(gateway: Any) -> None:
    await until(lambda: _check(gateway)[0])


@EACH_SENDER
async def test_credentials_that_come_after_the_start(sender: SenderName, tmp_path: Path) -> None:
    """A gateway that starts without credentials says so, sends nothing, and serves once there are some."""
    async with scene(sender) as (simulator, gateway, caller):
        assert _check(gateway) == (False, "none were found")
        assert not gateway.admin.monitoring.readiness().ready
        await caller.send(*dials(30))
        results = await caller.read(30)
        assert verdicts(results) == [DENIED] * 30
        assert {result.attempts for result in results} == {0}
        text = "[default]\naws_access_key_id = simulator\naws_secret_access_key = simulator\n"
        (tmp_path / "credentials").write_text(text)
        await _until_ready(gateway)
        assert verdicts(await caller.ask(*dials(30, "later"))) == ["ACCEPTED"] * 30
        assert simulator.connect.stats().refused == {}


def _nothing(path: Path) -> None:
    """Write no token file."""


FILES: dict[str, Callable[[Path], Any]] = {"missing": _nothing, "empty": lambda path: path.write_text("")}


@pytest.mark.parametrize("fault", FILES.values(), ids=FILES)
@EACH_SENDER
async def test_an_unusable_token_file(
    sender: SenderName, fault: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a valid token file nothing is sent and nothing is in doubt; with one, calls are made."""
    sts = Sts(status="400 Bad Request")
    async with roles(monkeypatch, tmp_path, sts) as token:
        fault(token)
        async with scene(sender) as (_, gateway, caller):
            assert not _check(gateway)[0]
            await caller.send(*dials(3))
            assert verdicts(await caller.read(3)) == [DENIED] * 3
            token.write_text("token")
            sts.status = "200 OK"
            await _until_ready(gateway)
            assert verdicts(await caller.ask(*dials(3, "later"))) == ["ACCEPTED"] * 3


@pytest.mark.parametrize("status", ["403 Forbidden", "500 Internal Server Error", "503 Slow Down"])
@EACH_SENDER
async def test_a_token_service_that_fails(
    sender: SenderName, status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever error the token service returns, a call without credentials is not sent and not in doubt."""
    async with roles(monkeypatch, tmp_path, Sts(status=status)) as token:
        token.write_text("token")
        async with scene(sender) as (simulator, gateway, caller):
            results = await caller.ask(*dials(3))
            assert verdicts(results) == [DENIED] * 3
            assert list(simulator.connect.journal) == []
            assert gateway.admin.monitoring._connect.results == {"NoCredentials": 1}


@EACH_SENDER
async def test_a_token_service_that_hangs(
    sender: SenderName, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A hung token service delays no call while credentials last; then nothing is sent until it answers.

    When it answers, the quota is kept, no call is throttled and nothing is sent twice.
    """
    sts, clock = Sts(lasts_s=3600.0), AdvancedClock()
    async with roles(monkeypatch, tmp_path, sts) as token:
        token.write_text("token")
        keys = await asyncio.to_thread(_started, clock)
        async with scene(sender, keys, call_rate=10.0, call_burst=10.0) as (simulator, gateway, caller):
            await _until_ready(gateway)
            sts.slow_s = 3600.0
            clock.ahead_s = 3600.0 - 0.7 * AHEAD_S  # they are renewed earlier than that
            await until(lambda: len(sts.asked) > 1)
            slowest = 0.0
            for number in range(3):
                watch = Stopwatch()
                await caller.send(*dials(25, f"valid-{number}"))
                assert verdicts(await caller.read(25)) == ["ACCEPTED"] * 25
                slowest = max(slowest, watch.took_s)
            assert slowest < 1.0
            clock.ahead_s = 3600.0
            assert not _check(gateway)[0]
            calls = len(list(simulator.connect.journal))
            await caller.send(*dials(250, "expired"))
            results = await caller.read(250)
            assert verdicts(results) == [DENIED] * 250
            assert {result.attempts for result in results} == {0}
            assert len(list(simulator.connect.journal)) == calls
            sts.slow_s = 0.0
            clock.ahead_s += 2 * LONGEST_PAUSE_S  # the pause after the failed attempts is over
            await _until_ready(gateway)
            assert verdicts(await caller.ask(*dials(500, "expired"))) == ["ACCEPTED"] * 500
            assert set(simulator.connect.journal.dials(CAMPAIGN).values()) == {1}
            assert never_above(10.0, 10.0, [call.at for call in simulator.connect.journal])
            assert {call.result for call in simulator.connect.journal} == {"OK"}
