"""Puts the admin port together: health and metrics, the console, and the server that shows them."""

from typing import NamedTuple

from gateway.access.setup import Access
from gateway.admin.server import AdminServer
from gateway.composition.basis import Basis
from gateway.composition.campaign_names import CampaignNames
from gateway.composition.campaign_views import CampaignViews
from gateway.composition.grpc_port import GrpcPort
from gateway.composition.guard import GuardParts
from gateway.composition.replica import Replica
from gateway.composition.replica_name import replica_name
from gateway.control.console_view import Console
from gateway.control.file_watch import FileWatch
from gateway.control.monitoring import Monitoring


class AdminPort(NamedTuple):
    """What the admin port shows, and its server."""

    monitoring: Monitoring
    console: Console
    server: AdminServer


def admin_port_of(
    basis: Basis,
    replica: Replica,
    access: Access,
    files: FileWatch,
    guard: GuardParts,
    names: CampaignNames,
    views: CampaignViews,
    grpc: GrpcPort,
) -> AdminPort:
    """Return what the admin port shows, and its server, which is not started."""
    monitoring = _monitoring(basis, replica, files, guard, names, views, grpc)
    console = _console(basis, replica, access, guard, views, grpc)
    server = AdminServer(monitoring, console, basis.settings.admin_listen, basis.settings.admin_hosts)
    monitoring.admin_closed = lambda: server.closed
    return AdminPort(monitoring, console, server)


def _monitoring(
    basis: Basis,
    replica: Replica,
    files: FileWatch,
    guard: GuardParts,
    names: CampaignNames,
    views: CampaignViews,
    grpc: GrpcPort,
) -> Monitoring:
    return Monitoring(
        replica.dispatcher,
        grpc.dial_requests,
        replica.sender.health,
        basis.telemetry,
        basis.clock,
        port=basis.port,
        parts=views.snapshots.parts,
        files=files.figures,
        clock_behind=lambda: basis.port.clock_behind_s,
        fleet=replica.fleet,
        campaign_name=basis.directory.name_of,
        directory=names.figures,
        guard=guard.figures,
    )


def _console(
    basis: Basis, replica: Replica, access: Access, guard: GuardParts, views: CampaignViews, grpc: GrpcPort
) -> Console:
    return Console(
        replica.dispatcher,
        grpc.dial_requests,
        replica.sender.health,
        views.snapshots,
        views.operations,
        basis.clock,
        access.operator_authorizer,
        access.control.refusals,
        basis.settings,
        basis.directory,
        replica_name(basis.settings),
        guard.figures,
    )
