"""Who calls, and what they may do: as much as the api must know of it."""

from typing import Protocol


class PeerContext(Protocol):
    """What is looked at of a call."""

    def peer(self) -> str:
        """Return where the call comes from, as gRPC has it."""
        ...


class Gatekeeper(Protocol):
    """Says who calls, and whether they may do what they ask for."""

    def caller_of(self, context: PeerContext) -> str:
        """Return the caller's identity where it has one, else its address."""
        ...

    def may_steer(self, caller: str, campaign_id: str) -> bool:
        """Whether a caller may hold, release and purge a campaign."""
        ...


class OpenGate:
    """Knows callers by their addresses, and lets everybody do everything."""

    def caller_of(self, context: PeerContext) -> str:
        """Return the caller's address."""
        return context.peer()

    def may_steer(self, caller: str, campaign_id: str) -> bool:
        """Allow it."""
        del caller, campaign_id
        return True
