"""What must hold after a poll of the engine: nothing that was due is left undone, and its sums are right."""

import math
from collections.abc import Iterable

from gateway.core.engine import BODY_COPIES, Engine
from gateway.core.model import BATCH_LIMIT
from gateway.core.scheduling.queues import SUSPECT_EVERY_S
from gateway.core.tokens.outstanding import CAMPAIGN_BYTES, JOIN_BYTES, QUEUE_BYTES
from tests.oracle.oracle import Oracle
from tests.oracle.records import EXACT_S, Caller, CampaignBacklog, Outstanding


def check_after_poll(oracle: Oracle, engine: Engine) -> None:
    """Check what a poll left undone, and that the instant at which it wants to be polled is honest."""
    now, wake_at, backlog, at = oracle.at.now, oracle.wake_at, oracle.backlog, oracle.at
    assert wake_at is None or wake_at > now, "would be polled again at once, for nothing"
    assert not backlog.refused, "waits for a campaign that was refused"
    assert not oracle.answers.owed, "a stream that ends has not got all its answers"
    assert at.sending or not backlog.in_no_call, "waits for a gateway that has stopped to send"
    if at.draining:
        waits = any(backlog.in_no_call_of(campaign_id) for campaign_id in at.holds)
        assert not waits, "a gateway that leaves waits for a hold to end"
    earliest = backlog.earliest_expiry()
    if earliest is not None:
        assert now < earliest, "not answered though its time is up"
        assert wake_at is not None, "asleep although something can expire"
        assert wake_at <= earliest, "sleeps too long to answer in time"
    oracle.notices.check_holds_are_told(backlog, at.holds)
    oracle.tokens.being_refused.clear()
    if not at.sending:
        return
    oracle.flow.check_looks(now)
    free = len(oracle.calls) < oracle.limits.concurrent_calls
    if oracle.asking or (free and _is_ready(oracle)):
        oracle.quota.check_no_permit(now, wake_at, engine.call_rate)


def _is_ready(oracle: Oracle) -> bool:
    """Whether a call should leave now, or before the engine wants to be polled: only a permit can be lacking.

    A campaign that does not flow is no excuse for another.
    """
    now, until = oracle.at.now, oracle.wake_at or math.inf
    for campaign_id, campaign in oracle.backlog.in_campaigns():
        kept = campaign_id in oracle.at.holds or oracle.fairness.is_doubtful(now, campaign_id)
        if kept or not oracle.flow.must_call(now, campaign_id):
            continue
        at_once = len(campaign.waiting) >= BATCH_LIMIT or (campaign.waiting and oracle.at.draining)
        if at_once or _is_due(oracle, campaign_id, campaign, until):
            return True
    return False


def _is_due(oracle: Oracle, campaign_id: str, campaign: CampaignBacklog, until: float) -> bool:
    now = oracle.at.now
    first: Outstanding | None = next(iter(campaign.waiting.values()), None)
    dues = []
    if first is not None:
        dues.append(max(first.since, campaign.lingers_from) + oracle.limits.linger_s)
    if campaign.suspects:
        # Where work is done in small slices, suspects that expired meanwhile may have taken a turn.
        turns = 1.0 if oracle.limits.slice_units > BATCH_LIMIT else 2.0
        dues.append(max(now, oracle.suspects_at.get(campaign_id, 0.0) + turns * SUSPECT_EVERY_S))
    # The engine may add up the same instants in another order, so its own may be later by a rounding error.
    return any(due < until - EXACT_S for due in dues)


def check_counts(oracle: Oracle, engine: Engine) -> None:
    """Check the engine's counts of outstanding requests and of calls in flight."""
    backlog = oracle.backlog
    assert engine.outstanding == len(backlog) + backlog.joins, "counts too many or too few requests"
    assert engine.outstanding <= oracle.limits.queue_limit
    assert engine.room() <= oracle.limits.queue_limit - engine.outstanding
    assert engine.calls_in_flight == len(oracle.calls)
    assert engine.draining == oracle.at.draining
    dropped_at_least = oracle.dropped - oracle.answers.perhaps_answered
    assert dropped_at_least <= engine.dropped <= oracle.dropped, "counts too few or too many as dropped"
    for caller in oracle.gone:
        assert not caller.source.pending, "something is still kept for a caller that is gone"
        assert not caller.source.queues, "a queue is still kept for a caller that is gone"
    oracle.gone.clear()


def check_bytes(oracle: Oracle, engine: Engine, callers: Iterable[Caller]) -> None:
    """Check the bytes that the engine counts. `callers` are all who may have a queue in it."""
    backlog = oracle.backlog
    queues = sum(len(caller.source.queues) for caller in callers)
    sent = sum(call.size_bytes for call in oracle.calls.values())
    assert engine.outstanding_bytes == (
        backlog.bytes
        + backlog.joins * JOIN_BYTES
        + len(backlog.campaigns) * CAMPAIGN_BYTES
        + queues * QUEUE_BYTES
        + sent * BODY_COPIES
    ), "counts too many or too few bytes"


def check_caller(caller: Caller) -> None:
    """Check that a caller has an answer, or waits for one, for each dial request that it sent."""
    assert caller.source.pending.keys() == caller.waiting.keys()
    if not caller.gone:
        answered_or_waiting = len(caller.answers) + len(caller.waiting) + len(caller.owed)
        assert answered_or_waiting == caller.sent, "an answer is missing"


def check_end(oracle: Oracle, engine: Engine, callers: Iterable[Caller]) -> None:
    """Check that everybody was answered, and that nothing is left, after the gateway has ended."""
    assert not oracle.backlog.outstanding, "not everybody was answered"
    assert engine.outstanding == engine.outstanding_bytes == 0, "counts what is no longer there"
    for caller in callers:
        assert not caller.source.pending
        assert not caller.source.queues
        assert not caller.owed
        assert caller.gone or len(caller.answers) == caller.sent, "an answer is missing"
