"""What a replica asks of the shared state, without naming a library or a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.fleet.contacts import Contact, ContactCount, KeptContact
from gateway.core.fleet.messages import (
    Claim,
    Claimed,
    ConditionsReply,
    ConditionsRequest,
    ControlReply,
    ControlRequest,
    FleetAction,
    Settlement,
    TickReply,
    TickRequest,
    TokenRecord,
)
from gateway.core.fleet.suppressions import Suppression, SuppressionsReply, SuppressionsRequest

TIMES_ASKED = 3
"""A beat, claim or look-up without a reply is sent again after each time-out, so many times in all. Replies
are waited for until the last time-out."""


class SharedStateError(Exception):
    """The shared state did not do what was asked. The text never contains a password or personal data."""


class SharedStateUnavailable(SharedStateError):  # noqa: N818 - says what happened
    """It could not be reached, did not answer in time, or cannot write now. The command may have been run."""


class HandshakeFailed(SharedStateUnavailable):
    """It can be reached, but certificates are not accepted, by it or by this side."""


class ActionTooLate(SharedStateUnavailable):
    """An operator's action arrived long after it was asked for, and was not carried out."""

    def __init__(self) -> None:
        super().__init__("the action arrived too late and was not carried out")


class KeyDiffers(SharedStateUnavailable):
    """It keeps hashes of numbers with another key, so an operator's action was not recorded."""

    def __init__(self) -> None:
        super().__init__("the numbers in it are hashed with another key")


class SharedStateChanged(SharedStateUnavailable):
    """It is not the store that this replica knows: it may have lost records of client tokens.

    `SharedState.keep_fingerprint_key` tells whether it has lost everything.
    """


class SharedStateRefused(SharedStateError):  # noqa: N818
    """It will not do this until an operator changes something: permissions, version, layout, eviction."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The regular message of a replica: one round trip carries all of it.

    `conditions` is None if the replica has nothing to tell or to read about conditions of campaigns.
    """

    tick: TickRequest
    control: ControlRequest
    conditions: ConditionsRequest | None = None


@dataclass(frozen=True, slots=True)
class BeatReply:
    """The reply to a beat. `conditions_version` is that of the newest condition of a campaign before it.

    `suppressions_version` is that of the newest suppression, or end of one, before it.
    """

    tick: TickReply
    control: ControlReply
    conditions_version: int = 0
    conditions: ConditionsReply | None = None
    suppressions_version: int = 0


class SharedState(Protocol):
    """The state that all replicas share. Every method raises `SharedStateError` only, within its time limit.

    That is the time-out of the setting, and `TIMES_ASKED` times as much for beats and the ledger, where a
    late reply is of use.
    """

    async def beat(self, beat: Beat) -> BeatReply:
        """Exchange a beat. Sent again with the same sequence after an error, it counts once."""
        ...

    async def claim(
        self, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim the tokens of one call, in one atomic step; `live` are the members known to be alive.

        The contacts of claims are counted in another atomic step, at about the same time.

        While the fleet is in doubt (`doubt`), tokens without a record are taken over. Raises
        `SharedStateChanged` if the store may have lost records since `keep_fingerprint_key`.
        """
        ...

    async def settle(self, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims of this member ended. Claims that others have taken over since stay theirs.

        Contacts are withdrawn unless a later call has counted them again.
        """
        ...

    async def restore_contacts(self, member: str, covered_s: float, kept: Sequence[KeptContact]) -> None:
        """Write contacts again that this member has counted in the last `covered_s`, if they were lost.

        `covered_s` is infinite if these are all that it has ever counted. If the store has lost older
        contacts of this member, it notes that as `lose_contacts` does.
        """
        ...

    async def lose_contacts(self) -> None:
        """Note for all replicas that contacts were lost: limits count as full for their periods from now."""
        ...

    async def look_at_contacts(self, looked_at: Sequence[Contact]) -> list[ContactCount]:
        """Tell whether each of some contacts would have room now. Nothing is counted."""
        ...

    async def look_up(
        self, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> Mapping[str, TokenRecord]:
        """Return the records of those tokens that have one; while the fleet is in doubt, of all tokens.

        Raises `SharedStateChanged` as `claim` does.
        """
        ...

    async def doubt(self, for_s: float) -> None:
        """Note for all replicas that tokens without a record may have been sent, for so long at least."""
        ...

    async def keep_fingerprint_key(self, new: bytes) -> bytes:
        """Keep a new key of fingerprints if the fleet has none yet; return the key that it has."""
        ...

    async def act(self, action: FleetAction) -> FleetAction | None:
        """Record an operator's action; return it with its version and time, None for a release of no hold.

        Raises also `TooManyHolds`.
        """
        ...

    async def exchange_suppressions(self, request: SuppressionsRequest) -> SuppressionsReply:
        """Offer suppressions that the store may lack, and return a page of what the replica has not read."""
        ...

    async def suppress(self, action: Suppression) -> Suppression:
        """Record a suppression; return it, or the one that its number has already.

        Raises also `TooManySuppressions`, and `KeyDiffers`.
        """
        ...

    async def end_suppression(self, action: Suppression, *, known: bool) -> Suppression | None:
        """Record the end of a suppression; None if there is none.

        `known`: the replica knows a suppression that the store may lack. Raises also `KeyDiffers`.
        """
        ...

    async def publish(self, member: str, report: bytes, keep_s: float) -> None:
        """Publish a replica's report about its campaigns for the other replicas' listings.

        It is dropped after `keep_s` seconds.
        """
        ...

    async def reports(self) -> Mapping[str, bytes]:
        """Return the present report of each member."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
