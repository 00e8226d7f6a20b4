"""Logs what has become of the names of campaigns."""

import logging
from collections.abc import Sequence

from gateway.directory.table import Change

log = logging.getLogger(__name__)

CHANGES_LOGGED = 20
"""Changes that are logged at once, at most; the rest is counted."""


def log_changes(found: Sequence[Change]) -> None:
    """Write one line for each change of a name."""
    for change in found[:CHANGES_LOGGED]:
        log.warning(change.event, extra={"campaign_name": change.name, "campaigns": list(change.campaigns)})
    if len(found) > CHANGES_LOGGED:
        log.warning("more names of campaigns have changed than are logged", extra={"changes": len(found)})
