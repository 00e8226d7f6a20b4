"""The metrics of the campaign directory. They exist only if names are read from Amazon Connect."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.telemetry.metric_definitions import Metric

CAMPAIGNS = Metric("dial_gateway.campaign_directory.campaigns", "{campaign}", "Campaigns with a known name")
AGE = Metric("dial_gateway.campaign_directory.age", "s", "Time since all names of campaigns were read")
FAILURES = Metric(
    "dial_gateway.campaign_directory.failures", "{failure}", "Readings of names or tags that failed, by error"
)


class DirectoryFigures(NamedTuple):
    """The state of the directory. `age_s` is None until all names have been read once.

    `failures` are counted by operation and error.
    """

    campaigns: int
    age_s: float | None
    failures: Mapping[tuple[str, str], int]
