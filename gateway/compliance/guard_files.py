"""The guard file and its suppression lists, read again together when one of them changes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.access.errors import StillChangingError
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import COMPUTED_QUIET_S, SYSTEM_CLOCKS, FileClocks
from gateway.compliance.guard_file import rules_reader
from gateway.compliance.rules import RuleSet
from gateway.compliance.suppression_list import NumberTable
from gateway.compliance.suppression_list_file import ReadList, list_reader, reloaded_list
from gateway.compliance.time_zones import TimeZones
from gateway.directory.directory import CampaignDirectory


class _Content(NamedTuple):
    """Rules, and their lists by name and path. Replaced as a whole, since other threads read it."""

    rules: RuleSet
    lists: Mapping[tuple[str, str], Reloaded[ReadList]]


class ListFacts(NamedTuple):
    """The size of a list, the check sum of its numbers, and when its file was changed.

    `modified_at` is in seconds since the epoch; None if the file is gone.
    """

    numbers: int
    check_sum: int
    modified_at: float | None


class GuardFiles:
    """The newest valid rules, and the newest valid content of each list that they name.

    A guard file that names a list which cannot be read is invalid, so it does not replace a valid one. A list
    that disappears or becomes invalid keeps its content. The first content is used at once, but is not
    `settled` before all files are complete.

    Raises `GuardFileError` or `SuppressionListError` if the first content is invalid. Reading takes
    seconds for lists of millions: it belongs into a thread.
    """

    def __init__(
        self,
        path: str,
        zones: TimeZones,
        directory: CampaignDirectory,
        check: Callable[[RuleSet], None] = lambda _: None,
        clocks: FileClocks = SYSTEM_CLOCKS,
    ) -> None:
        """`check` raises `GuardFileError` for rules that this gateway cannot use."""
        self._check, self._clocks = check, clocks
        self._read_rules = rules_reader(path, zones, directory)
        self._readers: dict[tuple[str, str], Callable[[], ReadList]] = {}
        self._known: Mapping[tuple[str, str], Reloaded[ReadList]] = {}
        self._new: dict[tuple[str, str], Reloaded[ReadList]] = {}
        self._is_first = True
        self._content = Reloaded("the guard file", (path,), self._read, COMPUTED_QUIET_S, clocks)
        self._is_first = False

    @property
    def rules(self) -> RuleSet:
        """The rules."""
        return self._content.value.rules

    def tables(self) -> dict[str, NumberTable]:
        """Return the numbers of each list that the rules name."""
        return {name: one.value.table for (name, _), one in self._content.value.lists.items()}

    def list_facts(self) -> dict[str, ListFacts]:
        """Return the facts about each list."""
        lists = self._content.value.lists.items()
        return {
            name: ListFacts(len(one.value.table), one.value.check_sum, one.modified_at)
            for (name, _), one in lists
        }

    def reread(self) -> bool:
        """Read changed files; return whether rules or lists have changed."""
        changed = self._content.reread()
        lists = [one.reread() for one in self._content.value.lists.values()]
        return changed or any(lists)

    @property
    def settled(self) -> bool:
        """Whether the files were complete at the last look, and their content is in use or refused."""
        lists = self._content.value.lists.values()
        return self._content.settled and all(one.settled for one in lists)

    @property
    def refused(self) -> int:
        """How many changes of the guard file and of lists in use could not be used."""
        return self._content.refused + sum(one.refused for one in self._content.value.lists.values())

    def complaints(self) -> list[str]:
        """Return what is wrong with the files as they are now, empty if all their content is in use."""
        lists = [one.complaint for one in self._content.value.lists.values()]
        return [complaint for complaint in (self._content.complaint, *lists) if complaint]

    def lists_in_words(self) -> list[str]:
        """Return a line for each list: how many numbers it has, and its bad lines."""
        lists = self._content.value.lists.items()
        return [f"list {name}: {one.value.in_words()}" for (name, _), one in lists]

    def _read(self) -> _Content:
        """Return the rules in the file, with all their lists; lists that were read before are kept.

        Raises `StillChangingError` if a list that is new may not be complete, except at the first time.
        """
        rules = self._read_rules()
        self._check(rules)
        lists = {one: self._list(*one) for one in rules.lists.items()}
        for name, path in self._new:
            if not self._is_first and not self._new[name, path].settled:
                raise StillChangingError(f"lists.{name}: {path} was changed a moment ago")
        self._known, self._new, self._readers = lists, {}, {}
        return _Content(rules, lists)

    def _list(self, name: str, path: str) -> Reloaded[ReadList]:
        """Return a list. If it is new, it is known from now on, even if the rules are not used yet.

        The reader of a list that is refused stays, since it reads a refused file once.
        """
        known = self._known.get((name, path))
        if known is not None:
            return known
        new = self._new.get((name, path))
        if new is not None:
            new.reread()
            return new
        reader = self._readers.setdefault((name, path), list_reader(name, path))
        self._new[name, path] = reloaded_list(name, path, reader, self._clocks)
        return self._new[name, path]
