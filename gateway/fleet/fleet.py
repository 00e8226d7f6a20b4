"""A replica's part in its fleet: what it is made from, and how it starts, reports, leaves and closes."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

from gateway.access.key_pair import ClientTls
from gateway.access.reloading import Reloaded
from gateway.fleet.claims import Claims
from gateway.fleet.control import FleetControl
from gateway.fleet.member import Ended, FleetMember
from gateway.fleet.suppression_sync import SuppressionSync
from gateway.shared_state.port import SharedState
from gateway.telemetry import FleetFigures

LAST_SETTLEMENTS_S = 1.0
"""Seconds in which the last settlements are written when the gateway shuts down."""


@dataclass(frozen=True, slots=True)
class FleetSetup:
    """A replica and what it shares. `member` is unique for each process, `name` is for people.

    `fingerprint_key` is the secret key of fingerprints; if it is None, the fleet makes one. `ended` finds out
    which lost replicas have ended; without it, their part of the quota stays reserved. `start` begins to
    connect, and takes what to call when the shared state is there again after an outage. `tasks` returns what
    the shared state needs to run until the gateway shuts down. Beats, claims and look-ups without a reply are
    sent again after `again_after_s`. `tls` are the certificates for new connections, which are read again
    when their files change.
    """

    state: SharedState
    member: str
    name: str
    longest_outage_s: float = 600.0
    fingerprint_key: bytes | None = None
    ended: Ended | None = None
    start: Callable[[Callable[[], None]], None] = lambda _: None
    tasks: Callable[[], list[Coroutine[None, None, None]]] = list
    again_after_s: float = 0.25
    tls: Reloaded[ClientTls] | None = None


class Fleet:
    """The parts of one replica that speak with the shared state.

    These are beats, claims, operators' actions, and suppressions.
    """

    def __init__(
        self,
        setup: FleetSetup,
        member: FleetMember,
        claims: Claims,
        control: FleetControl,
        suppressions: SuppressionSync,
    ) -> None:
        self.state = setup.state
        self._start = setup.start
        self._tasks_of_state = setup.tasks
        self._member = member
        self.claims = claims
        self.control = control
        self.suppressions = suppressions

    def start(self) -> None:
        """Begin to connect."""
        self._start(self._member.wake)

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """Return what must run until the gateway shuts down."""
        member, of_state = self._member, self._tasks_of_state()
        return [member.run(), member.show_life(), self.claims.run(), self.suppressions.run(), *of_state]

    async def leave(self) -> None:
        """Write the last settlements, and leave the fleet, as far as the shared state answers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SETTLEMENTS_S):
                await self.claims.written()
        await self._member.leave()

    async def close(self) -> None:
        """Close the connections to the shared state."""
        await self.state.close()

    # --- for readiness and metrics --------------------------------------------------------------------

    def in_words(self) -> tuple[bool, str]:
        """Return whether the fleet lets this replica send, and the state of the shared state, in words."""
        may_send, words = self._member.in_words()
        blocked = self.suppressions.in_words()
        return (may_send, words) if blocked is None or not may_send else (False, f"{words}; {blocked}")

    def notes(self) -> dict[str, str]:
        """Return observations for people."""
        return self._member.notes()

    def figures(self) -> FleetFigures:
        """Return the figures for metrics."""
        figures = self._member.figures()
        return figures._replace(settlements_waiting=self.claims.waiting, settlements_lost=self.claims.lost)
