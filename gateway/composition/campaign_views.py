"""Puts together what shows campaigns and what operates on them: on all replicas of a fleet."""

from typing import NamedTuple

from gateway.composition.basis import Basis
from gateway.composition.replica import Replica
from gateway.control.fleet_snapshots import FleetSnapshots
from gateway.control.operations import CampaignOperations
from gateway.control.snapshots import StatusSnapshots


class CampaignViews(NamedTuple):
    """The status of campaigns, and hold, release and purge; both for gRPC and the console."""

    snapshots: StatusSnapshots
    operations: CampaignOperations


def campaign_views_of(basis: Basis, replica: Replica) -> CampaignViews:
    """Return the views of one process, or those of all replicas of its fleet."""
    dispatcher, now = replica.dispatcher, basis.clock.now
    if replica.fleet is None:
        snapshots, control = StatusSnapshots(dispatcher.rows, now), None
    else:
        control = replica.fleet.control
        snapshots = FleetSnapshots(dispatcher.rows, now, control, replica.fleet.state)
        control.changed = snapshots.outdated
    operations = CampaignOperations(
        dispatcher.campaign_actions, snapshots, now, control, basis.directory, audit=basis.audit
    )
    return CampaignViews(snapshots, operations)
