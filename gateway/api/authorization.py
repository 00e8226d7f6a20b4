"""Identifies the caller of a gRPC call, and ends calls that it may not make."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol

from gateway.access.actions import CampaignRight, NumberRight
from gateway.access.grants import AccessControl, Caller
from gateway.access.identity import HEADER, CallerEvidence, address_of
from gateway.access.policy import Grant
from gateway.access.refusal import AccessRefusal
from gateway.api.wire.status_details import Abortable, ErrorReason, end_call
from gateway.control.audit import Actor, IdentifiedBy, Interface

_URIS, _DNS = "peer_uri", "peer_dns"  # of the names in the certificate
_REASONS = {
    AccessRefusal.UNAUTHENTICATED: ErrorReason.UNAUTHENTICATED,
    AccessRefusal.UNKNOWN: ErrorReason.UNKNOWN_CALLER,
    AccessRefusal.DIALING: ErrorReason.DIALING_DENIED,
    AccessRefusal.OPERATION: ErrorReason.OPERATION_DENIED,
    AccessRefusal.NUMBERS: ErrorReason.OPERATION_DENIED,
}


class CallContext(Abortable, Protocol):
    """The parts of a call's context that authorization needs."""

    def peer(self) -> str:
        """Return the address of the peer in gRPC's format."""
        ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return the properties of the peer from the TLS handshake."""
        ...

    def invocation_metadata(self) -> Any:
        """Return the metadata of the call."""
        ...


def host_of(peer: str) -> str:
    """Return the host of a gRPC peer such as `ipv4:10.0.0.7:50514`; other peers are hosts by themselves."""
    address = address_of(peer)
    return peer if address is None else str(address)


def actor_of(caller: Caller) -> Actor:
    """Return a caller as the audit record names it."""
    if caller.identity is None:
        return Actor(caller.name, IdentifiedBy.ADDRESS, Interface.GRPC)
    by = IdentifiedBy.PROXY if caller.by_proxy else IdentifiedBy.CERTIFICATE
    return Actor(caller.name, by, Interface.GRPC)


class Authorizer:
    """Authorizes the calls of all services by the policy."""

    def __init__(self, access_control: AccessControl) -> None:
        self.access_control = access_control

    async def may_dial(self, context: CallContext) -> tuple[Caller, Grant]:
        """Return the caller and its grant. Ends the call if the caller may not dial any campaign."""
        caller, grant = await self.known(context)
        if not grant.dials:
            await self._refuse(caller, AccessRefusal.DIALING, context)
        return caller, grant

    async def known(self, context: CallContext) -> tuple[Caller, Grant]:
        """Return the caller and its grant. Ends the call if the policy does not name the caller."""
        caller = self.caller_of(context)
        grant = self.access_control.grant(caller)
        if isinstance(grant, AccessRefusal):
            await self._refuse(caller, grant, context)
        return caller, grant

    async def may_operate(
        self,
        caller_and_grant: tuple[Caller, Grant],
        action: CampaignRight,
        campaign_id: str,
        context: CallContext,
    ) -> None:
        """End the call of a known caller that does not have this right for the campaign."""
        caller, grant = caller_and_grant
        if not grant.may(action, campaign_id):
            await self._refuse(caller, AccessRefusal.OPERATION, context)

    async def may_with_numbers(self, right: NumberRight, context: CallContext) -> Caller:
        """Return the caller. Ends the call if it does not have this right for phone numbers."""
        caller, grant = await self.known(context)
        if not grant.may_with_numbers(right):
            await self._refuse(caller, AccessRefusal.NUMBERS, context)
        return caller

    def caller_of(self, context: CallContext) -> Caller:
        """Return the caller."""
        shown, peer = context.auth_context(), context.peer()
        metadata = context.invocation_metadata() or ()
        return self.access_control.caller(
            CallerEvidence(
                peer,
                _texts(shown.get(_URIS, ())),
                _texts(shown.get(_DNS, ())),
                [value for key, value in metadata if key == HEADER and isinstance(value, str)],
            ),
            host_of(peer),
        )

    async def _refuse(self, caller: Caller, refusal: AccessRefusal, context: CallContext) -> NoReturn:
        self.access_control.refusals.note(caller.key, refusal)
        await end_call(context, _REASONS[refusal], refusal.text)


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("ascii", "replace") for value in values]
