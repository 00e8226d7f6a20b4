"""`make fleet-demo` as users run it: real gateways, a real Valkey server, one gateway killed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from gateway.cli.demo_processes import Child, DemoError, Replica
from gateway.cli.fleet_demo import FleetDemo
from gateway.simulator import Simulator, SimulatorSettings
from tests.shared_state.servers import absent

LEADS = Path("examples/leads.csv")
LONGEST_S = 240


def demo(leads: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the demo to its end."""
    command = [sys.executable, "-m", "gateway", "fleet-demo", str(leads)]
    environment = {**os.environ, **variables}
    return subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=LONGEST_S, check=False, env=environment
    )


@pytest.mark.skipif(bool(absent("valkey")), reason=absent("valkey"))
@pytest.mark.timed
def test_the_fleet_demo() -> None:
    """It ends by itself; nothing is lost or dialed twice, and every gateway knows the results.

    Variables of the user's own gateways do not reach it.
    """
    done = demo(LEADS, DIAL_GATEWAY_CALL_RATE="nonsense")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    shown = dict(re.findall(r"^(\w[\w ]+?)  +(\S.*)$", done.stdout, re.MULTILINE))
    assert shown["answers"] == "1,991 ACCEPTED, 9 INVALID_ROW"
    assert shown["dialed"] == "1,991 leads, 0 of them twice"
    assert shown["the list again"].startswith("0 more calls")
    assert re.search(r"gateway-1 [1-9]\d*, gateway-2 [1-9]\d*, gateway-3 0;", shown["calls by replica"])
    assert int(shown["quota used"].partition("%")[0]) >= 60


def test_a_missing_file() -> None:
    """A file that does not exist is named in one line, with code 2."""
    done = demo(Path("none.csv"))
    assert done.returncode == 2
    assert done.stderr == "dial-gateway fleet-demo: no such file: none.csv\n"


async def test_an_unusable_file(tmp_path: Path) -> None:
    """A file that `dialctl` refuses ends the demo with its error."""
    leads = tmp_path / "leads.csv"
    leads.write_text("colour\nblue\n")
    replicas = [Replica(f"gateway-{number}", "127.0.0.1:1", cast(Child, None)) for number in range(3)]
    async with Simulator(SimulatorSettings()) as simulator:
        with pytest.raises(DemoError, match=r"dialctl send ended with code 2: .*client_token"):
            await FleetDemo(leads, tmp_path, simulator, replicas).run()
