"""Read the files of audit trails: find the lines about a number, and check that none is missing or changed.

Each line ends with a keyed hash over itself and the hash of the line before. Lines are parsed only if they
are about the number or about the trail itself, or if their hash is wrong: a million lines take a few seconds.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from dialgateway.dialctl.audit_hashes import TrailKey
from dialgateway.dialctl.errors import UnusableFile

_CHAIN = b',"chain":"'
_EVENT = b'"event":"'
_GZIP = b"\x1f\x8b"
_GAPS_KEPT = 1000


class GapKind(StrEnum):
    """What is wrong with a trail at a line."""

    MISSING = "missing"
    """Lines before it are missing."""
    CHANGED = "changed"
    """It, or the line before it, was changed."""
    MOVED = "moved"
    """It is repeated, or in the wrong place."""
    UNREADABLE = "unreadable"
    """It is not a line of a trail, or the rest of its file cannot be read."""
    LOST = "lost"
    """The gateway could not write records here, and says how many."""
    KILLED = "killed"
    """The process before it did not end as it should, so its last records may be missing."""


class Gap(NamedTuple):
    """A place where a trail is not whole. `missing` counts lines or records, 0 if it is not known."""

    file: str
    line: int
    kind: GapKind
    text: str
    missing: int = 0


class FoundLine(NamedTuple):
    """A line about the number: its place, and its fields."""

    file: str
    line: int
    fields: Mapping[str, Any]


@dataclass(slots=True)
class Trail:
    """What is known of one trail: who wrote it, its first and last line, and whether its process ended."""

    trail: str
    replica: str
    first_sequence: int
    begins: str
    chain: bytes = b""
    sequence: int = 0
    ends: str = ""
    stopped: bool = False


@dataclass(slots=True)
class TrailReport:
    """What the files say. `gaps` are the first ones, `gap_count` counts all."""

    found: list[FoundLine] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    gap_count: int = 0
    lines: int = 0
    trails: list[Trail] = field(default_factory=list)


def read_trails(paths: Sequence[Path], key: TrailKey, number_hash: str) -> TrailReport:
    """Read files of one or more trails, in any order. Raises UnusableFile and OSError."""
    reader = _Reader(key, number_hash)
    for path in _in_order(paths):
        reader.read(path)
    return reader.finished()


class _Reader:
    """Checks lines in their order."""

    def __init__(self, key: TrailKey, number_hash: str) -> None:
        self._key = key
        self._wanted = f'"number":"{number_hash}"'.encode()
        self._report = TrailReport()
        self._trails: dict[str, Trail] = {}
        self._current: Trail | None = None
        self._of_other_keys: dict[str, Gap] = {}
        self._file = ""
        self._last_line = b""

    def read(self, path: Path) -> None:
        """Read one file to its end."""
        self._file = str(path)
        self._last_line = b""
        number = 0
        try:
            with _opened(path) as file:
                for number, line in enumerate(file, 1):
                    self._check(number, line)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self._gap(number + 1, GapKind.UNREADABLE, "the rest of the compressed file cannot be read")
        self._note_end()
        self._report.lines += number

    def finished(self) -> TrailReport:
        """Return the report, sorted by time. Raises UnusableFile if every trail has another key."""
        others = list(self._of_other_keys.values())
        if others and not self._trails:
            raise UnusableFile(f"{others[0].file}: this trail was written with another key")
        self._report.gaps[:0] = others
        self._report.gap_count += len(others)
        self._report.found.sort(key=lambda found: str(found.fields.get("time", "")))
        self._report.trails = list(self._trails.values())
        return self._report

    def _check(self, number: int, line: bytes) -> None:
        current = self._current
        body, _, tail = line.rpartition(_CHAIN)
        if current is not None:
            hashing = self._key.chain.copy()
            hashing.update(current.chain)
            hashing.update(body)
            hashing.update(b"}")
            chain = hashing.hexdigest().encode()
        if current is None or tail != chain + b'"}\n':
            if not self._continues_elsewhere(number, line, body):
                return
        else:
            current.chain = chain
        self._last_line = line
        if self._wanted in line:
            self._report.found.append(FoundLine(self._file, number, json.loads(line)))
        if _EVENT in line:
            self._event(number, json.loads(line))

    def _continues_elsewhere(self, number: int, line: bytes, body: bytes) -> bool:
        """Take a line that does not follow the one before it; return whether it is a line of a trail."""
        fields = _fields_of(line)
        if fields is None:
            incomplete = "" if line.endswith(b"\n") else ", or its end is not written yet"
            self._gap(number, GapKind.UNREADABLE, f"this is no line of a trail{incomplete}")
            return False
        self._note_end()
        if not fields["trail"].startswith(f"{self._key.key_id}-"):
            self._note_other_key(number, fields["trail"])
            return False
        trail = self._trails.get(fields["trail"])
        if trail is None:
            trail = self._begin(number, fields, body)
        elif not self._follows(trail, fields, body):
            self._gap(number, *_difference(trail.sequence, fields["seq"]))
        trail.chain, trail.sequence = fields["chain"].encode(), fields["seq"]
        trail.stopped = False
        self._current = trail
        return True

    def _begin(self, number: int, fields: Mapping[str, Any], body: bytes) -> Trail:
        """Begin a trail with its first line here: it is the first of all, or earlier ones are not given."""
        name, sequence = fields["trail"], fields["seq"]
        trail = Trail(name, str(fields.get("replica", "")), sequence, fields["time"])
        self._trails[name] = trail
        if sequence != 1:
            trail.chain = str(fields.get("after", "")).encode()
        if (sequence == 1 or trail.chain) and not self._follows(trail, fields, body):
            self._gap(number, GapKind.CHANGED, "this line was changed")
        return trail

    def _note_other_key(self, number: int, trail: str) -> None:
        self._current = None
        text = "lines that were written with another key are not searched"
        gap = self._of_other_keys.get(trail, Gap(self._file, number, GapKind.UNREADABLE, text))
        self._of_other_keys[trail] = gap._replace(missing=gap.missing + 1)

    def _follows(self, trail: Trail, fields: Mapping[str, Any], body: bytes) -> bool:
        hashing = self._key.chain.copy()
        hashing.update(trail.chain)
        hashing.update(body + b"}")
        return bool(hashing.hexdigest() == fields["chain"])

    def _event(self, number: int, fields: Mapping[str, Any]) -> None:
        event = fields["event"]
        if self._current is not None:
            self._current.stopped = event == "stop"
        if event == "start" and not fields.get("clean"):
            text = "the process before was killed: records that it had not written yet are missing"
            self._gap(number, GapKind.KILLED, text)
        if event == "lost":
            count = fields["records"] if isinstance(fields.get("records"), int) else 0
            self._gap(number, GapKind.LOST, f"{count:,} records could not be written", count)

    def _note_end(self) -> None:
        """Note the sequence number and time of the last line that was checked."""
        current, fields = self._current, _fields_of(self._last_line)
        if current is not None and fields is not None and fields["trail"] == current.trail:
            current.sequence, current.ends = fields["seq"], fields["time"]
            current.stopped = fields.get("event") == "stop"

    def _gap(self, line: int, kind: GapKind, text: str, missing: int = 0) -> None:
        self._report.gap_count += 1
        if len(self._report.gaps) < _GAPS_KEPT:
            self._report.gaps.append(Gap(self._file, line, kind, text, missing))


def _difference(last: int, sequence: int) -> tuple[GapKind, str, int]:
    """Return what the sequence numbers of two lines say, whose hashes do not fit."""
    missing = sequence - last - 1
    if missing > 0:
        return GapKind.MISSING, f"{missing:,} lines are missing before this one", missing
    if missing < 0:
        return GapKind.MOVED, "this line is repeated, or in the wrong place", 0
    return GapKind.CHANGED, "this line was changed", 0


def _in_order(paths: Sequence[Path]) -> list[Path]:
    """Return the files in the order in which they were written, by their first lines."""
    firsts: list[tuple[str, int, Path]] = []
    for path in paths:
        try:
            with _opened(path) as file:
                fields = _fields_of(file.readline()) or {}
        except (EOFError, zlib.error, gzip.BadGzipFile):
            fields = {}
        firsts.append((fields.get("trail", ""), fields.get("seq", 0), path))
    return [path for *_, path in sorted(firsts)]


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, which may be compressed by gzip."""
    with path.open("rb") as raw:
        if raw.peek(2)[:2] != _GZIP:
            yield raw
            return
        with gzip.open(raw) as unpacked:
            yield cast("IO[bytes]", unpacked)


def _fields_of(line: bytes) -> Mapping[str, Any] | None:
    """Return the fields of a line, None if it is no line of a trail."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    types = {"trail": str, "seq": int, "time": str, "chain": str}
    if not isinstance(fields, dict) or not all(isinstance(fields.get(k), t) for k, t in types.items()):
        return None
    return fields
