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
from gateway.core.intake.admission import Admission
from gateway.core.intake.departures import Departures
from gateway.core.intake.forecast import Forecast
from gateway.core.limits import Limits
from gateway.core.operator_actions import OperatorActions
from gateway.core.outbox import Outbox
from gateway.core.quota.demand import Demand
from gateway.core.quota.fleet_permits import FleetPermits, QuotaMember
from gateway.core.quota.retry_budget import FleetRetryBudget
from gateway.core.scheduling.expiry import SEND_MARGIN_S, ExpiryScale
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


@dataclass(frozen=True, slots=True)
class _Backlog:
    """The outstanding dial requests and their queues, and what decides whether they may be sent."""

    outbox: Outbox
    outstanding: Outstanding
    scheduler: Scheduler
    slices: Slices
    expiry: ExpiryScale
    flow: CampaignFlow
    notices: Notices
    departures: Departures
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
    backlog = _backlog(limits, rng)
    completion = _completion(limits, rng, backlog)
    ledger, shared_conditions = _fleet_parts(fleet_member, backlog, completion)
    permits, fleet_permits = _call_permits(limits, backlog, completion, fleet_quota)
    permit_wait, statistics = PermitWait(), Statistics(campaign_problem=campaign_problem)
    return CoreParts(
        outbox=backlog.outbox,
        outstanding=backlog.outstanding,
        holds=backlog.flow.holds,
        conditions=backlog.flow.conditions,
        expiry=backlog.expiry,
        scheduler=backlog.scheduler,
        slices=backlog.slices,
        departures=backlog.departures,
        notices=backlog.notices,
        statistics=statistics,
        operator_actions=_operator_actions(backlog, statistics),
        permit_wait=permit_wait,
        snapshot_taker=_snapshot_taker(backlog, permits.pacer, permit_wait),
        completion=completion,
        admission=_admission(limits, backlog, campaign_problem, takes_channels, ledger),
        draining=_draining(backlog),
        pacer=permits.pacer,
        calls=permits.calls,
        permits=permits,
        fleet_permits=fleet_permits,
        fleet_ledger=ledger,
        shared_conditions=shared_conditions,
        guarding=backlog.guarding,
    )


def _backlog(limits: Limits, rng: random.Random) -> _Backlog:
    expiry = ExpiryScale(limits.expiry_headroom_s + SEND_MARGIN_S)
    outbox, slices = Outbox(), Slices(limits.slice_units)
    outstanding = Outstanding(Ledger(limits.replay_window_s, limits.replay_limit), outbox)
    flow = CampaignFlow(Holds(), RefusedCampaigns(), Conditions(rng))
    scheduler = Scheduler(limits.linger_s, flow, expiry)
    departures = Departures(outstanding, outbox, scheduler, slices)
    guarding = Guarding(outstanding, scheduler, expiry, slices)
    return _Backlog(outbox, outstanding, scheduler, slices, expiry, flow, Notices(), departures, guarding)


def _completion(limits: Limits, rng: random.Random, backlog: _Backlog) -> Completion:
    return Completion(
        backlog.outstanding,
        backlog.scheduler,
        backlog.flow,
        backlog.notices,
        VerdictPolicy(limits.max_attempts, rng),
        backlog.expiry,
        backlog.slices,
        backlog.guarding,
    )


def _operator_actions(backlog: _Backlog, statistics: Statistics) -> OperatorActions:
    return OperatorActions(
        backlog.outstanding, backlog.scheduler, backlog.flow, backlog.notices, statistics, backlog.slices
    )


def _snapshot_taker(backlog: _Backlog, pacer: Permits, permit_wait: PermitWait) -> SnapshotTaker:
    return SnapshotTaker(
        backlog.outstanding, backlog.scheduler, backlog.flow, pacer, permit_wait, backlog.expiry
    )


def _draining(backlog: _Backlog) -> Draining:
    return Draining(
        backlog.outstanding, backlog.scheduler, backlog.flow.holds, backlog.slices, backlog.guarding
    )


def _fleet_parts(
    member: str | None, backlog: _Backlog, completion: Completion
) -> tuple[FleetLedger | None, SharedConditions | None]:
    """Return what a replica shares with its fleet besides the quota; nothing without a fleet."""
    if member is None:
        return None, None
    scheduler, conditions = backlog.scheduler, backlog.flow.conditions
    ledger = FleetLedger(member, backlog.outstanding, scheduler, backlog.expiry, completion)
    backlog.outstanding.denial_review = ledger.denials
    return ledger, SharedConditions(member, conditions, scheduler.is_waiting, completion)


def _admission(
    limits: Limits,
    backlog: _Backlog,
    campaign_problem: Callable[[str], str | None],
    takes_channels: Callable[[str], bool],
    ledger: FleetLedger | None,
) -> Admission:
    return Admission(
        backlog.outstanding,
        backlog.outbox,
        backlog.scheduler,
        backlog.flow,
        backlog.notices,
        Forecast(backlog.scheduler, backlog.expiry),
        backlog.departures,
        campaign_problem,
        backlog.expiry,
        takes_channels,
        backlog.guarding,
        None if ledger is None else ledger.admitted,
    )


def _call_permits(
    limits: Limits, backlog: _Backlog, completion: Completion, fleet_quota: QuotaMember | None
) -> tuple[CallPermits, FleetPermits | None]:
    """Return what permits calls and forms them; also what the fleet grants, None without a fleet."""
    scheduler, expiry, slices = backlog.scheduler, backlog.expiry, backlog.slices
    retries: deque[int] = deque()
    pacer, budget, fleet_permits = _pace(limits, fleet_quota, Demand(scheduler, retries))
    former = BatchFormer(scheduler, backlog.departures, completion, expiry, slices, backlog.guarding)
    permits = CallPermits(
        pacer,
        budget,
        retries,
        CallsInFlight(limits.max_attempts, expiry.lead_s),
        limits.concurrent_calls,
        former,
        scheduler,
        backlog.flow,
        expiry,
        slices,
    )
    return permits, fleet_permits


def _pace(
    limits: Limits, fleet_quota: QuotaMember | None, demand: Demand
) -> tuple[Permits, RetryBudget | FleetRetryBudget, FleetPermits | None]:
    """Return what permits calls, and what permits further attempts: of this process, or of a fleet."""
    if fleet_quota is None:
        return Pacer(limits.call_rate, limits.call_burst), RetryBudget(), None
    permits = FleetPermits(fleet_quota, limits.concurrent_calls, demand)
    return permits, permits.budget, permits
