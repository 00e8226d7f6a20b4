"""A question to the fleet's ledger, about the tokens of some outstanding dial requests."""

import enum
from dataclasses import dataclass

from gateway.core.model import Entry

LOOK_UP_LIMIT = 200
"""Tokens of one look-up at most: the store answers it in well under a millisecond."""


class LookUpPurpose(enum.Enum):
    """Why the fleet's ledger is asked."""

    DENIAL = "denial"
    """The answer is a denial, if no replica has sent the token."""
    ELSEWHERE = "elsewhere"
    """Another replica was sending the token."""
    ADMISSION = "admission"
    """The dial request waits for a call, and may be answered without one."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenLookUp:
    """The entries whose tokens are looked up, all of one campaign."""

    purpose: LookUpPurpose
    campaign_id: str
    entries: list[Entry]

    @property
    def tokens(self) -> list[str]:
        """The client tokens to ask about."""
        return [entry.request.client_token for entry in self.entries]
