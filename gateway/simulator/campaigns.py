"""Campaigns: their states, the transitions between states, and the buffer of each campaign.

Rules:

* A campaign that was never mentioned exists and is Running, so a developer needs no set-up.
* CreateCampaign makes one that is Initialized; only StartCampaign makes it Running.
* AWS publishes no table of transitions. The one below follows the sentences of the API reference ("a paused
  outbound campaign can be resumed") and of the administrator guide (a stopped campaign is over).
* An illegal transition raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.simulator.errors import not_found, wrong_state
from gateway.simulator.quota import TokenBucket


class CampaignState(StrEnum):
    """The states of a campaign, spelled as the service models spell them; V1's has no Completed."""

    INITIALIZED = "Initialized"
    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    FAILED = "Failed"
    COMPLETED = "Completed"


_MOVES: Mapping[str, tuple[frozenset[CampaignState], CampaignState]] = {
    "StartCampaign": (frozenset({CampaignState.INITIALIZED}), CampaignState.RUNNING),
    "PauseCampaign": (frozenset({CampaignState.RUNNING}), CampaignState.PAUSED),
    "ResumeCampaign": (frozenset({CampaignState.PAUSED}), CampaignState.RUNNING),
    "StopCampaign": (frozenset({CampaignState.RUNNING, CampaignState.PAUSED}), CampaignState.STOPPED),
}


@dataclass(frozen=True, slots=True)
class BufferSize:
    """How many records a campaign holds, and how many leave each second; capacity None is unlimited.

    Raises:
        ValueError: a negative number.

    """

    capacity: int | None = None
    drain_per_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.drain_per_s >= 0:
            raise ValueError(f"drain_per_s must be 0 or more, not {self.drain_per_s}")
        if self.capacity is not None and self.capacity < 0:
            raise ValueError(f"capacity must be 0 or more, not {self.capacity}")

    def make(self) -> TokenBucket | None:
        """Return an empty buffer: its room is a bucket of tokens that the dialer gives back."""
        return None if self.capacity is None else TokenBucket(self.drain_per_s, self.capacity)


@dataclass(slots=True)
class Campaign:
    """One campaign. `details` are the members of CreateCampaign that DescribeCampaign gives back.

    `service` is the version of the API that lists it, by the name of its service; None for all versions.
    """

    id: str
    state: CampaignState
    buffer: TokenBucket | None
    details: Mapping[str, Any] = field(default_factory=dict)
    service: str | None = None

    def buffered(self, now: float) -> bool:
        """Put one record into the buffer and return True, or return False when it is full."""
        return self.buffer is None or self.buffer.take(now)

    def require_running(self, operation: str) -> None:
        """Raise CallError (InvalidCampaignStateException) unless the campaign is Running."""
        if self.state is not CampaignState.RUNNING:
            raise wrong_state(operation, self.state)


class Campaigns:
    """All campaigns of the account, mentioned or not."""

    def __init__(self, buffer: BufferSize) -> None:
        self._default_buffer = buffer
        self._known: dict[str, Campaign] = {}
        self._missing: set[str] = set()

    def __iter__(self) -> Iterator[Campaign]:
        """Iterate over the campaigns that were mentioned, oldest first."""
        return iter(tuple(self._known.values()))

    def get(self, campaign: str) -> Campaign:
        """Return a campaign. Raises CallError (ResourceNotFoundException) for one that was set to missing."""
        if campaign in self._missing:
            raise not_found(campaign)
        found = self._known.get(campaign)
        return found if found is not None else self._add(campaign, CampaignState.RUNNING)

    def create(
        self,
        campaign: str,
        details: Mapping[str, Any],
        service: str | None = None,
        state: CampaignState = CampaignState.INITIALIZED,
    ) -> Campaign:
        """Add a campaign and return it. `service` is the version of the API that lists it, None for all."""
        created = self._add(campaign, state)
        created.details, created.service = details, service
        return created

    def rename(self, campaign: str, name: str | None, tags: Mapping[str, str] | None) -> None:
        """Give a campaign another name, other tags, or both."""
        found = self.get(campaign)
        given = {"name": name, "tags": tags}
        found.details = {**found.details, **{key: value for key, value in given.items() if value is not None}}

    def move(self, campaign: str, operation: str) -> None:
        """Carry out one of the life cycle's operations.

        Raises CallError: ResourceNotFoundException, or InvalidCampaignStateException with the present state.
        """
        found = self.get(campaign)
        sources, target = _MOVES[operation]
        if found.state not in sources:
            raise wrong_state(operation, found.state)
        found.state = target

    def set_state(self, campaign: str, state: CampaignState) -> None:
        """Put a campaign into any state. One that was missing exists again."""
        self._missing.discard(campaign)
        self.get(campaign).state = state

    def set_buffer(self, campaign: str | None, size: BufferSize) -> None:
        """Give one campaign, or (None) all present and later ones, an empty buffer of this size."""
        if campaign is not None:
            self.get(campaign).buffer = size.make()
            return
        self._default_buffer = size
        for known in self._known.values():
            known.buffer = size.make()

    def forget(self, campaign: str) -> None:
        """Make a campaign unknown to every call from now on."""
        self._known.pop(campaign, None)
        self._missing.add(campaign)

    def _add(self, campaign: str, state: CampaignState) -> Campaign:
        added = self._known[campaign] = Campaign(campaign, state, self._default_buffer.make())
        return added
