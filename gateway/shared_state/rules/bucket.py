"""The token bucket of the fleet and its pace: the rules of `core/scheduling/pacing.py`, for all replicas."""

from gateway.core.fleet.messages import FleetSettings, TickRequest
from gateway.shared_state.rules.quota_state import Bucket, QuotaState

AHEAD_S = 0.2
"""Permits are assigned so many seconds ahead, so that no replica has to wait for a message between calls."""
IN_FLIGHT_S = 0.6
"""How long a call counts as in flight at most (`core/quota/replica_calls.py`). If the burst is smaller than
the calls of that time, one permit is allowed however many are in flight: the rate is used in any case."""
RATE_CUT, FORGIVEN_MS = 0.7, 10_000
RECOVERY_S = 10.0
WINDOW_MS, WINDOWS = 4000, 15
RETRY_SHARE, RETRY_CREDIT = 0.2, 10.0


def set_ceiling(bucket: Bucket, ceiling: float) -> None:
    """Follow a changed setting; a rate that is cut stays cut."""
    if ceiling != bucket.ceiling:
        uncut = bucket.rate >= bucket.ceiling
        bucket.rate = ceiling if uncut else min(bucket.rate, ceiling)
        bucket.ceiling = ceiling


def granted_rate(state: QuotaState) -> float:
    """Return the rate of the permits: without what is reserved for members that may use their own part."""
    reserved = 0.0
    for member in state.members.values():
        if not member.confirmed:
            reserved += member.held_rate
    return max(0.0, state.bucket.rate - reserved)


def max_in_use(state: QuotaState, burst: float) -> float:
    """Return how many tokens and permits together may exist."""
    reserved, in_flight = 0.0, 0
    for member in state.members.values():
        in_flight += member.in_flight
        if not member.confirmed:
            reserved += member.held_burst
    rate, own = granted_rate(state), burst - reserved
    if rate <= 0.0:
        return 0.0
    least = 1.0 if own < 1.0 + IN_FLIGHT_S * rate else 0.0
    return max(own - in_flight, least)


def refill(state: QuotaState, now: int, settings: FleetSettings) -> None:
    """Add the tokens of the time since the last tick, and let a rate that was cut grow."""
    bucket = state.bucket
    elapsed = (now - bucket.at) / 1000
    outstanding = sum(unit.left for unit in state.units)
    most = max_in_use(state, settings.call_burst) - outstanding
    bucket.tokens = min(most, bucket.tokens + elapsed * granted_rate(state))
    if bucket.rate < bucket.ceiling:
        best = max(bucket.windows, default=bucket.ceiling)
        growth = max(min(best, bucket.ceiling), bucket.ceiling / 4) / RECOVERY_S
        bucket.rate = min(bucket.ceiling, bucket.rate + elapsed * growth)
    bucket.at = now


def throttled(bucket: Bucket, numbers: tuple[int, ...]) -> None:
    """Slow down after Connect throttled calls: one cut per round of permits."""
    for number in numbers:
        if number < bucket.cut_number or number >= bucket.next_number:
            continue
        alone = bucket.at - bucket.throttled_at > FORGIVEN_MS
        bucket.cut_number, bucket.throttled_at = bucket.next_number, bucket.at
        bucket.tokens = min(bucket.tokens, 0.0)
        if alone:
            bucket.tokens -= 1.0
        else:
            bucket.rate = max(bucket.rate * RATE_CUT, bucket.ceiling / 100)


def count_calls(bucket: Bucket, request: TickRequest) -> None:
    """Count the calls that Connect took, and what attempts earn and cost in the retry budget."""
    earned = bucket.retry_credit + RETRY_SHARE * request.first_attempts
    bucket.retry_credit = max(-RETRY_CREDIT, min(RETRY_CREDIT, earned) - request.retries)
    if not request.accepted:
        return
    if not bucket.window_at:
        bucket.window_at = bucket.at
    if bucket.at - bucket.window_at >= WINDOW_MS:
        bucket.windows.append(bucket.window_count / ((bucket.at - bucket.window_at) / 1000))
        del bucket.windows[:-WINDOWS]
        bucket.window_at, bucket.window_count = bucket.at, 0
    bucket.window_count += request.accepted
