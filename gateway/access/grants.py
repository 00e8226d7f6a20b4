"""Who comes in, and with which grant, by the policy as it is at that moment."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.certificate import names_in
from gateway.access.identity import CallerEvidence, Network, identify
from gateway.access.policy import EVERYTHING, Grant, Policy
from gateway.access.refusal import AccessRefusal, RefusalLog
from gateway.access.reloading import Reloaded
from gateway.core.model import Priority


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: its `identity` where it has one, and the address that its connection comes from.

    `name` is what is logged and shown of it, `key` what the limits of one caller are counted by.
    """

    identity: str | None
    name: str
    key: str


class Gate:
    """Knows callers by their identities, and what the policy grants them; without one, everything.

    `count` is told each refusal: caller, kind, how many.
    """

    def __init__(
        self,
        policy: Reloaded[Policy] | None = None,
        trusted: tuple[Network, ...] = (),
        count: Callable[[str, str, int], None] = lambda caller, kind, number: None,
    ) -> None:
        self._policy = policy
        self._trusted = trusted
        self.refusals = RefusalLog(count)

    def caller(self, shown: CallerEvidence, host: str) -> Caller:
        """Return who calls from a host."""
        found = identify(shown, self._trusted, names_in)
        caller = Caller(found.identity, found.identity or shown.peer, found.identity or host)
        if found.forged:
            self.refusals.note(caller.key, AccessRefusal.FORGED)
        return caller

    def grant(self, caller: Caller) -> Grant | AccessRefusal:
        """Return what a caller may now, or why it may not even call."""
        if self._policy is None:
            return EVERYTHING
        if caller.identity is None:
            return AccessRefusal.UNAUTHENTICATED
        return self._policy.value.grant(caller.identity) or AccessRefusal.UNKNOWN

    def permit(self, caller: Caller) -> "DialPermission":
        """Return what a caller may for as long as its stream lasts."""
        return DialPermission(self, caller)


class DialPermission:
    """What one caller may dial, by the policy as it is at each message."""

    def __init__(self, gate: Gate, caller: Caller) -> None:
        self._gate = gate
        self._caller = caller

    @property
    def caller_key(self) -> str:
        """The key by which the limits and the turns of this caller are counted."""
        return self._caller.key

    def grant(self) -> Grant | None:
        """Return what it may now; None where the policy does not name it any more."""
        grant = self._gate.grant(self._caller)
        return grant if isinstance(grant, Grant) else None

    def priority(
        self, grant: Grant | None, campaign_id: str, wanted: Priority, count: int
    ) -> Priority | None:
        """Return at which priority dial requests are taken, None where they are refused; both are noted."""
        highest = grant.may_dial(campaign_id) if grant is not None else None
        if highest is None:
            self._gate.refusals.note(self._caller.key, AccessRefusal.CAMPAIGN, count)
            return None
        if wanted < highest:
            self._gate.refusals.note(self._caller.key, AccessRefusal.PRIORITY, count)
        return max(wanted, highest)
