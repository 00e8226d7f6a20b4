"""The settings that the core follows."""

from dataclasses import dataclass

from gateway.core.slices import SLICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The settings of one engine. Times are in seconds, `call_rate` is in calls a second, 0 for no limit.

    `call_burst` is in calls. `queue_limit` and `queue_bytes` bound the outstanding dial requests and their
    memory, `replay_limit` the tokens that are remembered. `slice_units` bounds the long work done at once.
    """

    call_rate: float = 10.0
    call_burst: float = 10.0
    concurrent_calls: int = 8
    linger_s: float = 0.05
    queue_limit: int = 200_000
    queue_bytes: int = 268_435_456
    expiry_headroom_s: float = 5.0
    replay_window_s: float = 1200.0
    replay_limit: int = 500_000
    max_attempts: int = 5
    forecast: bool = True
    slice_units: int = SLICE
