"""`dial-gateway serve` and `dial-gateway check` with a shared state: one line for each cause, no password."""

import asyncio
from pathlib import Path

import pytest

from gateway.cli import main
from tests.integration.process import serving
from tests.integration.world import until
from tests.ports import closed_port
from tests.shared_state.servers import Server, running
from tests.shared_state.states import beat, state_at

URL, PASSWORD = "DIAL_GATEWAY_SHARED_STATE_URL", "DIAL_GATEWAY_SHARED_STATE_PASSWORD"
SECRET = "pass-word-of-the-test"
LIVES_ON = """
local members = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'members'))
members[1].heard_at = members[1].heard_at + 600000
return redis.call('HSET', KEYS[1], 'members', cmsgpack.pack(members))
"""
"""Lets a member count as live for minutes, however busy the machine is."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No AWS account of the machine that runs the tests."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DIAL_GATEWAY_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("DIAL_GATEWAY_ADMIN_LISTEN", "127.0.0.1:0")
    monkeypatch.delenv(URL, raising=False)


class Commands:
    """Runs commands in this process, with settings from the environment."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capfd, self._monkeypatch = capfd, monkeypatch

    def refusal(self, **settings: str) -> str:
        """Run `serve` with settings that end the start; return its one line."""
        self._set(settings)
        assert main.main(["serve", "--simulator"]) == main.WRONG_USAGE
        out, err = self._capfd.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        return line

    def check(self, **settings: str) -> str:
        """Run `check`; return what it prints about the shared state."""
        self._set(settings)
        main.main(["check"])
        said = self._capfd.readouterr().out
        assert "telemetry" in said
        lines = said.splitlines(keepends=True)
        begin = next((number for number, line in enumerate(lines) if " shared state " in line), len(lines))
        end = next(number for number, line in enumerate(lines) if " telemetry " in line)
        return "".join(lines[begin:end])

    def _set(self, settings: dict[str, str]) -> None:
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)


@pytest.fixture
def commands(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(capfd, monkeypatch)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        (f"http://{SECRET}@store", "must begin with valkey://"),
        (f"valkey://user:{SECRET}@store", "must not contain a password"),
        ("valkey+sentinel://store", "needs the service's name"),
    ],
)
def test_a_wrong_url_ends_the_start_with_one_line(commands: Commands, url: str, rule: str) -> None:
    line = commands.refusal(**{URL: url})
    assert line.startswith(f"dial-gateway: {URL}: ")
    assert rule in line
    assert SECRET not in line


def test_a_store_that_cannot_be_used_ends_the_start(commands: Commands, program: str, tmp_path: Path) -> None:
    options = {"requirepass": "another", "maxmemory-policy": "allkeys-lfu"}
    with running(program, tmp_path / "server", options) as server:
        line = commands.refusal(**{URL: server.url, PASSWORD: SECRET})
        assert "refuses user or password" in line
        assert SECRET not in line
        assert "maxmemory-policy allkeys-lfu" in commands.refusal(**{URL: server.url, PASSWORD: "another"})


def test_another_programs_keys_end_the_start(commands: Commands, real_server: Server) -> None:
    real_server.command("HSET", "dial-gateway:users", "a", "b")
    assert "keys of another program under the prefix 'dial-gateway'" in commands.refusal(
        **{URL: real_server.url}
    )
    assert real_server.command("KEYS", "*") == ["dial-gateway:users"]


async def test_a_store_that_is_away_does_not_end_the_start() -> None:
    with closed_port() as port:
        settings = {URL: f"valkey://127.0.0.1:{port}"}
        async with serving(environment=settings) as served:
            said = served.said.decode()
            assert "the shared state is unavailable" in said
            assert "nothing is sent until it answers" in said


async def test_a_replica_that_is_terminated_leaves_its_fleet(real_server: Server) -> None:
    settings = {URL: real_server.url, "DIAL_GATEWAY_REPLICA": "first"}
    async with serving(environment=settings) as served, state_at(real_server.url, "observer") as observer:
        await until(lambda: "has joined its fleet" in served.said.decode())
        reply = await beat(observer, 1, "observer")
        assert {each.name for each in reply.tick.members} == {"first", "name of observer"}
        served.terminate()
        assert await served.exit_code() == 0
        reply = await beat(observer, 2, "observer")
        assert {each.name for each in reply.tick.members} == {"name of observer"}


def test_a_second_replica_with_the_same_name_does_not_start(commands: Commands, real_server: Server) -> None:
    asyncio.run(_joined(real_server.url, "first"))
    real_server.command("EVAL", LIVES_ON, 1, "{dial-gateway}:quota")
    assert commands.refusal(**{URL: real_server.url, "DIAL_GATEWAY_REPLICA": "first"}) == (
        "dial-gateway: DIAL_GATEWAY_REPLICA: another replica of the fleet is running under the name "
        "'first': each needs its own"
    )


async def _joined(url: str, name: str) -> None:
    async with state_at(url) as state:
        await beat(state, 1, name=name)


def test_the_check_reports_on_the_shared_state(commands: Commands, real_server: Server) -> None:
    said = commands.check(**{URL: real_server.url})
    assert said.count("ok ") == 3
    assert "the user may run the scripts" in said


def test_the_check_warns_of_a_burst_too_small_for_calls_in_flight(
    commands: Commands, real_server: Server
) -> None:
    settings = {"DIAL_GATEWAY_CALL_RATE": "50", "DIAL_GATEWAY_CALL_BURST": "20"}
    said = commands.check(**{URL: real_server.url}, **settings)
    assert "CALL_BURST: calls that take longer than about 0.3 s cannot use the whole call rate" in said
    assert "31 is enough for any calls" in said
    assert "CALL_BURST" not in commands.check(**settings | {"DIAL_GATEWAY_CALL_BURST": "31"})


def test_the_check_reports_a_refusal_without_the_password(
    commands: Commands, program: str, tmp_path: Path
) -> None:
    with running(program, tmp_path / "server", {"requirepass": "another"}) as server:
        said = commands.check(**{URL: server.url, PASSWORD: SECRET})
    assert said.startswith("WRONG")
    assert "refuses user or password" in said
    assert SECRET not in said


def test_the_check_without_a_shared_state_says_nothing_of_it(commands: Commands) -> None:
    assert commands.check() == ""
