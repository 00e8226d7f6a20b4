"""Tells which numbers are suppressed, with an audit record of who has asked, without the numbers.

A replica of a fleet reads the shared state first. If it cannot, the answer says so, and a number that the
replica does not know to be suppressed is unknown.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.compliance.number_lookup import ListRules, NumberStatus, look_up
from gateway.compliance.suppression_list import LiveSuppression, Suppressions
from gateway.control.audit import Audit, AuditEvent, Event, Value
from gateway.control.operations import Operator, check_text
from gateway.control.suppressions import Hashing, Lifetime
from gateway.fleet.membership import ActionResult, SharedStateAway
from gateway.fleet.suppression_sync import SuppressionsRead, SuppressionSync

LOOKED_UP_AT_ONCE = 100
"""How many numbers are looked up without a pause: about a millisecond."""
_NOTHING_READ = SuppressionsRead(complete=False, fleet=ActionResult())
_INVALID = NumberStatus.INVALID


@dataclass(frozen=True, slots=True)
class NumberChecked:
    """Whether a number is suppressed. `details` and `lifetime` are those of the suppression by an operator.

    `number_hash` is in hexadecimal, empty if the number is invalid or the key of the fleet is not known.
    `everywhere`: the shared state and all replicas have the suppression.
    """

    status: NumberStatus
    number_hash: str = ""
    details: LiveSuppression | None = None
    lifetime: Lifetime | None = None
    everywhere: bool = False
    lists: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class NumbersChecked:
    """The checks of some numbers, in their order. `suppressed` counts all suppressions by operators here.

    `complete`: this process knows all suppressions by operators. `fleet` is None without a shared state.
    """

    checks: Sequence[NumberChecked]
    suppressed: int
    complete: bool = True
    fleet: ActionResult | None = None
    lists: Mapping[str, ListRules] = field(default_factory=dict)


class _Live(NamedTuple):
    """A suppression by an operator."""

    details: LiveSuppression
    lifetime: Lifetime
    everywhere: bool


class NumberChecks:
    """Tells which numbers are suppressed. `lists` returns the rules that name each list.

    `lifetime` returns how long a suppression lasts that this process keeps. `fleet` knows those of all
    replicas; None without a shared state.
    """

    def __init__(
        self,
        suppressions: Suppressions,
        hashing: Hashing,
        lists: Callable[[], Mapping[str, ListRules]],
        lifetime: Callable[[bytes], Lifetime],
        fleet: SuppressionSync | None = None,
        *,
        audit: Audit,
    ) -> None:
        self._suppressions, self._hashing = suppressions, hashing
        self._lists = lists
        self._lifetime = lifetime
        self._fleet = fleet
        self._audit = audit

    async def check(self, numbers: Sequence[str], operator: Operator) -> NumbersChecked:
        """Tell for each number whether it is suppressed. Raises `InvalidOperation` for a bad reason."""
        check_text("reason", operator.reason)
        fleet, lists, checks = self._fleet, self._lists(), list[NumberChecked]()
        read = None if fleet is None else await _read(fleet)
        for first in range(0, len(numbers), LOOKED_UP_AT_ONCE):
            part = numbers[first : first + LOOKED_UP_AT_ONCE]
            checks += [self._checked(number, lists, read) for number in part]
            await asyncio.sleep(0)  # let other tasks run
        done = NumbersChecked(
            checks,
            len(self._suppressions.live if fleet is None else fleet),
            read is None or read.complete,
            None if read is None else read.fleet,
            lists,
        )
        self._record(operator, done)
        return done

    def _checked(
        self, number: str, lists: Mapping[str, ListRules], read: SuppressionsRead | None
    ) -> NumberChecked:
        number_hash = b"" if read is _NOTHING_READ else self._hashing.of(number)
        live = self._live(number_hash, read)
        complete = read is None or read.complete
        found = look_up(number, self._suppressions, lists, live=live is not None, complete=complete)
        if found.status is _INVALID:
            return NumberChecked(_INVALID, problem=found.problem)
        if live is None:
            return NumberChecked(found.status, number_hash.hex(), lists=found.lists)
        return NumberChecked(
            found.status, number_hash.hex(), live.details, live.lifetime, live.everywhere, found.lists
        )

    def _live(self, number_hash: bytes, read: SuppressionsRead | None) -> _Live | None:
        """Return the suppression of a number by an operator; None if this process knows none."""
        if self._fleet is None or read is None:
            details = self._suppressions.live.details(number_hash)
            return None if details is None else _Live(details, self._lifetime(number_hash), everywhere=False)
        known = self._fleet.get(number_hash)
        if known is None:
            return None
        recorded = known.version > 0
        return _Live(
            LiveSuppression(known.at_ms / 1000, known.actor, known.reason),
            Lifetime.SHARED if recorded else Lifetime.PROCESS,
            everywhere=read.complete and recorded and known.version <= read.everywhere,
        )

    def _record(self, operator: Operator, done: NumbersChecked) -> None:
        """Write the audit event, which has counts only."""
        counts = Counter(one.status for one in done.checks)
        fields: dict[str, Value] = {"numbers": len(done.checks), "complete": done.complete}
        fields |= {status.name.lower(): counts[status] for status in NumberStatus}
        event = AuditEvent(Event.LOOK_UP, "numbers are looked up", operator.actor, operator.reason, fields)
        self._audit.write(event)


async def _read(fleet: SuppressionSync) -> SuppressionsRead:
    """Read the suppressions of a fleet, by whose key this replica hashes numbers."""
    try:
        await fleet.keyed()
    except SharedStateAway:
        return _NOTHING_READ
    return await fleet.read()
