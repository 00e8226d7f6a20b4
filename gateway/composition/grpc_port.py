"""Puts the gRPC port together: the services of the wire contract, and the server that offers them."""

from typing import NamedTuple

from gateway.access.grants import AccessControl
from gateway.access.setup import Access
from gateway.api.authorization import Authorizer
from gateway.api.campaign_service import CampaignServicer
from gateway.api.compliance_service import ComplianceServicer
from gateway.api.dial_request_service import DialRequestServicer
from gateway.api.method_handlers import campaign_handlers
from gateway.api.reflection import Reflection
from gateway.api.server import GrpcServer, Keepalive
from gateway.api.streams import StreamLimits
from gateway.composition.basis import Basis
from gateway.composition.campaign_views import CampaignViews
from gateway.composition.guard import GuardParts
from gateway.composition.part_settings import connections_of, stream_limits_of
from gateway.composition.replica import Replica
from gateway.runtime.open_files import open_files_limit


class GrpcPort(NamedTuple):
    """The services that must know of a shutdown, and the server."""

    dial_requests: DialRequestServicer
    campaigns: CampaignServicer
    server: GrpcServer


def grpc_port_of(
    basis: Basis,
    replica: Replica,
    access: Access,
    guard: GuardParts,
    views: CampaignViews,
    keepalive: Keepalive | None,
) -> GrpcPort:
    """Return the services, and their server, which is not started.

    A `keepalive` takes the place of that in the settings.
    """
    settings = basis.settings
    limits, authorizer = stream_limits_of(settings), Authorizer(access.control)
    dial_requests = _dial_requests(basis, replica, access.control, limits)
    campaigns = CampaignServicer(
        replica.dispatcher,
        basis.clock,
        access.control,
        views.snapshots,
        views.operations,
        directory=basis.directory,
    )
    handlers = (
        dial_requests.handlers(),
        campaign_handlers(campaigns, authorizer),
        _compliance(basis, replica, guard, authorizer).handlers(),
        *Reflection(authorizer).handlers(),
    )
    keepalive = keepalive or Keepalive(settings.keepalive, settings.keepalive_timeout, limits.max_age_s)
    server = GrpcServer(
        handlers,
        settings.listen,
        keepalive,
        access.pair,
        limits.caller_streams,
        connections_of(settings, open_files_limit()),
    )
    return GrpcPort(dial_requests, campaigns, server)


def _dial_requests(
    basis: Basis, replica: Replica, control: AccessControl, limits: StreamLimits
) -> DialRequestServicer:
    return DialRequestServicer(
        replica.dispatcher,
        basis.telemetry,
        basis.clock,
        limits,
        basis.rng,
        basis.supervisor,
        control,
        basis.directory,
    )


def _compliance(
    basis: Basis, replica: Replica, guard: GuardParts, authorizer: Authorizer
) -> ComplianceServicer:
    return ComplianceServicer(
        guard.numbers,
        guard.number_checks,
        replica.dispatcher.check,
        lambda: guard.keeper.version,
        authorizer,
        basis.directory,
    )
