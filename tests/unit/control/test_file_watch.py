"""The gateway begins only with files that are complete."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.access.errors import AccessError
from gateway.access.settled_file import FileClocks
from gateway.access.setup import Access, AccessFiles
from gateway.control.audit import Audit
from gateway.control.file_check_timer import LONGEST_SETTLING_S
from gateway.control.file_watch import FileWatch
from gateway.control.guard_keeper import GuardKeeper, GuardPaths
from gateway.control.live_settings import LiveSettings
from gateway.directory.directory import CampaignDirectory
from gateway.settings import Settings, load
from tests.files import put

NAMES = "version: 1\ncampaigns:\n  - {id: a, name: first}\n"
GUARD = 'version: 1\nrules: [{name: day, campaigns: ["*"], hours: always}]\n'


class Starting:
    """A gateway that starts while its files are written: `write` is called at each look with its seconds.

    Its wall clock takes every file that was not renamed for one that was just written.
    """

    def __init__(self, folder: Path, write: Callable[[float], object] = lambda _: None) -> None:
        self.now = 0.0
        self.write = write
        clocks = FileClocks(lambda: self.now, lambda: 0.0)
        self.directory = CampaignDirectory()
        names, guard, settings = folder / "names.yaml", folder / "guard.yaml", folder / "gateway.toml"
        access = Access(
            AccessFiles(campaigns=str(names) if names.exists() else None),
            lambda *_: None,
            self.directory,
            clocks,
        )
        environment = {"DIAL_GATEWAY_CONFIG": str(settings)} if settings.exists() else {}
        self.applied: list[Settings] = []
        self.live = LiveSettings(
            load(environment)[0], environment, self.applied.append, Audit("gateway-1"), clocks
        )
        paths = GuardPaths(str(guard) if guard.exists() else None)
        self.guard = GuardKeeper(paths, self.directory, lambda: 0.0, clocks)
        self.watch = FileWatch(access, self.live, self.guard)

    async def settled(self) -> float:
        """Wait until the files are complete; return after how many seconds they were."""

        async def sleep(seconds: float) -> None:
            self.now += seconds
            self.write(self.now)

        await self.watch.settled(sleep)
        return self.now


async def test_complete_files_are_not_waited_for(tmp_path: Path) -> None:
    for name, text in (("names.yaml", NAMES), ("guard.yaml", GUARD), ("gateway.toml", "call_rate = 5\n")):
        put(tmp_path / name, text)
    assert await Starting(tmp_path).settled() == 0.0
    assert await Starting(tmp_path / "nothing").settled() == 0.0


async def test_the_start_waits_for_files_that_are_being_written(tmp_path: Path) -> None:
    """What they hold then is in use before the gateway serves."""
    path = tmp_path / "names.yaml"
    path.write_text(NAMES)

    def write(at: float) -> None:
        if at <= 3:
            path.write_text(f"{path.read_text()}  - {{id: b{at}, name: second-{at:.0f}}}\n")

    starting = Starting(tmp_path, write)
    assert await starting.settled() == 4.0
    assert [name for name, _ in starting.directory.table.names()] == [
        *("first", "second-1", "second-2", "second-3"),
    ]


async def test_files_of_the_guard_are_waited_for_too(tmp_path: Path) -> None:
    (tmp_path / "guard.yaml").write_text(GUARD)
    starting = Starting(tmp_path)
    assert await starting.settled() == 1.0
    assert starting.guard.rules is not None
    assert starting.guard.rules.files.settled


async def test_a_file_that_is_invalid_when_it_is_complete_ends_the_start(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(NAMES)
    starting = Starting(tmp_path, lambda at: path.write_text(NAMES + "wrong: 1\n") if at == 1 else None)
    with pytest.raises(AccessError, match="wrong: unknown key"):
        await starting.settled()


async def test_a_file_that_is_written_without_end_ends_the_start(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(NAMES)
    starting = Starting(tmp_path, lambda at: path.write_text(NAMES + "#" * (int(at) % 2)))
    with pytest.raises(AccessError, match=r"^the campaign directory is still changing$"):
        await starting.settled()
    assert starting.now == LONGEST_SETTLING_S


async def test_settings_that_were_read_in_part_end_the_start_or_are_applied(tmp_path: Path) -> None:
    """Of those that cannot change in a running gateway, a part may leave out the policy."""
    path = tmp_path / "gateway.toml"
    path.write_text("call_burst = 5\n")
    live = "call_burst = 5\ncall_rate = 3\n"
    starting = Starting(tmp_path, lambda at: path.write_text(live) if at == 1 else None)
    assert await starting.settled() == 2.0
    assert [applied.call_rate for applied in starting.applied] == [3.0]
    whole = live + 'policy_file = "policy.yaml"\n'
    path.write_text(live)
    starting = Starting(tmp_path, lambda at: path.write_text(whole) if at == 1 else None)
    with pytest.raises(AccessError, match=rf"^{re.escape(str(path))}: policy_file changed during the start"):
        await starting.settled()


async def test_settings_that_changed_before_they_were_looked_at_are_not_missed(tmp_path: Path) -> None:
    """Between the reading for the start and the first look, the gateway may wait for its shared state."""
    put(tmp_path / "gateway.toml", "call_rate = 5\n")
    starting = Starting(tmp_path)
    starting.live.in_use = Settings(call_rate=4.0)
    await starting.settled()
    assert [applied.call_rate for applied in starting.applied] == [5.0]
