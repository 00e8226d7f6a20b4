"""The rows of the dashboard, in their order; each panel has its unit and help text."""

from scripts.panel_kinds import Panel, Row
from scripts.panels_of_parts import PART_ROWS
from scripts.panels_of_requests import REQUEST_ROWS

__all__ = ["ROWS", "Panel", "Row"]

ROWS = (*REQUEST_ROWS, *PART_ROWS)
