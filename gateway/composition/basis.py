"""What the parts of one gateway have in common."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.connect.port import ConnectPort
from gateway.control.audit import Audit
from gateway.directory.directory import CampaignDirectory
from gateway.runtime.clock import SystemClock
from gateway.runtime.supervision import Supervisor
from gateway.settings import Settings
from gateway.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Basis:
    """The settings, and what all parts use: Connect, telemetry, one clock and one source of jitter.

    `environment` has the variables that the settings come from. `directory` has the names of campaigns.
    """

    settings: Settings
    environment: Mapping[str, str]
    port: ConnectPort
    telemetry: Telemetry
    clock: SystemClock
    rng: random.Random
    directory: CampaignDirectory
    audit: Audit
    supervisor: Supervisor = field(default_factory=Supervisor)
