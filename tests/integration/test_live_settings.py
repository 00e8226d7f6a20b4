"""A settings file that changes while the gateway runs, and SIGHUP."""

import json
import signal
from pathlib import Path

from tests.files import put
from tests.integration.process import serving
from tests.integration.world import dials, until, verdicts


async def test_sighup_reads_the_settings_file_and_ends_nothing(tmp_path: Path) -> None:
    """The log has the audit event, and the same stream is answered before and after."""
    file = tmp_path / "gateway.toml"
    put(file, "call_burst = 10\n")
    environment = {"DIAL_GATEWAY_CONFIG": str(file), "DIAL_GATEWAY_LOG_FORMAT": "json"}
    async with serving(environment=environment) as gateway:
        stream = gateway.stream()
        await stream.send(*dials(1))
        assert verdicts(await stream.read(1)) == ["ACCEPTED"]
        put(file, "call_burst = 7\n")
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: b"a setting is changed" in gateway.said)
        lines = [json.loads(line) for line in gateway.said.splitlines() if line.startswith(b"{")]
        (event,) = (line for line in lines if line["message"] == "a setting is changed")
        assert (event["event_name"], event["setting"]) == ("setting.change", "call_burst")
        assert (event["before"], event["after"]) == (10.0, 7.0)
        await stream.send(*dials(1, "u"))
        assert verdicts(await stream.read(1)) == ["ACCEPTED"]
