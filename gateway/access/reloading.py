"""Values read from files again when these change. A broken file never replaces a valid value."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gateway.access.errors import AccessError, StillChangingError
from gateway.access.settled_file import SYSTEM_CLOCKS, FileClocks, SettledFile

log = logging.getLogger(__name__)

Value = TypeVar("Value")


def parsed_once(text: Callable[[], bytes], parse: Callable[[bytes], Value]) -> Callable[[], Value]:
    """Return a function that reads a text and parses it, but a refused text only once.

    A broken file is read again every second, and parsing a large one takes seconds. The function raises the
    `AccessError` of the text each time.
    """
    refused: tuple[bytes, AccessError] | None = None

    def read() -> Value:
        nonlocal refused
        content = text()
        if refused is not None and content == refused[0]:
            raise type(refused[1])(str(refused[1]))
        try:
            return parse(content)
        except AccessError as error:
            refused = content, error
            raise

    return read


class Reloaded(Generic[Value]):
    """A value read from files: always the newest one that is complete and valid.

    A file that has become smaller counts as complete if it has not changed for `shrunk_quiet_s` seconds; all
    other signs are those of `SettledFile`. The first value is used as it is, but the files may not be
    `settled` yet. `refused` counts the changes that could not be used; `then` says in the log what is in use
    instead. With `may_be_removed`, removing the files is a valid way to end the use of the value: a complaint
    that is logged, and not counted. Raises `AccessError` if the first value is invalid. Thread-safe: a second
    rereading waits for the one that runs.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[str],
        read: Callable[[], Value],
        shrunk_quiet_s: float,
        clocks: FileClocks = SYSTEM_CLOCKS,
        then: str = "what was read before stays",
        *,
        may_be_removed: bool = False,
    ) -> None:
        self.name = name
        self.refused = 0
        self._files = [SettledFile(path, shrunk_quiet_s, clocks) for path in paths]
        self._read = read
        self._then = then
        self._may_be_removed = may_be_removed
        self._complaint = ""
        self._one_at_a_time = threading.Lock()
        self._changed()
        self.value = read()
        self._is_due = not self._is_as_seen()

    @property
    def settled(self) -> bool:
        """Whether the files were, at the last look, those of the value: complete, or refused."""
        return not self._is_due and self._are_settled()

    @property
    def complaint(self) -> str:
        """The problem of the files as they are now, empty if their content is in use."""
        return self._complaint

    @property
    def modified_at(self) -> float | None:
        """When the newest of the files was changed, in seconds since the epoch; None if all are gone."""
        return max((file.modified_at for file in self._files if file.modified_at is not None), default=None)

    def reread(self) -> bool:
        """Read the files again if they have changed, or were broken; return whether the value is another.

        What was broken is tried again each time, since a certificate may become valid by waiting. It is
        logged, and counted, once for each complaint. Two things are no complaint yet, and are read again at
        the next time: files that change while they are read, and several files of which one has just changed,
        since those that belong together change one after the other.
        """
        with self._one_at_a_time:
            return self._reread()

    def _reread(self) -> bool:
        changed = self._changed()
        self._is_due = changed or self._is_due
        if not self._are_settled() or not (self._is_due or self._complaint):
            return False
        try:
            value = self._read()
        except StillChangingError as wait:
            log.info("%s: %s for now: %s", self.name, self._then, wait)
            return False
        except AccessError as error:
            if not (changed and len(self._files) > 1):
                self._complain(str(error))
            return False
        except Exception as bug:  # noqa: BLE001 - whatever a file holds, a gateway that has a good one goes on
            self._complain(f"it cannot be read: {type(bug).__name__}")
            return False
        self._is_due = not self._is_as_seen()
        if self._is_due:  # it was changed while it was read
            return False
        self.value, self._complaint = value, ""
        log.info("%s: read again, and in use from now on", self.name)
        return True

    def _changed(self) -> bool:
        return sum(file.changed() for file in self._files) > 0  # no short circuit: each file must be checked

    def _are_settled(self) -> bool:
        return all(file.settled for file in self._files)

    def _is_as_seen(self) -> bool:
        return all(file.is_as_seen() for file in self._files)

    def _complain(self, complaint: str) -> None:
        self._is_due = not self._is_as_seen()
        if self._is_due:
            return
        if complaint != self._complaint:
            self._report(complaint)
        self._complaint = complaint

    def _report(self, complaint: str) -> None:
        if self._may_be_removed and self.modified_at is None:
            log.warning("%s: it was removed, %s: %s", self.name, self._then, complaint)
            return
        self.refused += 1
        log.error("%s: the change is not taken over, %s: %s", self.name, self._then, complaint)
