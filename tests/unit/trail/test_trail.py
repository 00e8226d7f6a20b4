"""The trail of the guard: lines, files, and what is lost."""

import errno
import json
import logging
import os
import resource
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.compliance.number_hash import NumberHash
from gateway.core.channels import Email
from gateway.core.compliance.records import GuardDecision
from gateway.trail.lines import Line, Lines
from gateway.trail.trail_file import TrailFile, TrailRefused
from gateway.trail.writer import Trail
from tests.unit.trail.records import KEY, NOON, NUMBER, OTHER, opened, record, written

PATIENCE_S = 10.0


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_says_when_for_whom_and_under_which_rule_without_the_number(tmp_path: Path) -> None:
    """The number is there as a keyed hash only."""
    path = tmp_path / "trail"
    written(path, record(), record(OTHER, "t-2", GuardDecision.REFUSED))
    start, accepted, refused, stop = lines_of(path)
    del accepted["trail"], accepted["chain"]
    assert accepted == {
        "seq": 2,
        "time": "2026-11-30T12:00:00.250Z",
        "replica": "gateway-1",
        "decision": "accepted",
        "number": NumberHash(KEY).of(NUMBER).hex(),
        "channel": "telephony",
        "campaign": "campaign-1",
        "token": "t-1",
        "caller": "billing",
        "rule": "debts",
        "version": "v7",
        "dial_request_id": "dial-1",
        "trace_id": "0af7",
    }
    assert (refused["decision"], refused["reason"]) == ("refused", "SUPPRESSED")
    assert refused["detail"] == "rule debts: lists: phone_number is in dnc"
    assert (start["event"], start["after"], start["clean"], stop["event"]) == ("start", "", True, "stop")
    assert NUMBER[1:].encode() not in path.read_bytes()


def test_an_email_has_the_hash_of_its_address(tmp_path: Path) -> None:
    """It has no phone number; its channel is named."""
    path, address = tmp_path / "trail", "anna@example.org"
    made = record("")
    made.request.channel = Email(address)
    written(path, made)
    line = lines_of(path)[1]
    assert (line["number"], line["channel"]) == (NumberHash(KEY).of(address).hex(), "email")
    assert address.encode() not in path.read_bytes()


def test_an_operators_act_is_in_the_trail(tmp_path: Path) -> None:
    """It says who has suppressed the number, and why."""
    trail = opened(tmp_path / "trail")
    trail.operator(NOON, "suppressed", NumberHash(KEY).of(NUMBER), "ines", "she asked")
    assert trail.close(PATIENCE_S)
    act = lines_of(tmp_path / "trail")[1]
    assert (act["decision"], act["caller"], act["detail"]) == ("suppressed", "ines", "she asked")
    assert act["number"] == NumberHash(KEY).of(NUMBER).hex()


def test_a_start_continues_the_trail_and_names_its_last_line(tmp_path: Path) -> None:
    """It also says whether the process before has ended as it should; an incomplete last line is removed."""
    path = tmp_path / "trail"
    written(path, record())
    written(path, record())
    first, *_, stop, second, _, last = lines_of(path)
    assert (second["event"], second["after"], second["clean"]) == ("start", stop["chain"], True)
    assert (second["trail"], second["seq"]) == (first["trail"], stop["seq"] + 1)
    path.write_bytes(path.read_bytes().removesuffix(b"\n")[:-20])  # as if killed while it wrote the line
    written(path)
    *_, kept, third, _ = lines_of(path)
    assert (third["after"], third["clean"]) == (kept["chain"], False)
    assert kept["seq"] == last["seq"] - 1


def test_another_key_begins_another_trail(tmp_path: Path) -> None:
    """Its lines could not be checked with the key of the others."""
    path = tmp_path / "trail"
    written(path)
    opened(path, key=b"another key of 16 bytes").close(PATIENCE_S)
    names = {line["trail"] for line in lines_of(path)}
    assert len(names) == 2


def test_full_files_are_renamed_and_the_oldest_are_removed(tmp_path: Path) -> None:
    """Each file begins with a line that names the last line of the one before."""
    path = tmp_path / "trail"
    file = TrailFile(path, 3000, 2)
    lines = Lines("g", KEY, NumberHash(KEY).of, file.open())
    for number in range(100):
        if file.renew(NOON + number):
            file.write([lines.new_file(NOON + number)])
        file.write(lines.decisions(NOON + number, [record(token=f"t-{number}")]))
    file.close()
    older, newer = sorted(tmp_path.glob("trail.*"))
    assert older.name < newer.name
    assert 3000 <= newer.stat().st_size < 4000
    assert lines_of(newer)[0]["after"] == lines_of(older)[-1]["chain"]
    assert lines_of(path)[0]["after"] == lines_of(newer)[-1]["chain"]


def test_a_renamed_file_is_continued_in_a_new_one(tmp_path: Path) -> None:
    """Another program may move files away, also while no gateway runs if the newest stays in the folder."""
    path, moved = tmp_path / "trail", tmp_path / "trail.20261130T110000.000000Z"
    file = TrailFile(path, 1 << 20, 5)
    lines = Lines("g", KEY, NumberHash(KEY).of, file.open())
    file.write([lines.start(NOON)])
    path.rename(moved)
    assert file.renew(NOON)
    file.write([lines.new_file(NOON)])
    assert lines_of(path)[0]["after"] == lines_of(moved)[0]["chain"]
    path.unlink()
    file.close()
    file = TrailFile(path, 1 << 20, 5)
    end = file.open()
    file.close()
    assert end is not None
    assert end.chain == lines_of(moved)[0]["chain"]


def test_a_file_that_is_removed_or_shortened_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The loss is counted at once, and the trail continues."""
    path = tmp_path / "trail"
    file = TrailFile(path, 1 << 20, 5)
    lines = Lines("g", KEY, NumberHash(KEY).of, file.open())
    file.write([lines.start(NOON)])
    os.truncate(path, 10)
    assert not file.renew(NOON)
    path.unlink()
    assert file.renew(NOON)
    said = [line.message.rpartition(": ")[2] for line in caplog.records]
    assert said == [f"the file was {what} by another program" for what in ("shortened", "removed")]
    assert file.damages == 2
    file.close()


def test_a_line_that_was_written_in_part_is_continued(tmp_path: Path) -> None:
    """The disk takes the first bytes of a line, and the others once it has room."""
    path = tmp_path / "trail"
    file = TrailFile(path, 1 << 20, 5)
    line = Lines("g", KEY, NumberHash(KEY).of, file.open()).start(NOON)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            file.write([line])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == line[1][:50]
    assert not file.renew(NOON)
    file.write([])
    assert path.read_bytes() == line[1]
    file.close()


def test_a_file_of_another_process_or_purpose_is_refused(tmp_path: Path) -> None:
    """Two writers would break the chain; and a wrong path must not destroy what is there."""
    path = tmp_path / "trail"
    file = TrailFile(path, 1 << 20, 5)
    file.open()
    with pytest.raises(TrailRefused, match="another process"):
        TrailFile(path, 1 << 20, 5).open()
    file.close()
    path.write_text("a secret without a line end")
    with pytest.raises(TrailRefused, match="does not hold lines of a trail"):
        TrailFile(path, 1 << 20, 5).open()
    assert path.read_text() == "a secret without a line end"


def begun(disk: "Full", records: int = 1000) -> Trail:
    """Return a trail that writes to a disk, and tries again at once."""
    lines = Lines("g", KEY, NumberHash(KEY).of)
    trail = Trail("test", disk, lines, lambda: NOON, records=records, retry_s=0.001)
    trail.start()
    return trail


class Full:
    """A disk that is full until `room` is set; then it takes all lines."""

    def __init__(self) -> None:
        self.room = threading.Event()
        self.tried = threading.Event()
        self.damages = self.lost = 0
        self.left: list[Line] = []
        self.lines: list[Line] = []

    def renew(self, now: float) -> bool:
        """There is one file."""
        return False

    def write(self, lines: Sequence[Line]) -> None:
        """Take them if there is room."""
        self.left += lines
        if not self.room.is_set():
            self.tried.set()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.lines += self.left
        self.left.clear()

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_nothing_is_lost_while_the_queue_has_room_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line of the trail says how many records are missing; the trail is blocked until it is written."""
    disk = Full()
    trail = begun(disk, 10)
    assert disk.tried.wait(PATIENCE_S)
    for number in range(13):
        trail.put(NOON, [record(token=f"t-{number}")])
    assert (trail.blocked, *trail.figures()[1:5]) == (True, 3, 0, 10, True)
    disk.room.set()
    assert trail.close(PATIENCE_S)
    kept = [fields.get("token") or fields.get("records") or fields["event"] for fields, _ in disk.lines]
    assert kept == ["start", *(f"t-{number}" for number in range(10)), 3, "stop"]
    assert (trail.blocked, *trail.figures()[:5]) == (False, 10, 3, 0, 0, False)
    said = [line.message for line in caplog.records if line.levelno == logging.ERROR]
    assert said == [
        "test: the trail cannot be written: No space left on device",
        "test: records are lost: too many waited to be written",
    ]


def test_a_trail_that_does_not_keep_up_is_blocked_before_records_are_lost() -> None:
    """Half of the queue is enough for the calls in flight."""
    disk = Full()
    trail = begun(disk, 10)
    disk.room.set()
    assert trail.close(PATIENCE_S)
    trail.put(NOON, [record()] * 6)
    assert trail.blocked
    assert trail.figures().lost == 0


def test_the_queue_is_bounded_in_bytes_too() -> None:
    """Attributes of dial requests take memory. A list that finds the queue empty has room in any case."""
    disk = Full()
    trail = Trail("test", disk, Lines("g", KEY, NumberHash(KEY).of), lambda: NOON, size=2000)
    trail.put(NOON, [record()] * 4)
    assert (trail.waiting, trail.blocked, trail.figures().lost) == (4, True, 0)
    trail.put(NOON, [record()])
    assert (trail.waiting, trail.figures().lost) == (4, 1)


def test_the_loss_at_the_end_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A disk that stays full delays the end by no more than the time given."""
    disk = Full()
    trail = begun(disk)
    assert disk.tried.wait(PATIENCE_S)
    trail.put(NOON, [record()])
    assert not trail.close(0.1)
    lost = {line.message: line.__dict__.get("lost") for line in caplog.records}
    assert lost["test: the end of the trail was not written"] == 1
