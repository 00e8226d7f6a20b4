"""The interface to the ledger of a fleet, in which a replica claims client tokens before it sends them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from gateway.core.fleet.contacts import Contact, ContactCount
from gateway.core.fleet.messages import Claim, Claimed, Settlement, TokenRecord


class TokenClaims(Protocol):
    """The ledger of the fleet as the dispatcher uses it. No method raises if the ledger cannot be reached."""

    async def claim(self, campaign_id: str, claims: Sequence[Claim]) -> list[Claimed] | None:
        """Claim the tokens of one call; None if the ledger did not answer."""
        ...

    def unclaimed(self) -> None:
        """Note that a call is sent without claims."""
        ...

    def settle(self, settlements: Iterable[tuple[str, Settlement]]) -> None:
        """Record how claims have ended, each with its campaign. Does not wait for the ledger."""
        ...

    async def look_up(self, campaign_id: str, tokens: Sequence[str]) -> Mapping[str, TokenRecord] | None:
        """Return the records of tokens; None if the ledger did not answer."""
        ...

    async def look_at_contacts(self, looked_at: Sequence[Contact]) -> list[ContactCount] | None:
        """Return whether contacts would have room now; None if that is not known."""
        ...
