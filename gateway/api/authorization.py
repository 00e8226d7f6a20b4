"""Who calls, as gRPC shows it, and how a call is refused that may not be made."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol

import grpc

from gateway.access.actions import CampaignRight
from gateway.access.grants import Caller, Gate
from gateway.access.identity import HEADER, CallerEvidence
from gateway.access.policy import Grant
from gateway.access.refusal import AccessRefusal

_URIS, _DNS = "peer_uri", "peer_dns"  # of the names in the certificate
_STATUS = {AccessRefusal.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED}


class CallContext(Protocol):
    """What is looked at of a call."""

    def peer(self) -> str:
        """Return where the call comes from, as gRPC has it."""
        ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return what the handshake has shown of the caller."""
        ...

    def invocation_metadata(self) -> Any:
        """Return the metadata of the call."""
        ...

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """End the call."""
        ...


def host_of(peer: str) -> str:
    """Return the host of a gRPC peer such as `ipv4:10.0.0.7:50514`; other peers are hosts by themselves."""
    scheme, _, address = peer.partition(":")
    return address.rpartition(":")[0] if scheme in {"ipv4", "ipv6"} else peer


class Authorizer:
    """Lets calls in, or ends them, as the gate says; the same for all services."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def dialer(self, context: CallContext) -> tuple[Caller, Grant]:
        """Return who calls and what it may, if it may dial anything; else the call ends here."""
        caller, grant = await self.entrant(context)
        if not grant.dials:
            await self._refuse(caller, AccessRefusal.DIALING, context)
        return caller, grant

    async def entrant(self, context: CallContext) -> tuple[Caller, Grant]:
        """Return who calls and what it may, if the policy names it; else the call ends here."""
        caller = self.caller_of(context)
        grant = self.gate.grant(caller)
        if isinstance(grant, AccessRefusal):
            await self._refuse(caller, grant, context)
        return caller, grant

    async def steers(
        self, entrant: tuple[Caller, Grant], action: CampaignRight, campaign_id: str, context: CallContext
    ) -> None:
        """End the call of one that was let in, unless it may do this with the campaign."""
        caller, grant = entrant
        if not grant.may(action, campaign_id):
            await self._refuse(caller, AccessRefusal.STEERING, context)

    def caller_of(self, context: CallContext) -> Caller:
        """Return who calls."""
        shown, peer = context.auth_context(), context.peer()
        metadata = context.invocation_metadata() or ()
        return self.gate.caller(
            CallerEvidence(
                peer,
                _texts(shown.get(_URIS, ())),
                _texts(shown.get(_DNS, ())),
                [value for key, value in metadata if key == HEADER and isinstance(value, str)],
            ),
            host_of(peer),
        )

    async def _refuse(self, caller: Caller, refusal: AccessRefusal, context: CallContext) -> NoReturn:
        self.gate.refusals.note(caller.key, refusal)
        await context.abort(_STATUS.get(refusal, grpc.StatusCode.PERMISSION_DENIED), refusal.text)


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("ascii", "replace") for value in values]
