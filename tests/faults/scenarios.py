"""Every fault run by name, at full size and at the smallest useful size."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults import behind, buffering, departures, fleet, kills, rollout, unreliable
from tests.faults.bars import Finding
from tests.faults.proxies import PROXIES

Run = Callable[[], Coroutine[Any, Any, Finding]]
RunBehind = Callable[[str], Coroutine[Any, Any, Finding]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault run: `full` takes up to a minute, `small` some seconds."""

    full: Run
    small: Run
    behind_a_proxy: bool = False


SLACK_S = 4.0
"""Seconds that a small run may take to leave beyond the grace, on a busy machine."""

_BEHIND: Mapping[str, tuple[RunBehind, RunBehind]] = {
    "proxy-kills": (kills.proxy_kills, partial(kills.proxy_kills, requests=2_000, kills=2, rate=40.0)),
    "proxy-reloads": (
        kills.proxy_reloads,
        partial(kills.proxy_reloads, requests=2_000, reloads=2, rate=40.0),
    ),
    "rollout": (
        rollout.rollout,
        partial(rollout.rollout, around_s=0.5, settle_s=0.3, longest_gap_s=8.0),
    ),
    "silence": (behind.silence, partial(behind.silence, noticed_s=18.0)),
    "spread": (behind.spread, partial(behind.spread, callers=6, age_s=1.5)),
    "goaway": (behind.goaway, partial(behind.goaway, answers=40)),
}
BEHIND_EACH = tuple(_BEHIND)
"""The fault runs that exist for each proxy, as `NAME-haproxy` and `NAME-nginx`."""

SCENARIOS: Mapping[str, Scenario] = {
    "unreliable": Scenario(
        unreliable.unreliable, partial(unreliable.unreliable, 2_000, accepted_percent=98.0)
    ),
    "hostile": Scenario(unreliable.hostile, partial(unreliable.hostile, 400)),
    "gateway-kills": Scenario(kills.gateway_kills, partial(kills.gateway_kills, 3_000, 2)),
    "gateway-departures": Scenario(kills.gateway_departures, partial(kills.gateway_departures, 3_000, 2)),
    "buffered-requests": Scenario(
        buffering.buffered_requests, partial(buffering.buffered_requests, waits_s=0.3), behind_a_proxy=True
    ),
    "buffered-answers": Scenario(buffering.buffered_answers, partial(buffering.buffered_answers, age_s=1.5)),
    "connect-kills": Scenario(kills.connect_kills, partial(kills.connect_kills, 3_000, 2)),
    "backlog": Scenario(departures.backlog, partial(departures.backlog, 2_000, 1.0, SLACK_S)),
    "connect-down": Scenario(departures.connect_down, partial(departures.connect_down, 2_000, 1.0, SLACK_S)),
    "unread": Scenario(departures.unread, partial(departures.unread, 500, 1.0, SLACK_S)),
    "fleet-store": Scenario(
        fleet.store_faults,
        partial(fleet.store_faults, away_s=0.5, hung_s=1.2, held_s=0.5, rounds=1, per_s=30.0),
    ),
    "fleet-gateways": Scenario(
        fleet.gateway_faults,
        partial(fleet.gateway_faults, partitioned_s=1.2, settle_s=0.2, held_s=1.2, rounds=1, per_s=30.0),
    ),
    "fleet-frozen": Scenario(
        fleet.frozen_gateway, partial(fleet.frozen_gateway, frozen_s=1.0, watched_s=2.0)
    ),
    "forced": Scenario(departures.forced, partial(departures.forced, 2_000, 60.0, SLACK_S)),
    **{
        f"{name}-{proxy}": Scenario(partial(full, proxy), partial(small, proxy), behind_a_proxy=True)
        for name, (full, small) in _BEHIND.items()
        for proxy in PROXIES
    },
}
