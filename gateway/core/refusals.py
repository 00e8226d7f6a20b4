"""What Connect's refusals say about whole campaigns: some at once, others after several in a row."""

from collections import OrderedDict

from gateway.core.queues import SUSPECT_BURST
from gateway.core.settle import Refusal

CALLS_TO_BLAME = SUSPECT_BURST
"""Refused calls in a row, in the search for a refused item, after which the next refusal of other items
blames the call itself. One bad item among 25 causes 5 at most, since calls of its neighbors are accepted in
between."""
CAMPAIGNS_COUNTED = 1000
"""Campaigns whose refused calls are counted, at most; the one with the oldest refusal is dropped first."""


class Refusals:
    """What Connect said of campaigns that are gone or have ended."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Refusal]] = {}

    def remember(self, now: float, campaign_id: str, refusal: Refusal) -> None:
        """Believe a refusal for as long as it lasts."""
        self._known.pop(campaign_id, None)  # entered anew, at the end
        if refusal.lasts_s > 0:
            self._known[campaign_id] = (now + refusal.lasts_s, refusal)

    def known(self, now: float, campaign_id: str) -> Refusal | None:
        """Return the refusal that is still believed of a campaign."""
        while self._known:  # entered in the order of their ends: the first ends first
            oldest = next(iter(self._known))
            if self._known[oldest][0] > now:
                break
            del self._known[oldest]
        known = self._known.get(campaign_id)
        return known[1] if known else None


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

    def taken(self, campaign_id: str) -> None:
        """Note that Connect answered a call of the campaign item by item."""
        if self._in_a_row:
            self._in_a_row.pop(campaign_id, None)
