"""Puts the parts of the compliance guard together: its rules, suppressed numbers and audit trail."""

import asyncio
import time
from collections.abc import Sequence

from gateway.compliance.suppression_list import LiveSuppression
from gateway.composition.basis import Basis
from gateway.composition.part_settings import guard_paths_of, suppression_file_of
from gateway.composition.replica import Replica
from gateway.composition.trail import trail_of
from gateway.control.audit import Audit
from gateway.control.guard_figures import guard_figures
from gateway.control.guard_keeper import GuardKeeper
from gateway.control.number_checks import NumberChecks
from gateway.control.suppressions import NumberOperations
from gateway.core.compliance.port import RequestGuard
from gateway.core.compliance.records import GuardRecord
from gateway.fleet.fleet import Fleet
from gateway.settings import Settings
from gateway.telemetry import GuardFigures

LAST_RECORDS_S, LONGEST_LAST_RECORDS_S = 0.5, 5.0
"""Seconds to write the last records of the trail: at least, and at most if the grace has them."""


class GuardParts:
    """The guard of one gateway. `numbers` suppresses numbers, on all replicas of a `fleet`.

    `number_checks` tells which numbers are suppressed.

    Raises `AccessError` and `SettingsError` if files cannot be used.
    """

    def __init__(self, basis: Basis, replica: Replica) -> None:
        settings, fleet = basis.settings, replica.fleet
        self._clock = basis.clock
        self._dispatcher = dispatcher = replica.dispatcher
        self.keeper = GuardKeeper(guard_paths_of(settings), basis.directory, basis.clock.epoch_now)
        self.keeper.use, self.keeper.review = self._use, dispatcher.rules_changed
        self._trail = trail_of(settings, self.keeper.hashing.of, basis.environment)
        dispatcher.tell_guard_decisions(self._decided)
        self.numbers = self._number_operations(settings, basis.audit, fleet)
        self.number_checks = NumberChecks(
            self.keeper.suppressions,
            self.keeper.hashing,
            lambda: self.keeper.list_rules,
            self.numbers.lifetime,
            None if fleet is None else fleet.suppressions,
            audit=basis.audit,
        )

    def start(self) -> None:
        """Decide from now on, if there are rules or suppressed numbers, or a trail of what is sent."""
        self.keeper.start()
        if self._trail:
            self._trail.start()
            self.keeper.activate()

    def figures(self) -> GuardFigures | None:
        """Return the figures for metrics and the console, None while nothing decides."""
        return guard_figures(self.keeper, self._trail, self._dispatcher.waiting_for_opening)

    async def close(self, left_s: float) -> None:
        """Write the last records, within `left_s` seconds or a little more."""
        timeout_s = max(LAST_RECORDS_S, min(left_s, LONGEST_LAST_RECORDS_S))
        await asyncio.to_thread(self._trail.close, timeout_s)

    def _use(self, guard: RequestGuard) -> None:
        """Decide by a guard from now on, and only while a required trail can be written."""
        self._dispatcher.use_guard(self._trail.guarded(guard))

    def _decided(self, records: Sequence[GuardRecord]) -> None:
        """Count what the guard has decided, and record it in the trail."""
        self.keeper.note(records)
        self._trail.put(self._clock.epoch_now(), records)

    def _number_operations(self, settings: Settings, audit: Audit, fleet: Fleet | None) -> NumberOperations:
        keeper = self.keeper
        live, file = keeper.suppressions.live, suppression_file_of(settings, keeper.hashing)
        for kept in () if file is None else file.kept:
            live.add(kept.number_hash, LiveSuppression(kept.at, kept.actor, kept.reason))
        shared = None if fleet is None else fleet.suppressions
        if shared is not None:
            shared.serve(live, keeper.hashing)
            shared.changed = self._numbers_changed
            keeper.has_fleet_key = lambda: shared.has_key
        operations = NumberOperations(
            live, keeper.hashing, self._numbers_changed, time.time, shared, file, audit=audit
        )
        operations.noted = self._trail.operator
        return operations

    def _numbers_changed(self) -> None:
        self.keeper.activate()
        self._dispatcher.numbers_changed()
