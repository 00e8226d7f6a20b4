"""Keeps the compliance guard in use: its rules and lists, read again when their files change."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gateway.access.errors import AccessError
from gateway.access.settled_file import SYSTEM_CLOCKS, FileClocks
from gateway.compliance.key_file import read_key
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.number_lookup import ListRules, rules_by_list
from gateway.compliance.suppression_guard import SuppressionGuard
from gateway.compliance.suppression_list import Suppressions
from gateway.control.file_check_timer import FileCheckTimer, until_settled
from gateway.core.compliance.port import RequestGuard
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.compliance.verdict import Verdict
from gateway.core.model import Reason
from gateway.directory.directory import CampaignDirectory

if TYPE_CHECKING:
    from gateway.compliance.loaded_rules import LoadedRules

log = logging.getLogger(__name__)

FILES = "DIAL_GATEWAY_GUARD_FILE: the file, or a list that it names,"
PREPARED_EVERY_S = 86_400.0
"""Seconds after which the holidays of the coming years are read again: a year may have begun."""
KEY_BYTES = 32
MAX_COUNTED = 10_000
"""Kinds of decisions that are counted, at most: rules come and go with the file."""


class GuardPaths(NamedTuple):
    """Where the settings say that the rules and the key of the guard are, None if they are not used.

    Contact limits need a `shared_state`.
    """

    rules: str | None = None
    key: str | None = None
    shared_state: bool = False


class DecisionKind(NamedTuple):
    """A kind of decision that is counted."""

    rule: str
    reason: Reason
    decision: GuardDecision


class GuardKeeper:
    """The guard in use. Without a guard file it decides only about suppressed numbers, once there are any.

    The owner sets `use`, which takes each new guard, and `review`, which has all requests decided again. Both
    are called on the event loop. `now` returns seconds since the epoch. `decisions` counts what was decided.
    The owner of a fleet sets `has_fleet_key`, which tells whether all replicas have the key of the hashes.
    Raises `AccessError` if a file cannot be used; reading may take seconds.
    """

    def __init__(
        self,
        paths: GuardPaths,
        directory: CampaignDirectory,
        now: Callable[[], float],
        clocks: FileClocks = SYSTEM_CLOCKS,
    ) -> None:
        self.use: Callable[[RequestGuard], None] = lambda _: None
        self.review: Callable[[], None] = lambda: None
        self.has_fleet_key: Callable[[], bool] = lambda: False
        key = read_key(paths.key) if paths.key else secrets.token_bytes(KEY_BYTES)
        self.hashing = NumberHash(key, fixed=paths.key is not None)
        self.suppressions = Suppressions()
        self._suppressing = SuppressionGuard(self.hashing, self.suppressions)
        self.decisions: Counter[DecisionKind] = Counter()
        self._now = now
        self._prepared_at = now()
        self._looks = FileCheckTimer()
        self._in_use: RequestGuard | None = None
        self._clocks = clocks
        self.rules = self._loaded(paths, directory)

    def _loaded(self, paths: GuardPaths, directory: CampaignDirectory) -> "LoadedRules | None":
        if paths.rules is None:
            return None
        from gateway.compliance.loaded_rules import LoadedRules

        rules = LoadedRules(
            paths.rules,
            directory,
            self.hashing,
            self.suppressions,
            shared_state=paths.shared_state,
            clocks=self._clocks,
        )
        rules.publish()
        rules.prepare(self._prepared_at)
        return rules

    @property
    def refused(self) -> int | None:
        """How many changes of the files could not be used; None without a guard file."""
        return None if self.rules is None else self.rules.files.refused

    async def settled(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Wait until the files are complete, and read them again if they were not at first.

        A file that was written shortly before the start may lack numbers that must not be called. Raises
        `AccessError` if the complete files cannot be used, or change too long.
        """
        if self.rules is None:
            return
        files = self.rules.files
        await until_settled(lambda: "" if files.settled else FILES, self.reread, sleep)
        if files.complaints():
            raise AccessError(files.complaints()[0])

    def start(self) -> None:
        """Decide by the rules and the suppressed numbers from now on, if there are any."""
        if self.rules is not None:
            self._log(self.rules)
        if self.rules is not None or len(self.suppressions.live):
            self.activate()

    def activate(self) -> None:
        """Decide from now on, also without rules: numbers are suppressed."""
        guard = self.guard
        if self._in_use is not guard:
            self._in_use = guard
            self.use(guard)

    def look(self) -> None:
        """Look at the files at once, instead of at the next regular time."""
        self._looks.ask()

    async def run(self) -> None:
        """Read changed files until cancelled."""
        while True:
            await self._looks.next()
            await self.reread()

    async def reread(self) -> None:
        """Read changed files in a thread, and decide by them from then on."""
        rules, now = self.rules, self._now()
        if rules is None:
            return
        if now - self._prepared_at > PREPARED_EVERY_S:
            self._prepared_at = now
            await asyncio.to_thread(rules.prepare, now)
        if await asyncio.to_thread(rules.reread, now):
            rules.publish()
            self._log(rules)
            if self._in_use is rules.guard:
                self.review()
            else:
                self.activate()

    def note(self, records: Sequence[GuardRecord]) -> None:
        """Count what was decided.

        Runs of the same verdict are counted at once: those of a call are mostly the same object.
        """
        verdict, decision, run = None, None, 0
        for record in records:
            if record.verdict is verdict and record.decision is decision:
                run += 1
                continue
            self._count(verdict, decision, run)
            verdict, decision, run = record.verdict, record.decision, 1
        self._count(verdict, decision, run)

    def _count(self, verdict: Verdict | None, decision: GuardDecision | None, count: int) -> None:
        if verdict is None or decision is None:
            return
        kind = DecisionKind(verdict.rule, verdict.reason, decision)
        if kind in self.decisions or len(self.decisions) < MAX_COUNTED:
            self.decisions[kind] += count

    @property
    def active(self) -> bool:
        """Whether the guard decides."""
        return self._in_use is not None

    @property
    def version(self) -> str:
        """The version of the guard file, "" without one."""
        return "" if self.rules is None else self.rules.guard.rules.version

    @property
    def list_rules(self) -> Mapping[str, ListRules]:
        """The rules that name each list of the guard file."""
        return {} if self.rules is None else rules_by_list(self.rules.guard.rules)

    @property
    def list_digests(self) -> Mapping[str, int]:
        """Digests of the lists, to compare them with those of other replicas.

        They are empty while other replicas have another key, so that their digests would differ anyway.
        """
        if self.rules is None or not (self.hashing.fixed or self.has_fleet_key()):
            return {}
        lists, digest = self.rules.files.list_facts(), self.hashing.of_list
        return {name: digest(one.numbers, one.check_sum) for name, one in lists.items()}

    @property
    def guard(self) -> RequestGuard:
        """The guard that decides, or would decide once it is activated."""
        return self._suppressing if self.rules is None else self.rules.guard

    def _log(self, rules: "LoadedRules") -> None:
        for line in rules.in_words():
            log.info("guard: %s", line)
        for line in rules.warnings(self._now()):
            log.warning("guard: %s", line)
