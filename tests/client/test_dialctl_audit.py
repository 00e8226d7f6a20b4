"""`dialctl audit` reads what the gateway's trail has written, and finds whatever is missing or changed."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialgateway.dialctl import main
from dialgateway.dialctl.audit_hashes import TrailKey
from gateway.compliance.number_hash import NumberHash
from gateway.core.compliance.records import GuardDecision
from gateway.trail.chain import Chain
from gateway.trail.lines import Lines
from gateway.trail.trail_file import TrailFile
from tests.unit.trail.records import KEY, NOON, NUMBER, OTHER, record, written


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a key file, with a line end as editors write it."""
    path = tmp_path / "guard.key"
    path.write_bytes(KEY + b"\n")
    return path


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Return a trail of ten calls to another number, and of three records about the number."""
    path = tmp_path / "trail"
    written(path, *(record(OTHER, f"other-{number}") for number in range(10)))
    written(
        path, record(), record(decision=GuardDecision.POSSIBLY_SENT), record(decision=GuardDecision.REFUSED)
    )
    return path


Json = dict[str, Any]


def audited(
    capsys: pytest.CaptureFixture[str], key_file: Path, *files: Path, number: str = NUMBER
) -> tuple[int, Json]:
    """Run the command; return its exit code and its document."""
    code = main(["audit", number, *map(str, files), "--key-file", str(key_file), "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


@given(key=st.binary(min_size=1, max_size=80), number=st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z"))
def test_both_sides_hash_alike(key: bytes, number: str) -> None:
    """The client does not import the gateway, so the hashes are written twice."""
    ours, theirs = TrailKey(key), Chain(key, "ab")
    assert ours.number_hash(number) == NumberHash(key).of(number).hex()
    assert ours.key_id == theirs.key_id
    line = theirs.line(b'{"a":1}')
    hashing = ours.chain.copy()
    hashing.update(b'ab{"a":1}')
    assert line == b'{"a":1,"chain":"%b"}\n' % hashing.hexdigest().encode()


def test_it_says_when_a_number_was_called_by_whom_and_under_which_rule(
    capsys: pytest.CaptureFixture[str], key_file: Path, trail: Path
) -> None:
    """The exit code 0 says that no line is missing."""
    assert main(["audit", "+1 (202) 555-0123", str(trail), "--key-file", str(key_file)]) == 0
    shown = capsys.readouterr().out.splitlines()
    when = "2026-11-30T12:00:00.250Z"
    assert shown[:4] == [
        f"{when}  called  campaign campaign-1  by billing  rule debts  version v7",
        f"{when}  possibly called  campaign campaign-1  by billing  rule debts  version v7",
        f"{when}  refused  campaign campaign-1  by billing  rule debts  version v7  SUPPRESSED",
        "The number was called once, possibly called once, refused once.",
    ]
    assert shown[-1] == "No line is missing or changed."


def test_a_number_that_is_not_there_was_not_called(
    capsys: pytest.CaptureFixture[str],
    key_file: Path,
    trail: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The number may come from standard input, which keeps it out of the shell's history."""
    monkeypatch.setattr("sys.stdin", io.StringIO("+493012345678\n"))
    code, found = audited(capsys, key_file, trail, number="-")
    assert (code, found["called"], found["records"], found["whole"]) == (0, 0, [], True)
    assert found["trails"][0]["stopped"] is True


def test_the_documented_line_has_the_fields_that_the_gateway_writes(trail: Path) -> None:
    """The line in the document has the fields of a real line, in the same order."""
    document = Path(__file__).parents[2] / "docs" / "audit-trail.md"
    (shown,) = [line for line in document.read_text().splitlines() if line.startswith('{"seq"')]
    assert list(json.loads(shown)) == list(json.loads(trail.read_bytes().splitlines()[1]))


def changed(trail: Path, number: int, *new: bytes) -> None:
    """Replace one line of a file."""
    lines = trail.read_bytes().splitlines(keepends=True)
    lines[number - 1 : number] = new
    trail.write_bytes(b"".join(lines))


def gaps(found: Json) -> list[tuple[str, int, int]]:
    return [(gap["kind"], gap["line"], gap["missing"]) for gap in found["gaps"]]


def test_a_missing_line_is_found(capsys: pytest.CaptureFixture[str], key_file: Path, trail: Path) -> None:
    """Its place is named. The rest is still searched."""
    changed(trail, 4)
    code, found = audited(capsys, key_file, trail)
    assert (code, gaps(found), found["called"]) == (1, [("missing", 4, 1)], 1)
    assert main(["audit", NUMBER, str(trail), "--key-file", str(key_file)]) == 1
    assert f"{trail}: line 4: 1 lines are missing before this one" in capsys.readouterr().out


def test_a_changed_line_is_found(capsys: pytest.CaptureFixture[str], key_file: Path, trail: Path) -> None:
    """Whoever lacks the key cannot compute its hash."""
    line = trail.read_bytes().splitlines(keepends=True)[3]
    changed(trail, 4, line.replace(b"billing", b"someone"))
    assert gaps(audited(capsys, key_file, trail)[1]) == [("changed", 4, 0)]


def test_exchanged_and_foreign_lines_are_found(
    capsys: pytest.CaptureFixture[str], key_file: Path, trail: Path
) -> None:
    """A line that was moved is missing in its place."""
    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join([*lines[:3], lines[4], lines[3], b"noise\n", *lines[5:]]))
    found = gaps(audited(capsys, key_file, trail)[1])
    assert found == [("missing", 4, 1), ("moved", 5, 0), ("unreadable", 6, 0), ("missing", 7, 1)]


def test_a_missing_file_and_a_killed_process_are_found(
    capsys: pytest.CaptureFixture[str], key_file: Path, tmp_path: Path
) -> None:
    """Files may be given in any order, and compressed."""
    parts = [tmp_path / f"part-{number}" for number in range(3)]
    path = tmp_path / "trail"
    for part in parts:
        file = TrailFile(path, 1 << 20, 5)
        lines = Lines("gateway-1", KEY, NumberHash(KEY).of, file.open())
        file.write([lines.start(NOON), *lines.decisions(NOON, [record()])])
        file.close()
        part.write_bytes(path.read_bytes())
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[-1])
    last = tmp_path / "part-2.gz"
    whole = parts[2].read_bytes().split(b"\n", 1)[1]
    last.write_bytes(gzip.compress(whole))
    middle = parts[1].read_bytes().split(b"\n", 1)[1]
    parts[1].write_bytes(middle)
    code, found = audited(capsys, key_file, last, parts[1], parts[0])
    assert (code, found["called"], gaps(found)) == (1, 3, [("killed", 1, 0), ("killed", 1, 0)])
    assert found["trails"][0]["stopped"] is False
    code, found = audited(capsys, key_file, last, parts[0])
    assert gaps(found) == [("missing", 1, 2), ("killed", 1, 0)]
    last.write_bytes(gzip.compress(whole)[:-20])
    code, found = audited(capsys, key_file, *parts[:2], last)
    assert gaps(found)[-1][0] == "unreadable"


def test_records_that_were_lost_are_counted(
    capsys: pytest.CaptureFixture[str], key_file: Path, tmp_path: Path
) -> None:
    """A line of the trail says how many records were lost, and the report counts them."""
    path = tmp_path / "trail"
    file = TrailFile(path, 1 << 20, 5)
    lines = Lines("gateway-1", KEY, NumberHash(KEY).of, file.open())
    file.write([lines.start(NOON), lines.lost(NOON, 7)])
    file.close()
    assert gaps(audited(capsys, key_file, path)[1]) == [("lost", 2, 7)]


def test_another_key_and_a_text_that_is_no_number_are_refused(
    capsys: pytest.CaptureFixture[str], key_file: Path, trail: Path
) -> None:
    """With another key, every number would seem not to have been called."""
    key_file.write_bytes(b"another key of 16 bytes")
    assert main(["audit", NUMBER, str(trail), "--key-file", str(key_file)]) == 2
    assert "was written with another key" in capsys.readouterr().err
    key_file.write_bytes(b"short")
    assert main(["audit", NUMBER, str(trail), "--key-file", str(key_file)]) == 2
    assert "a key has 16 to 1024 bytes" in capsys.readouterr().err
    assert main(["audit", "anna", str(trail), "--key-file", str(key_file)]) == 2
    assert "anna" not in capsys.readouterr().err
