"""Identifies callers, and returns their grants from the newest policy."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.actions import CampaignRight
from gateway.access.identity import CallerEvidence, Names, Network, identify
from gateway.access.policy import EVERYTHING, Grant, Policy
from gateway.access.refusal import AccessRefusal, RefusalLog
from gateway.access.reloading import Reloaded
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.model import Priority


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller: its `identity` if it has one, and the names by which it is known.

    `name` is used in logs and views, `key` for the limits of one caller. `by_proxy`: a trusted proxy vouches
    for the identity.
    """

    identity: str | None
    name: str
    key: str
    by_proxy: bool = False


class AccessControl:
    """Identifies callers and knows their grants. Without a policy, everything is granted.

    `count` is called for each refusal with caller, kind and number.
    """

    def __init__(
        self,
        policy: Reloaded[Policy] | None = None,
        trusted: tuple[Network, ...] = (),
        count: Callable[[str, str, int], None] = lambda caller, kind, number: None,
    ) -> None:
        self._policy = policy
        self._trusted = trusted
        self._names_in = _reader_of_certificates() if trusted else _no_names
        self.refusals = RefusalLog(count)

    def caller(self, evidence: CallerEvidence, host: str) -> Caller:
        """Return who calls from a host."""
        identified = identify(evidence, self._trusted, self._names_in)
        caller = Caller(
            identified.identity,
            identified.identity or evidence.readable_peer,
            identified.identity or host,
            identified.by_proxy,
        )
        if identified.forged:
            self.refusals.note(caller.key, AccessRefusal.FORGED)
        return caller

    def grant(self, caller: Caller) -> Grant | AccessRefusal:
        """Return the present grant of a caller, or why its call is refused."""
        if self._policy is None:
            return EVERYTHING
        if caller.identity is None:
            return AccessRefusal.UNAUTHENTICATED
        return self._policy.value.grant(caller.identity) or AccessRefusal.UNKNOWN

    def dial_permission(self, caller: Caller) -> "DialPermission":
        """Return the dial permission of a caller, for one stream."""
        return DialPermission(self, caller)


def _reader_of_certificates() -> Callable[[str], Names]:
    """Return what reads certificates that trusted proxies forward: only they need cryptography's 9 MB."""
    from gateway.access.certificate import names_in

    return names_in


def _no_names(_: str) -> Names:
    """Read no certificate: nobody is trusted to forward one."""
    return Names((), ())


class DialPermission:
    """The dial permission of one caller, by the newest policy at each message."""

    def __init__(self, access_control: AccessControl, caller: Caller) -> None:
        self._access_control = access_control
        self._caller = caller

    @property
    def caller_key(self) -> str:
        """The key for the limits and the turns of this caller."""
        return self._caller.key

    def grant(self) -> Grant | None:
        """Return the present grant, None if the policy does not name the caller any more."""
        grant = self._access_control.grant(self._caller)
        return grant if isinstance(grant, Grant) else None

    def priority(
        self, grant: Grant | None, campaign_id: str, wanted: Priority, count: int
    ) -> Priority | None:
        """Return the priority for dial requests, None if they are refused or not decided yet.

        Notes refusals and lowered priorities. An invalid campaign id is for the core to refuse, with the rule
        that it breaks, whether the caller has rights for it or not.
        """
        highest = grant.may_dial(campaign_id) if grant is not None else None
        if highest is None and problem_with_campaign(campaign_id) is not None:
            return wanted
        if highest is None and self.undecided(grant, campaign_id):
            return None
        if highest is None:
            self._access_control.refusals.note(self._caller.key, AccessRefusal.CAMPAIGN, count)
            return None
        if wanted < highest:
            self._access_control.refusals.note(self._caller.key, AccessRefusal.PRIORITY, count)
        return max(wanted, highest)

    def undecided(self, grant: Grant | None, campaign_id: str) -> bool:
        """Whether the grant depends on names or tags of campaigns that are not known yet."""
        return grant is not None and grant.directory is not None and grant.undecided(campaign_id)

    def visible(self, campaign_id: str) -> bool:
        """Whether the caller may see a campaign."""
        grant = self.grant()
        return grant is not None and grant.may(CampaignRight.SEE, campaign_id)
