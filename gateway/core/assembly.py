"""Creates the parts of the core and connects them."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.batches import BatchFormer
from gateway.core.call_permits import CallPermits
from gateway.core.calls_in_flight import CallsInFlight
from gateway.core.campaigns.conditions import Conditions
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.campaigns.holds import Holds
from gateway.core.campaigns.notices import Notices
from gateway.core.campaigns.refused import RefusedCampaigns
from gateway.core.claims.fleet_ledger import FleetLedger
from gateway.core.compliance.guarding import Guarding
from gateway.core.draining import Draining
from gateway.core.fleet.shared_conditions import SharedConditions
from gateway.core.intake.admission import SEND_MARGIN_S, Admission
from gateway.core.intake.departures import Departures
from gateway.core.intake.forecast import Forecast
from gateway.core.limits import Limits
from gateway.core.operator_actions import OperatorActions
from gateway.core.outbox import Outbox
from gateway.core.quota.demand import Demand
from gateway.core.quota.permits import FleetPermits, QuotaMember
from gateway.core.quota.retry_budget import FleetRetryBudget
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.pacing import Pacer, RetryBudget
from gateway.core.scheduling.permits import Permits
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.settlement.completion import Completion
from gateway.core.settlement.verdicts import VerdictPolicy
from gateway.core.slices import Slices
from gateway.core.tokens.ledger import Ledger
from gateway.core.tokens.outstanding import Outstanding
from gateway.core.views.snapshot import PermitWait, SnapshotTaker
from gateway.core.views.statistics import Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreParts:
    """The parts that the engine itself uses. Those of a fleet are None without one."""

    outbox: Outbox
    outstanding: Outstanding
    holds: Holds
    conditions: Conditions
    expiry: ExpiryScale
    scheduler: Scheduler
    slices: Slices
    departures: Departures
    notices: Notices
    statistics: Statistics
    operator_actions: OperatorActions
    permit_wait: PermitWait
    snapshot_taker: SnapshotTaker
    completion: Completion
    admission: Admission
    draining: Draining
    pacer: Permits
    calls: CallsInFlight
    permits: CallPermits
    fleet_permits: FleetPermits | None
    fleet_ledger: FleetLedger | None
    shared_conditions: SharedConditions | None
    guarding: Guarding


def assemble(
    limits: Limits,
    rng: random.Random,
    campaign_problem: Callable[[str], str | None],
    takes_channels: Callable[[str], bool],
    fleet_member: str | None,
    fleet_quota: QuotaMember | None,
) -> CoreParts:
    """Return the parts of a core; `Engine` explains the arguments."""
    outbox, holds, conditions, notices = Outbox(), Holds(), Conditions(rng), Notices()
    outstanding = Outstanding(Ledger(limits.replay_window_s, limits.replay_limit), outbox)
    flow, expiry = CampaignFlow(holds, RefusedCampaigns(), conditions), ExpiryScale()
    scheduler, slices = Scheduler(limits.linger_s, flow, expiry), Slices(limits.slice_units)
    departures = Departures(outstanding, outbox, scheduler, slices)
    policy = VerdictPolicy(limits.max_attempts, rng)
    lead_s = limits.expiry_headroom_s + SEND_MARGIN_S
    guarding = Guarding(outstanding, scheduler, expiry, slices, lead_s)
    completion = Completion(outstanding, scheduler, flow, notices, policy, expiry, slices, guarding)
    fleet_ledger = shared_conditions = None
    if fleet_member is not None:
        shared_conditions = SharedConditions(fleet_member, conditions, scheduler.is_waiting, completion)
        fleet_ledger = FleetLedger(fleet_member, outstanding, scheduler, expiry, completion)
        outstanding.denial_review = fleet_ledger.denials
    admission = Admission(
        outstanding,
        outbox,
        scheduler,
        flow,
        notices,
        Forecast(scheduler, expiry),
        departures,
        limits.expiry_headroom_s,
        campaign_problem,
        expiry,
        takes_channels,
        guarding,
        None if fleet_ledger is None else fleet_ledger.admitted,
    )
    retries: deque[int] = deque()
    pacer, budget, fleet_permits = _pace(limits, fleet_quota, Demand(scheduler, retries))
    calls = CallsInFlight(limits.max_attempts)
    former = BatchFormer(scheduler, departures, completion, expiry, slices, guarding)
    permits = CallPermits(
        pacer, budget, retries, calls, limits.concurrent_calls, former, scheduler, flow, expiry, slices
    )
    permit_wait, statistics = PermitWait(), Statistics(campaign_problem=campaign_problem)
    return CoreParts(
        outbox=outbox,
        outstanding=outstanding,
        holds=holds,
        conditions=conditions,
        expiry=expiry,
        scheduler=scheduler,
        slices=slices,
        departures=departures,
        notices=notices,
        statistics=statistics,
        operator_actions=OperatorActions(outstanding, scheduler, flow, notices, statistics, slices),
        permit_wait=permit_wait,
        snapshot_taker=SnapshotTaker(outstanding, scheduler, flow, pacer, permit_wait, expiry),
        completion=completion,
        admission=admission,
        draining=Draining(outstanding, scheduler, holds, slices, guarding),
        pacer=pacer,
        calls=calls,
        permits=permits,
        fleet_permits=fleet_permits,
        fleet_ledger=fleet_ledger,
        shared_conditions=shared_conditions,
        guarding=guarding,
    )


def _pace(
    limits: Limits, fleet_quota: QuotaMember | None, demand: Demand
) -> tuple[Permits, RetryBudget | FleetRetryBudget, FleetPermits | None]:
    """Return what permits calls, and what permits further attempts: of this process, or of a fleet."""
    if fleet_quota is None:
        return Pacer(limits.call_rate, limits.call_burst), RetryBudget(), None
    permits = FleetPermits(fleet_quota, limits.concurrent_calls, demand)
    return permits, permits.budget, permits
