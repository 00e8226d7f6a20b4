"""What the event loop knows at one instant, for reading in another thread."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gateway.core.views.snapshot import Snapshot
from gateway.telemetry.counters import Counts
from gateway.telemetry.directory_metrics import DirectoryFigures
from gateway.telemetry.fleet_metrics import FleetFigures
from gateway.telemetry.guard_metrics import GuardFigures


class StreamFigures(NamedTuple):
    """The open streams: how many, the largest share of a window in use, and how many lack what."""

    open: int = 0
    window_use: float = 0.0
    lack_window: int = 0
    lack_room: int = 0


class FileFigures(NamedTuple):
    """When certificates end, in seconds since the epoch, and the changes of files that were refused.

    `state_certificate_ends_at` is about those for the shared state.
    """

    certificate_ends_at: float | None = None
    refused: dict[str, int] = {}  # noqa: RUF012 - never changed
    state_certificate_ends_at: float | None = None


class Observation(NamedTuple):
    """What the event loop knows at one instant; `now_ns` is in nanoseconds since the epoch."""

    now_ns: int
    snapshot: Snapshot
    streams: StreamFigures
    counts: Counts
    drain_elapsed_s: float = 0.0
    failing_s: float = 0.0
    ready: bool = True
    files: FileFigures = FileFigures()
    log_dropped: dict[str, int] = {}  # noqa: RUF012 - never changed
    telemetry_lost: dict[str, int] = {}  # noqa: RUF012 - never changed
    admin_closed: dict[str, int] = {}  # noqa: RUF012 - never changed
    clock_behind_s: float = 0.0
    fleet: FleetFigures | None = None
    campaign_names: Mapping[str, str] = MappingProxyType({})
    directory: DirectoryFigures | None = None
    guard: GuardFigures | None = None
