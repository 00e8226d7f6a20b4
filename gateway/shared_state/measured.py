"""The shared state with a measurement of each operation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from gateway.core.fleet.contacts import Contact, ContactCount, KeptContact
from gateway.core.fleet.messages import Claim, Claimed, FleetAction, Settlement, TokenRecord
from gateway.core.fleet.suppressions import Suppression, SuppressionsReply, SuppressionsRequest
from gateway.shared_state.port import Beat, BeatReply, SharedState, SharedStateError, SharedStateRefused

Measure = Callable[[str, float, str | None], None]
"""Takes the name of an operation, the seconds that it took, and None or the kind of its failure."""
REFUSED, UNAVAILABLE = "refused", "unavailable"


class MeasuredState:
    """Passes everything on to `state`; `now` returns seconds."""

    def __init__(self, state: SharedState, now: Callable[[], float], measure: Measure) -> None:
        self._state = state
        self._now = now
        self._measure = measure

    @contextmanager
    def _measured(self, operation: str) -> Iterator[None]:
        began = self._now()
        kind = None
        try:
            yield
        except SharedStateError as error:
            kind = REFUSED if isinstance(error, SharedStateRefused) else UNAVAILABLE
            raise
        finally:
            self._measure(operation, self._now() - began, kind)

    async def beat(self, beat: Beat) -> BeatReply:
        """Exchange a beat."""
        with self._measured("beat"):
            return await self._state.beat(beat)

    async def claim(
        self, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim the tokens of one call."""
        with self._measured("claim"):
            return await self._state.claim(campaign_id, member, live, claims)

    async def settle(self, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims ended."""
        with self._measured("settle"):
            await self._state.settle(campaign_id, member, settlements)

    async def restore_contacts(self, member: str, covered_s: float, kept: Sequence[KeptContact]) -> None:
        """Write contacts again."""
        await self._state.restore_contacts(member, covered_s, kept)

    async def look_at_contacts(self, looked_at: Sequence[Contact]) -> list[ContactCount]:
        """Tell whether contacts would have room now."""
        return await self._state.look_at_contacts(looked_at)

    async def lose_contacts(self) -> None:
        """Note that contacts were lost."""
        await self._state.lose_contacts()

    async def look_up(
        self, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> Mapping[str, TokenRecord]:
        """Return the records of tokens."""
        with self._measured("look_up"):
            return await self._state.look_up(campaign_id, live, tokens)

    async def doubt(self, for_s: float) -> None:
        """Note for all replicas that tokens without a record may have been sent."""
        await self._state.doubt(for_s)

    async def keep_fingerprint_key(self, new: bytes) -> bytes:
        """Keep a new key of fingerprints if there is none; return the key."""
        return await self._state.keep_fingerprint_key(new)

    async def act(self, action: FleetAction) -> FleetAction | None:
        """Record an operator's action."""
        with self._measured("act"):
            return await self._state.act(action)

    async def exchange_suppressions(self, request: SuppressionsRequest) -> SuppressionsReply:
        """Offer suppressions, and read a page of them."""
        with self._measured("suppressions"):
            return await self._state.exchange_suppressions(request)

    async def suppress(self, action: Suppression) -> Suppression:
        """Record a suppression."""
        with self._measured("act"):
            return await self._state.suppress(action)

    async def end_suppression(self, action: Suppression, *, known: bool) -> Suppression | None:
        """Record the end of a suppression."""
        with self._measured("act"):
            return await self._state.end_suppression(action, known=known)

    async def publish(self, member: str, report: bytes, keep_s: float) -> None:
        """Publish a replica's report."""
        with self._measured("report"):
            await self._state.publish(member, report, keep_s)

    async def reports(self) -> Mapping[str, bytes]:
        """Return the reports of all members."""
        with self._measured("report"):
            return await self._state.reports()

    async def close(self) -> None:
        """Close all connections."""
        await self._state.close()
