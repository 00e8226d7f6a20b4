"""The guard that follows from the guard file and its lists, as they were read last."""

from gateway.access.settled_file import SYSTEM_CLOCKS, FileClocks
from gateway.compliance.errors import GuardFileError
from gateway.compliance.guard import Guard
from gateway.compliance.guard_file import SETTING
from gateway.compliance.guard_files import GuardFiles
from gateway.compliance.guard_report import warnings
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.rules import RuleSet
from gateway.compliance.suppression_list import Suppressions
from gateway.compliance.time_zones import TimeZones, newest_table
from gateway.directory.directory import CampaignDirectory


class LoadedRules:
    """A guard that decides by the newest valid files.

    This module is imported only if there is a guard file, since it takes memory. Reading takes seconds for
    long lists, so `reread` belongs into a thread; `publish` then changes what the guard sees, on the event
    loop. Raises `AccessError` if a file cannot be used at first.
    """

    def __init__(
        self,
        path: str,
        directory: CampaignDirectory,
        hashing: NumberHash,
        suppressions: Suppressions,
        *,
        shared_state: bool,
        clocks: FileClocks = SYSTEM_CLOCKS,
    ) -> None:
        self.zones = TimeZones(newest_table())
        self._numbers = PhoneNumbers(self.zones.by_country)
        self._path = path
        self._shared_state = shared_state
        self._hashing = hashing
        self._suppressions = suppressions
        self.files = GuardFiles(path, self.zones, directory, self._check, clocks)
        self.guard = self._newest = self._guard_of(self.files.rules)

    def prepare(self, now: float) -> None:
        """Read what the guard needs in the years around an instant; to be called again each year."""
        self.guard.prepare(now)

    def reread(self, now: float) -> bool:
        """Read changed files; return whether rules or lists have changed."""
        if not self.files.reread():
            return False
        if self.files.rules is not self._newest.rules:
            guard = self._guard_of(self.files.rules)
            guard.prepare(now)
            self._newest = guard
        return True

    def publish(self) -> None:
        """Use the rules and lists that were read last."""
        self.guard = self._newest
        self._suppressions.publish(self.files.tables())

    def in_words(self) -> list[str]:
        """Return lines about the rules and lists in use."""
        rules = self.guard.rules
        return [f"{len(rules.rules)} rules, version {rules.version}", *self.files.lists_in_words()]

    def warnings(self, now: float) -> list[str]:
        """Return a line for each thing that somebody should look at."""
        return warnings(self.guard, now)

    def _check(self, rules: RuleSet) -> None:
        """Raise `GuardFileError` if the rules cannot be used here."""
        try:
            self._guard_of(rules)
        except GuardFileError as error:
            raise GuardFileError(f"{SETTING}: {self._path}: {error}") from error

    def _guard_of(self, rules: RuleSet) -> Guard:
        return Guard(
            rules,
            zones=self.zones,
            numbers=self._numbers,
            hashing=self._hashing,
            suppressions=self._suppressions,
            shared_state=self._shared_state,
        )
