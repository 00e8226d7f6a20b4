"""Suppresses numbers that must not be called any more, and allows them again, with an audit record of each.

OperationError
├── InvalidOperation        the number or the reason breaks a rule
├── NotSuppressed           the end of a suppression of a number that is not suppressed live
├── SuppressionLimitReached no further number can be suppressed
├── SuppressionsUnread      the replica does not have the key of its fleet yet: nothing is changed
├── SuppressionNotShared    the shared state cannot record it: in force on this replica only
├── EndNotShared            the shared state cannot record the end: the number stays suppressed
└── SuppressionNotKept      the file of suppressions cannot be written

A number appears in no record, only its keyed hash.
"""

import contextlib
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from gateway.compliance.suppression_list import LiveSuppression
from gateway.control.audit import Audit, AuditEvent, Event, Value
from gateway.control.operations import InvalidOperation, OperationError, Operator, check_text
from gateway.core.fleet.suppressions import TooManySuppressions
from gateway.core.intake.validation import problem_with_number
from gateway.fleet.membership import ActionResult, SharedStateAway
from gateway.fleet.suppressed_numbers import SuppressedNumbers
from gateway.fleet.suppression_sync import StaleHashError, SuppressionResult, SuppressionSync


class NotSuppressed(OperationError):  # noqa: N818 - named like the other outcomes of a call
    """The number to allow is not suppressed live."""

    def __init__(self) -> None:
        super().__init__(
            "phone_number: not suppressed by SuppressNumber here; a list of the guard file may have it"
        )


class SuppressionLimitReached(OperationError):  # noqa: N818
    """As many numbers are suppressed live as can be."""

    def __init__(self) -> None:
        super().__init__("too many numbers are suppressed already; add numbers to a list of the guard file")


class SuppressionsUnread(OperationError):  # noqa: N818
    """The replica does not know yet how its fleet hashes numbers."""

    def __init__(self) -> None:
        super().__init__(
            "this replica has not read the suppressed numbers of the fleet yet, so nothing was changed; "
            "ask again, or ask another replica"
        )


class SuppressionNotShared(OperationError):  # noqa: N818
    """The shared state did not record a suppression, so other replicas do not know of it yet."""

    def __init__(self) -> None:
        super().__init__(
            "the shared state does not answer: the number is suppressed on this replica only, which tells "
            "the others once the shared state is back; ask again to find out"
        )


class EndNotShared(OperationError):  # noqa: N818
    """The shared state did not record the end of a suppression, so the number stays suppressed."""

    def __init__(self) -> None:
        super().__init__(
            "the shared state does not answer, so the number stays suppressed; "
            "if it still is once the shared state is back, allow it then"
        )


class SuppressionNotKept(OperationError):  # noqa: N818
    """The file of suppressions could not be written."""

    def __init__(self, words: str) -> None:
        super().__init__(f"the file of DIAL_GATEWAY_SUPPRESSION_FILE cannot be written, so {words}")


class Lifetime(enum.Enum):
    """How long a suppression lasts."""

    SHARED = "shared"
    """Until it is ended: the shared state has it."""
    FILE = "file"
    """Until it is ended, for this replica: a file has it."""
    PROCESS = "process"
    """Until this process ends."""


class Hashing(Protocol):
    """Makes the keyed hashes of numbers."""

    def of(self, number: str) -> bytes:
        """Return the hash of a number in the form E.164."""
        ...


class SuppressionWriter(Protocol):
    """Keeps suppressions for the next process."""

    async def write(self, at: float, number_hash: bytes, actor: str, reason: str, *, ended: bool) -> None:
        """Append a suppression, or the end of one; return once it is on the disk. Raises `OSError`."""
        ...


@dataclass(frozen=True, slots=True)
class NumberResult:
    """What came of a suppression or its end. `existed`: the number was suppressed before.

    `number_hash` is in hexadecimal. `fleet` is None without a shared state.
    """

    number_hash: str
    existed: bool
    lifetime: Lifetime
    fleet: ActionResult | None = None


KEYS_TRIED = 3
"""Keys of the fleet with which a number is hashed, at most: a store that has lost its data gets another."""
_FleetAct = Callable[[SuppressionSync, bytes, Operator], Awaitable[NumberResult]]
"""Changes something in a fleet about the hash of a number."""
Noted = Callable[[float, str, bytes, str, str], None]
"""Takes the instant, "suppressed" or "allowed", the hash of the number, who did it, and the reason."""


class NumberOperations:
    """Suppresses numbers and allows them again. `wall` returns seconds since the epoch.

    `reviewed` has calls and queues reviewed after a change. `fleet` carries changes out on all replicas; None
    without a shared state. `noted` is told of each change, for the trail of the guard.
    """

    def __init__(
        self,
        numbers: SuppressedNumbers,
        hashing: Hashing,
        reviewed: Callable[[], None],
        wall: Callable[[], float],
        fleet: SuppressionSync | None = None,
        file: SuppressionWriter | None = None,
        *,
        audit: Audit,
    ) -> None:
        self._numbers = numbers
        self._hashing = hashing
        self._reviewed = reviewed
        self._wall = wall
        self._fleet = fleet
        self._file = file
        self._unkept: set[bytes] = set()  # suppressions that the file may lack
        self._audit = audit
        self.noted: Noted = lambda at, what, number_hash, actor, reason: None

    async def suppress(self, number: str, operator: Operator) -> NumberResult:
        """Suppress a number for every campaign; nothing is sent to it from now on.

        Raises `InvalidOperation`, `SuppressionsUnread`, `SuppressionLimitReached`, `SuppressionNotShared` and
        `SuppressionNotKept`.
        """
        _check(number, operator)
        try:
            if self._fleet is None:
                done = await self._suppress_here(self._hashing.of(number), operator)
            else:
                done = await self._with_key(self._fleet, number, operator, self._suppress_in)
        except (TooManySuppressions, OverflowError):
            raise SuppressionLimitReached from None
        self._record(Event.SUPPRESS, operator, done)
        return done

    async def allow(self, number: str, operator: Operator) -> NumberResult:
        """End the suppression of a number. Lists stay in force.

        Raises `InvalidOperation`, `SuppressionsUnread`, `NotSuppressed`, `EndNotShared` and
        `SuppressionNotKept`.
        """
        _check(number, operator)
        if self._fleet is None:
            done = await self._allow_here(self._hashing.of(number), operator)
        else:
            done = await self._with_key(self._fleet, number, operator, self._end_in)
        self._record(Event.ALLOW, operator, done)
        return done

    def lifetime(self, number_hash: bytes) -> Lifetime:
        """Return how long a suppression lasts that is kept without a shared state."""
        is_kept = self._file is not None and number_hash not in self._unkept
        return Lifetime.FILE if is_kept else Lifetime.PROCESS

    # --- with a shared state -------------------------------------------------------------------------

    async def _with_key(
        self, fleet: SuppressionSync, number: str, operator: Operator, act: _FleetAct
    ) -> NumberResult:
        """Hash a number with the key of the fleet, and act on its hash.

        If the store has lost its data a moment ago, this replica may not know yet that others have given it
        another key. Raises `SuppressionsUnread` if the key changes again.
        """
        for _ in range(KEYS_TRIED):
            try:
                await fleet.keyed()
            except SharedStateAway:
                break
            with contextlib.suppress(StaleHashError):
                return await act(fleet, self._hashing.of(number), operator)
        raise SuppressionsUnread

    async def _suppress_in(
        self, fleet: SuppressionSync, number_hash: bytes, operator: Operator
    ) -> NumberResult:
        try:
            result = await fleet.suppress(number_hash, operator.name, operator.reason)
        except SharedStateAway:
            here = ActionResult(only_here=True)
            self._record(
                Event.SUPPRESS, operator, NumberResult(number_hash.hex(), False, Lifetime.PROCESS, here)
            )
            raise SuppressionNotShared from None
        return _shared(number_hash, result)

    async def _end_in(self, fleet: SuppressionSync, number_hash: bytes, operator: Operator) -> NumberResult:
        try:
            result = await fleet.end(number_hash, operator.name, operator.reason)
        except SharedStateAway:
            raise EndNotShared from None
        if result is None:
            raise NotSuppressed
        return _shared(number_hash, result)

    # --- without a shared state -----------------------------------------------------------------------

    async def _suppress_here(self, number_hash: bytes, operator: Operator) -> NumberResult:
        at = self._wall()
        details = LiveSuppression(at, operator.name, operator.reason)
        existed = not self._numbers.add(number_hash, details)
        self._reviewed()
        if self._file is None:
            return NumberResult(number_hash.hex(), existed, Lifetime.PROCESS)
        if not existed:
            self._unkept.add(number_hash)
        try:
            await self._file.write(at, number_hash, operator.name, operator.reason, ended=False)
        except OSError as error:
            if number_hash not in self._numbers:
                self._unkept.add(number_hash)
            self._not_kept("the number is suppressed only until this process ends", error)
        else:
            self._unkept.discard(number_hash)
        finally:
            if self._numbers.add(number_hash, details):  # an earlier end was written meanwhile
                self._reviewed()
        return NumberResult(number_hash.hex(), existed, Lifetime.FILE)

    async def _allow_here(self, number_hash: bytes, operator: Operator) -> NumberResult:
        if number_hash not in self._numbers:
            raise NotSuppressed
        lifetime = Lifetime.PROCESS
        if self._file is not None:
            lifetime = Lifetime.FILE
            try:
                await self._file.write(self._wall(), number_hash, operator.name, operator.reason, ended=True)
            except OSError as error:
                self._not_kept("the number stays suppressed", error)
        self._numbers.remove(number_hash)
        self._unkept.discard(number_hash)
        self._reviewed()
        return NumberResult(number_hash.hex(), existed=True, lifetime=lifetime)

    @staticmethod
    def _not_kept(words: str, error: OSError) -> NoReturn:
        raise SuppressionNotKept(words) from error

    # --- how ------------------------------------------------------------------------------------------

    def _record(self, event: Event, operator: Operator, done: NumberResult) -> None:
        """Write the audit event of a change, which names the number by its hash only."""
        suppressed = event is Event.SUPPRESS
        fields: dict[str, Value] = {"number_hash": done.number_hash, "lifetime": done.lifetime.value}
        if suppressed:
            fields["existed"] = done.existed
        if done.fleet is not None:
            fields |= {
                "confirmed": ", ".join(done.fleet.confirmed),
                "unconfirmed": ", ".join(done.fleet.unconfirmed),
                "only_here": done.fleet.only_here,
            }
        text = "a number is suppressed" if suppressed else "a number is allowed again"
        self._audit.write(AuditEvent(event, text, operator.actor, operator.reason, fields))
        self.noted(
            self._wall(),
            "suppressed" if suppressed else "allowed",
            bytes.fromhex(done.number_hash),
            operator.actor.name,
            operator.reason,
        )


def _check(number: str, operator: Operator) -> None:
    """Raise `InvalidOperation` for a bad number or reason."""
    problem = problem_with_number(number)
    if problem is not None:
        raise InvalidOperation(problem)
    check_text("reason", operator.reason, needed=True)


def _shared(number_hash: bytes, result: SuppressionResult) -> NumberResult:
    return NumberResult(number_hash.hex(), result.existed, Lifetime.SHARED, result.fleet)
