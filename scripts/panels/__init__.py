"""The rows of the dashboard, in their order; each panel has its unit and help text."""

from scripts.panels.access import ACCESS
from scripts.panels.campaigns import CAMPAIGNS
from scripts.panels.guard import GUARD
from scripts.panels.kinds import Panel, Row
from scripts.panels.process import PROCESS
from scripts.panels.replicas import REPLICAS
from scripts.panels.requests import REQUEST_ROWS
from scripts.panels.streams import STREAMS

__all__ = ["ROWS", "Panel", "Row"]

ROWS = (*REQUEST_ROWS, REPLICAS, CAMPAIGNS, STREAMS, ACCESS, GUARD, PROCESS)
