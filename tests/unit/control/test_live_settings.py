"""Settings that change with their file while the gateway runs, and the audit record of each change."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.access.settled_file import WRITTEN_QUIET_S
from gateway.control.audit import Audit, Value
from gateway.control.live_settings import LiveSettings
from gateway.settings import Settings, load
from tests.files import ManualClocks, put


class Running:
    """A gateway's settings from a file and variables."""

    def __init__(self, file: Path, **variables: str) -> None:
        self.file = file
        self.environment = {"DIAL_GATEWAY_CONFIG": str(file), **variables}
        self.applied: list[Settings] = []
        self.events: list[tuple[str, Mapping[str, Value]]] = []
        audit = Audit("gateway-1", lambda name, _, fields: self.events.append((name, fields)))
        settings, _ = load(self.environment)
        self.clock = ManualClocks()
        self.live = LiveSettings(settings, self.environment, self.applied.append, audit, self.clock.clocks)

    def change(self, text: str) -> bool:
        """Replace the file, have it read again, and return whether there was something to take over."""
        put(self.file, text)
        found = self.live.reread()
        if found:
            self.live.take_over()
        return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    put(path, "call_rate = 10\n")
    return path


def test_a_live_setting_is_taken_over(file: Path) -> None:
    """It applies at once, and the audit record has one event with the values before and after."""
    running = Running(file)
    assert running.change('call_rate = 25\ncall_burst = 5\nlog_level = "DEBUG"\nwould_expire = false\n')
    (applied,) = running.applied
    assert (applied.call_rate, applied.call_burst, applied.log_level) == (25.0, 5.0, "DEBUG")
    assert applied.would_expire is False
    assert [fields["setting"] for _, fields in running.events] == [
        "call_rate",
        "call_burst",
        "would_expire",
        "log_level",
    ]
    name, fields = running.events[0]
    assert name == "setting.change"
    assert fields == {
        "actor": str(file),
        "identified_by": "file",
        "interface": "file",
        "reason": "",
        "replica": "gateway-1",
        "setting": "call_rate",
        "before": 10.0,
        "after": 25.0,
    }


def test_a_file_that_is_written_in_place_changes_nothing_before_it_is_complete(file: Path) -> None:
    """A part of it is valid, and has the defaults for the settings that it lacks."""
    put(file, "call_burst = 3\ncall_rate = 4\n")
    running = Running(file)
    file.write_text("call_burst = 3\n")
    running.clock.now += 1.0
    assert not running.live.reread()
    running.clock.now += WRITTEN_QUIET_S - 0.1
    assert not running.live.reread()
    file.write_text("call_burst = 3\ncall_rate = 5\n")
    assert not running.live.reread()
    running.clock.now += 1.0
    assert running.live.reread()
    running.live.take_over()
    assert [applied.call_rate for applied in running.applied] == [5.0]
    file.write_text("call_rate = 6\n")
    assert not running.live.reread()
    running.clock.now += WRITTEN_QUIET_S
    assert running.live.reread()


def test_an_invalid_change_leaves_everything_as_it_was(file: Path) -> None:
    """The next valid one is taken over."""
    running = Running(file)
    for text in ("call_rate = -1\n", "call_rate = [\n", "call_rates = 1\n"):
        assert not running.change(text)
    assert (running.applied, running.live.refused) == ([], 3)
    assert running.change("call_rate = 11\n")
    assert running.live.in_use.call_rate == 11.0


def test_a_setting_that_needs_a_restart_is_named(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is not applied, and the live ones beside it are."""
    running = Running(file)
    running.change("call_rate = 9\nlinger = 1\n")
    assert (running.live.in_use.call_rate, running.live.in_use.linger) == (9.0, 0.05)
    assert "these changed settings need a restart: linger" in caplog.messages


def test_variables_override_the_file_with_a_log_line(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A change without effect is not silent."""
    running = Running(file, DIAL_GATEWAY_CALL_RATE="3")
    running.change("call_rate = 9\n")
    assert (running.applied, running.events) == ([], [])
    assert "settings in the file without effect, since variables set them: call_rate" in caplog.messages


def test_a_secret_is_in_no_event_and_no_line(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The event and the log line name the secret setting, without its value."""
    caplog.set_level(logging.DEBUG)
    running = Running(file)
    running.change('shared_state_password = "pass-word-of-the-test"\n')
    assert "these changed settings need a restart: shared_state_password" in caplog.messages
    assert "pass-word-of-the-test" not in caplog.text


def test_without_a_file_nothing_changes() -> None:
    """Without a file there is nothing to read, so no setting changes."""
    live = LiveSettings(Settings(), {}, lambda _: None, Audit("gateway-1"))
    assert (live.reread(), live.refused) == (False, None)
    live.take_over()
