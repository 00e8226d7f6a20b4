"""Finds out whether a refused call is invalid as a whole, or because of one of its items."""

from collections import OrderedDict

from gateway.core.scheduling.queues import SUSPECT_BURST

CALLS_TO_BLAME = SUSPECT_BURST
"""Refused calls in a row, in the search for a refused item, after which the next refusal of other items
blames the call itself. One bad item among 25 causes 5 at most, since calls of its neighbors are accepted in
between."""
CAMPAIGNS_COUNTED = 1000
"""Campaigns whose refused calls are counted, at most; the one with the oldest refusal is dropped first."""


class InvalidCalls:
    """Counts each campaign's calls that Connect refused in a row, in the search for a bad item."""

    def __init__(self) -> None:
        self._in_a_row: OrderedDict[str, int] = OrderedDict()

    def refused(self, campaign_id: str, *, search: bool) -> bool:
        """Note a refused call; return whether the call itself, and none of its items, is the cause.

        `search`: the call was part of the search for a bad item of an earlier call. A caller may send only
        bad items, so the call is to blame only when items of a later call are refused as well.
        """
        count = self._in_a_row.get(campaign_id, 0)
        if not search:
            return count >= CALLS_TO_BLAME
        self._in_a_row[campaign_id] = count + 1
        self._in_a_row.move_to_end(campaign_id)
        if len(self._in_a_row) > CAMPAIGNS_COUNTED:
            self._in_a_row.popitem(last=False)
        return False

    def answered(self, campaign_id: str) -> None:
        """Note that Connect answered a call of the campaign item by item."""
        if self._in_a_row:
            self._in_a_row.pop(campaign_id, None)
