"""The guard that a gateway uses, and the changes of its files."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.access.errors import AccessError
from gateway.access.settled_file import FileClocks
from gateway.compliance.key_file import read_key
from gateway.control.file_check_timer import LONGEST_SETTLING_S
from gateway.control.guard_keeper import GuardKeeper, GuardPaths
from gateway.core.compliance.port import RequestGuard
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.compliance.verdict import VerdictKind
from gateway.core.model import Reason
from gateway.directory.directory import NO_DIRECTORY
from gateway.runtime.key_file import SHORTEST_KEY
from tests.files import put
from tests.unit.compliance.making import LONDON, NEW_YORK, request, utc

NOW = utc("2026-07-15T16:00")
OPEN = 'version: 1\nrules: [{name: day, campaigns: ["*"], hours: always}]\n'
LIMITED = OPEN.replace("}]", ", limits: [a]}]\nlimits: {a: {calls: 1, period: 1d}}")
LISTED = (
    "version: 1\nlists: {{dnc: {{file: {path}}}}}\n"
    'rules: [{{name: day, campaigns: ["*"], hours: always, lists: [dnc]}}]\n'
)


class Owner:
    """What the gateway does with a guard: it keeps those it was given, and counts reviews."""

    def __init__(self, keeper: GuardKeeper) -> None:
        self.given: list[RequestGuard] = []
        self.reviews = 0
        keeper.use, keeper.review = self.given.append, self._review

    def _review(self) -> None:
        self.reviews += 1


def keeper_of(text: str, folder: Path) -> tuple[GuardKeeper, Owner, Path]:
    """Return a keeper of a guard file with a text, and its owner."""
    path = folder / "guard.yaml"
    put(path, text)
    keeper = GuardKeeper(GuardPaths(str(path)), NO_DIRECTORY, lambda: NOW)
    return keeper, Owner(keeper), path


async def test_the_rules_decide_from_the_start(tmp_path: Path) -> None:
    """The owner gets the guard of the file."""
    keeper, owner, _ = keeper_of(OPEN, tmp_path)
    keeper.start()
    (guard,) = owner.given
    assert guard.decide(NOW, request()).kind is VerdictKind.ALLOWED
    assert guard.decide(NOW, request("+12125")).reason is Reason.NUMBER_NOT_ALLOWED


async def test_without_a_file_nothing_decides_until_a_number_is_suppressed() -> None:
    """Suppressions work without rules: all other numbers are allowed."""
    keeper = GuardKeeper(GuardPaths(), NO_DIRECTORY, lambda: NOW)
    owner = Owner(keeper)
    keeper.start()
    await keeper.reread()
    assert not owner.given
    assert keeper.refused is None
    keeper.suppressions.live.add(keeper.hashing.of(NEW_YORK))
    keeper.activate()
    keeper.activate()
    (guard,) = owner.given
    assert guard.decide(NOW, request()).reason is Reason.SUPPRESSED
    assert guard.decide(NOW, request("+12125550124")).kind is VerdictKind.ALLOWED


async def test_a_change_of_the_rules_is_taken_over(tmp_path: Path) -> None:
    """The owner gets another guard, once."""
    keeper, owner, path = keeper_of(OPEN, tmp_path)
    keeper.start()
    put(path, OPEN.replace("hours: always", "hours: {monday: ['08:00-09:00']}"))
    await keeper.reread()
    await keeper.reread()
    assert len(owner.given) == 2
    assert owner.given[1].decide(NOW, request()).kind is VerdictKind.NOT_BEFORE


@pytest.mark.parametrize(
    "broken",
    [
        "version: 2\n",
        OPEN.replace("always", "{}"),
        LIMITED,
    ],
)
async def test_an_invalid_change_replaces_nothing_and_is_counted(broken: str, tmp_path: Path) -> None:
    """The same goes for rules that need a shared state where there is none."""
    keeper, owner, path = keeper_of(OPEN, tmp_path)
    keeper.start()
    put(path, broken)
    await keeper.reread()
    await keeper.reread()
    assert len(owner.given) == 1
    assert keeper.refused == 1
    with pytest.raises(AccessError, match="DIAL_GATEWAY_GUARD_FILE"):
        GuardKeeper(GuardPaths(str(path)), NO_DIRECTORY, lambda: NOW)


async def test_a_change_of_a_list_is_reviewed(tmp_path: Path) -> None:
    """The guard stays; what waits is decided again."""
    listed = tmp_path / "dnc.txt"
    put(listed, "+12125550199\n")
    keeper, owner, _ = keeper_of(LISTED.format(path=listed), tmp_path)
    keeper.start()
    (guard,) = owner.given
    assert guard.decide(NOW, request()).kind is VerdictKind.ALLOWED
    put(listed, f"+12125550199\n{NEW_YORK}\n")
    await keeper.reread()
    assert guard.decide(NOW, request()).reason is Reason.SUPPRESSED
    assert (len(owner.given), owner.reviews) == (1, 1)


async def test_files_are_read_when_it_is_asked_for(tmp_path: Path) -> None:
    """`look` does not wait for the next regular time."""
    keeper, owner, path = keeper_of(OPEN, tmp_path)
    keeper.start()
    put(path, OPEN + "unmatched: allow\n")
    running = asyncio.create_task(keeper.run())
    keeper.look()
    async with asyncio.timeout(30):
        while len(owner.given) < 2:  # noqa: ASYNC110 - a thread reads the file
            await asyncio.sleep(0.001)
    running.cancel()


async def test_decisions_are_counted_by_rule_reason_and_kind(tmp_path: Path) -> None:
    """Each decision is counted for the metrics, by rule, reason and kind."""
    keeper, owner, _ = keeper_of(OPEN, tmp_path)
    keeper.start()
    refused = request("+12125")
    record = GuardRecord(GuardDecision.REFUSED, refused, "caller", owner.given[0].decide(NOW, refused))
    keeper.note([record, record])
    assert keeper.decisions == {("day", Reason.NUMBER_NOT_ALLOWED, GuardDecision.REFUSED): 2}
    assert "12125" not in repr(record)


def test_a_key_makes_equal_hashes_in_all_processes(tmp_path: Path) -> None:
    """Without a key file, each process has its own."""
    path = tmp_path / "key"
    path.write_bytes(b"a secret of the fleet\n")
    paths = GuardPaths(key=str(path))
    one, other = (GuardKeeper(paths, NO_DIRECTORY, lambda: NOW).hashing.of(NEW_YORK) for _ in range(2))
    assert one == other
    assert GuardKeeper(GuardPaths(), NO_DIRECTORY, lambda: NOW).hashing.of(NEW_YORK) != one


@pytest.mark.parametrize("content", [None, b"", b"x" * (SHORTEST_KEY - 1), b" " * 40])
def test_a_key_that_cannot_be_used_ends_the_start(content: bytes | None, tmp_path: Path) -> None:
    """The text names the setting and the file, and never the key."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AccessError, match=f"DIAL_GATEWAY_GUARD_KEY_FILE: .*{path.name}"):
        read_key(str(path))


async def test_rules_that_were_read_in_a_thread_count_only_with_their_lists(tmp_path: Path) -> None:
    """A number that is suppressed meanwhile does not bring the new rules into use without their lists."""
    keeper, owner, path = keeper_of(OPEN, tmp_path)
    keeper.start()
    put(tmp_path / "dnc.txt", "+12125550100\n")
    put(path, LISTED.format(path=tmp_path / "dnc.txt"))
    assert keeper.rules is not None
    assert keeper.rules.reread(NOW)
    keeper.activate()
    assert [guard.decide(NOW, request()).kind for guard in owner.given] == [VerdictKind.ALLOWED]
    keeper.rules.publish()
    keeper.activate()
    assert owner.given[-1].decide(NOW, request("+12125550100")).reason is Reason.SUPPRESSED


def starting(
    path: Path, write: Callable[[float], object]
) -> tuple[GuardKeeper, Callable[[float], Awaitable[None]]]:
    """Return a keeper of a file that was just written, and what takes the place of sleeping.

    That moves the clock, and calls `write` with how long it has slept in total.
    """
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        write(now)

    clocks = FileClocks(steady=lambda: now, wall=lambda: 0.0)
    return GuardKeeper(GuardPaths(str(path)), NO_DIRECTORY, lambda: NOW, clocks), sleep


async def test_the_start_waits_for_files_that_are_being_written(tmp_path: Path) -> None:
    """A part of the rules may be valid, and allow more than all of them."""
    path, slept = tmp_path / "guard.yaml", []

    def write(at: float) -> None:
        slept.append(at)
        if at < 3:
            path.write_text(path.read_text() + f"{'#' * int(at)}\n")
        elif at == 3:
            path.write_text(path.read_text() + "unmatched: allow\n")

    path.write_text(OPEN)
    keeper, sleep = starting(path, write)
    before = keeper.version
    await keeper.settled(sleep)
    assert slept == [1.0, 2.0, 3.0, 4.0]
    assert keeper.version != before
    await keeper.settled(sleep)
    assert len(slept) == 4


async def test_files_that_are_invalid_when_they_are_complete_end_the_start(tmp_path: Path) -> None:
    """Their first part was valid, but is not used."""
    path = tmp_path / "guard.yaml"
    path.write_text(OPEN)
    keeper, sleep = starting(path, lambda at: path.write_text(OPEN + "wrong: 1\n") if at == 1 else None)
    with pytest.raises(AccessError, match="wrong"):
        await keeper.settled(sleep)


async def test_files_that_are_written_without_end_end_the_start(tmp_path: Path) -> None:
    path, slept = tmp_path / "guard.yaml", []

    def write(at: float) -> None:
        slept.append(at)
        path.write_text(OPEN + "#" * (int(at) % 2))

    path.write_text(OPEN)
    keeper, sleep = starting(path, write)
    with pytest.raises(AccessError, match="still changing"):
        await keeper.settled(sleep)
    assert slept[-1] == LONGEST_SETTLING_S


async def test_digests_tell_whether_replicas_have_the_same_list(tmp_path: Path) -> None:
    """Replicas with one key have equal digests of equal numbers, and others after a change."""
    put(tmp_path / "key", "k" * SHORTEST_KEY)
    keepers = []
    for name, numbers in (("a", [NEW_YORK, LONDON]), ("b", [LONDON, NEW_YORK])):
        put(tmp_path / name, "\n".join(numbers))
        put(tmp_path / f"{name}.yaml", LISTED.format(path=tmp_path / name))
        paths = GuardPaths(str(tmp_path / f"{name}.yaml"), str(tmp_path / "key"))
        keepers.append(GuardKeeper(paths, NO_DIRECTORY, lambda: NOW))
    first, second = keepers
    assert first.list_digests.keys() == {"dnc"}
    assert first.list_digests == second.list_digests
    put(tmp_path / "b", f"{LONDON}\n+12125550124\n")
    await second.reread()
    assert first.list_digests != second.list_digests


async def test_there_are_no_digests_before_all_replicas_have_a_key(tmp_path: Path) -> None:
    """Without a key file they would differ, as the keys that processes draw do."""
    put(tmp_path / "numbers", NEW_YORK)
    keeper, _, _ = keeper_of(LISTED.format(path=tmp_path / "numbers"), tmp_path)
    assert keeper.list_digests == {}
    keeper.has_fleet_key = lambda: True
    assert keeper.list_digests.keys() == {"dnc"}
    without_file = GuardKeeper(GuardPaths(), NO_DIRECTORY, lambda: NOW)
    without_file.has_fleet_key = lambda: True
    assert without_file.list_digests == {}
