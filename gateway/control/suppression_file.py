"""A file that keeps the live suppressions of a gateway without a shared state: JSON lines, appended to.

The first line names the key of the hashes, by a hash of it. Each further line is a suppression, or the end of
one. A last line that a crash has cut short is dropped; any other line that cannot be read ends the start,
since nobody may be called because a line is broken.
"""

import asyncio
import errno
import json
import os
from collections.abc import Iterable
from hashlib import blake2s
from io import RawIOBase
from pathlib import Path
from typing import Any, NamedTuple

from gateway.access.errors import AccessError
from gateway.compliance.number_hash import HASH_BYTES

SETTING = "DIAL_GATEWAY_SUPPRESSION_FILE"
VERSION = 1


class KeptSuppression(NamedTuple):
    """A suppression as the file has it; `at` is in seconds since the epoch."""

    number_hash: bytes
    at: float
    actor: str
    reason: str


class SuppressionFile:
    """The file at `path`, for hashes with one key. `kept` has the suppressions that it had at the start.

    Raises `AccessError` if it cannot be read, or was written with another key. It is made if it is missing.
    """

    def __init__(self, path: str, key: bytes) -> None:
        self._path = Path(path)
        self._writing = asyncio.Lock()
        self._key_id = blake2s(key, digest_size=8, person=b"key id").hexdigest()
        try:
            self.kept = self._read()
        except OSError as error:
            raise AccessError(f"{SETTING}: cannot use {path}: {error.strerror}") from error

    async def write(self, at: float, number_hash: bytes, actor: str, reason: str, *, ended: bool) -> None:
        """Append a suppression, or the end of one; return once it is on the disk. Raises `OSError`."""
        line = {"at": at, "number_hash": number_hash.hex(), "actor": actor, "reason": reason, "ended": ended}
        async with self._writing:
            await asyncio.to_thread(self._append, json.dumps(line).encode() + b"\n")

    # --- implementation -----------------------------------------------------------------------------

    def _read(self) -> tuple[KeptSuppression, ...]:
        content = self._path.read_bytes() if self._path.exists() else b""
        whole, _, torn = content.rpartition(b"\n")
        if torn:  # a crash has cut it short before anybody was told that it is kept
            self._truncate(len(content) - len(torn))
        lines = whole.splitlines()
        if not lines:
            self._append(json.dumps({"version": VERSION, "key_id": self._key_id}).encode() + b"\n")
            return ()
        header = self._parsed(1, lines[0])
        if header.get("version") != VERSION:
            raise AccessError(f"{SETTING}: {self._path}: is not a file of suppressions")
        if header.get("key_id") != self._key_id:
            words = "was written with another key than that of DIAL_GATEWAY_GUARD_KEY_FILE"
            raise AccessError(f"{SETTING}: {self._path}: {words}")
        return self._suppressions(enumerate(lines[1:], 2))

    def _suppressions(self, lines: Iterable[tuple[int, bytes]]) -> tuple[KeptSuppression, ...]:
        found: dict[bytes, KeptSuppression] = {}
        for number, line in lines:
            fields = self._parsed(number, line)
            try:
                number_hash, ended = bytes.fromhex(fields["number_hash"]), fields["ended"]
                kept = KeptSuppression(
                    number_hash, float(fields["at"]), str(fields["actor"]), str(fields["reason"])
                )
            except (KeyError, TypeError, ValueError):
                raise self._broken(number) from None
            if len(number_hash) != HASH_BYTES or not isinstance(ended, bool):
                raise self._broken(number)
            if ended:
                found.pop(number_hash, None)
            else:
                found.setdefault(number_hash, kept)
        return tuple(found.values())

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            fields = json.loads(line)
        except ValueError:
            raise self._broken(number) from None
        if not isinstance(fields, dict):
            raise self._broken(number)
        return fields

    def _broken(self, number: int) -> AccessError:
        return AccessError(f"{SETTING}: {self._path}: line {number} cannot be read")

    def _append(self, line: bytes) -> None:
        """Append a line, and remove what was written of it if that fails."""
        with self._path.open("ab", buffering=0) as file:
            length = file.tell()
            try:
                _write_whole(file, line)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(length)
                raise

    def _truncate(self, length: int) -> None:
        with self._path.open("r+b") as file:
            file.truncate(length)
            os.fsync(file.fileno())


def _write_whole(file: RawIOBase, line: bytes) -> None:
    """Write a line. Raises `OSError` if there is room for a part of it only."""
    if file.write(line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
