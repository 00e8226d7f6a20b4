"""What is to be looked up in the fleet's ledger: which tokens, when, and how many at once."""

from collections import deque
from collections.abc import Sequence

from gateway.core.claims.denials import Denials
from gateway.core.entry_state import EntryState
from gateway.core.fleet.token_look_up import LOOK_UP_LIMIT, LookUpPurpose, TokenLookUp
from gateway.core.instants import earliest
from gateway.core.model import Entry

LOOK_UPS_AT_ONCE, ADMISSIONS_AT_ONCE = 4, 2
"""The most look-ups under way, and how many must be under way for new requests to wait: before their call,
a claim asks about them anyway."""
ADMISSION_S, ELSEWHERE_S = 0.2, 0.2
"""Seconds before new requests are looked up, since many leave sooner in a call, and between two look-ups of
tokens that another replica sends."""
WORTH_A_LOOK_UP = 20
"""The fewest new requests of a campaign that are looked up together; if there are fewer, the claim checks
them."""
_SKIPPED_AT_ONCE = 2000


class LookUpQueue:
    """Denials come first, then tokens that other replicas send, then new requests.

    `elsewhere` has the entries whose tokens other replicas send, each with the instant of the last news.
    """

    def __init__(self, denials: Denials) -> None:
        self._denials = denials
        self.elsewhere: dict[Entry, float] = {}
        self._elsewhere_at: float | None = None
        self._parts: deque[TokenLookUp] = deque()
        self._admitted: dict[str, deque[Entry]] = {}  # by campaign
        self._admitted_at: float | None = None
        self._under_way = 0

    def __len__(self) -> int:
        new = sum(map(len, self._admitted.values()))
        return len(self.elsewhere) + len(self._parts) + new + self._under_way

    def admitted(self, now: float, entries: Sequence[Entry]) -> None:
        """Look up new entries of one campaign, if they still wait for a call a little later."""
        if self._admitted_at is None:
            self._admitted_at = now + ADMISSION_S
        campaign_id = entries[0].request.campaign_id
        campaign = self._admitted.get(campaign_id)
        if campaign is None:
            campaign = self._admitted[campaign_id] = deque()
        campaign += entries

    def wait_elsewhere(self, now: float, entry: Entry, last_news: float) -> None:
        """Look up the token of an entry again soon, since another replica sends it."""
        self.elsewhere[entry] = last_news
        if self._elsewhere_at is None:
            self._elsewhere_at = now + ELSEWHERE_S

    def take(self, now: float) -> list[TokenLookUp]:
        """Return the look-ups to begin now. `ended` must follow for each."""
        taken = []
        while self._under_way < LOOK_UPS_AT_ONCE and (look_up := self._next(now)) is not None:
            self._under_way += 1
            taken.append(look_up)
        return taken

    def ended(self) -> None:
        """Note that a look-up has ended."""
        self._under_way -= 1

    def deadline(self) -> float | None:
        """Return when `take` will next return something, None if that depends on further events."""
        instants = []
        if self._under_way < LOOK_UPS_AT_ONCE:
            instants.append(self._elsewhere_at)
        if self._under_way < ADMISSIONS_AT_ONCE:
            instants.append(self._admitted_at)
        return earliest(*instants)

    def _next(self, now: float) -> TokenLookUp | None:
        look_up = self._denials.next_look_up()
        if look_up is not None:
            return look_up
        if self._elsewhere_at is not None and self._elsewhere_at <= now and not self._parts:
            self._elsewhere_at = None
            self._divide_elsewhere()
        if self._parts:
            return self._parts.popleft()
        due = self._admitted_at is not None and self._admitted_at <= now
        return self._next_admission() if due and self._under_way < ADMISSIONS_AT_ONCE else None

    def _divide_elsewhere(self) -> None:
        """Divide all tokens that other replicas send into look-ups."""
        by_campaign: dict[str, list[Entry]] = {}
        for entry in list(self.elsewhere):
            if entry.state is EntryState.DELAYED:
                by_campaign.setdefault(entry.request.campaign_id, []).append(entry)
            else:  # it was answered since
                del self.elsewhere[entry]
        for campaign_id, entries in by_campaign.items():
            for begin in range(0, len(entries), LOOK_UP_LIMIT):
                part = entries[begin : begin + LOOK_UP_LIMIT]
                self._parts.append(TokenLookUp(LookUpPurpose.ELSEWHERE, campaign_id, part))

    def _next_admission(self) -> TokenLookUp | None:
        """Return a look-up of new requests of the campaign that has waited longest, if enough still wait."""
        left = _SKIPPED_AT_ONCE
        while self._admitted and left > 0:
            campaign_id, entries = next(iter(self._admitted.items()))
            asked: list[Entry] = []
            while entries and len(asked) < LOOK_UP_LIMIT and left > 0:
                left -= 1
                entry = entries.popleft()
                if entry.state is EntryState.WAITING:
                    asked.append(entry)
            if not entries:
                del self._admitted[campaign_id]
            if len(asked) >= WORTH_A_LOOK_UP:
                return TokenLookUp(LookUpPurpose.ADMISSION, campaign_id, asked)
        if not self._admitted:
            self._admitted_at = None
        return None
