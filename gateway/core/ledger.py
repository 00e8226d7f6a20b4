"""The ledger of tokens: which dial requests are held, and which were settled a while ago.

A token belongs to its campaign. While its dial request is held, another request with the token
joins it. Once settled, what a later request must know is remembered for the replay window: that
Connect accepted it, or that nobody knows whether it did.
"""

from typing import NamedTuple

from gateway.core.model import Answer, DialRequest, Entry, Outcome

GENERATIONS = 4


class Remembered(NamedTuple):
    """What is remembered of a settled token; where it is not `accepted`, Connect may have it."""

    accepted: bool
    fingerprint: int
    dial_request_id: str
    trace_id: str


class Ledger:
    """Finds held entries by token, and remembers settled tokens for at least the replay window.

    Memory of the settled is kept in a few generations, the oldest of which is dropped as a whole:
    nothing is written per token to forget it. A token is remembered for the window and at most a
    generation more; beyond `limit` tokens the oldest generation goes early, and `forgotten_early`
    counts what that cost.
    """

    def __init__(self, replay_window_s: float, limit: int) -> None:
        self._held: dict[str, dict[str, Entry]] = {}
        self._generations: list[dict[str, dict[str, Remembered]]] = [{}]
        self._sizes = [0]
        self._span_s = replay_window_s / GENERATIONS
        self._limit = limit
        self._turned_at: float | None = None
        self.forgotten_early = 0

    def held(self, campaign_id: str, token: str) -> Entry | None:
        """Return the entry that is held under the token."""
        campaign = self._held.get(campaign_id)
        return campaign.get(token) if campaign else None

    def hold(self, entry: Entry) -> None:
        """Enter a new entry; its token must not be held."""
        request = entry.request
        self._held.setdefault(request.campaign_id, {})[request.client_token] = entry

    def release(self, entry: Entry) -> None:
        """Take out an entry that is settled or dropped."""
        request = entry.request
        campaign = self._held[request.campaign_id]
        del campaign[request.client_token]
        if not campaign:
            del self._held[request.campaign_id]

    def held_in(self, campaign_id: str) -> list[Entry]:
        """Return all entries that are held for the campaign."""
        return list(self._held.get(campaign_id, {}).values())

    def everything_held(self) -> list[Entry]:
        """Return all entries that are held."""
        return [entry for campaign in self._held.values() for entry in campaign.values()]

    def remember(self, now: float, request: DialRequest, answer: Answer) -> None:
        """Remember a token whose dial Connect has (ACCEPTED) or may have (UNKNOWN)."""
        if answer.outcome not in {Outcome.ACCEPTED, Outcome.UNKNOWN}:
            return
        self._turn(now)
        accepted = answer.outcome is Outcome.ACCEPTED
        memory = Remembered(accepted, request.fingerprint(), answer.dial_request_id, answer.trace_id)
        campaign = self._generations[0].setdefault(request.campaign_id, {})
        self._sizes[0] += request.client_token not in campaign
        campaign[request.client_token] = memory

    def recall(self, now: float, campaign_id: str, token: str) -> Remembered | None:
        """Return what is remembered of the token, the latest first."""
        self._turn(now)
        for generation in self._generations:
            campaign = generation.get(campaign_id)
            if campaign is not None and token in campaign:
                return campaign[token]
        return None

    @property
    def remembered(self) -> int:
        """How many settled tokens are remembered."""
        return sum(self._sizes)

    def _turn(self, now: float) -> None:
        if self._turned_at is None:
            self._turned_at = now
        while now - self._turned_at >= self._span_s:
            self._turned_at += self._span_s
            if not any(self._sizes):  # a long idle time is caught up in one step
                self._turned_at = now
            self._start_generation()
        if self._sizes[0] * (GENERATIONS + 1) >= self._limit:
            self._turned_at = now
            self._start_generation(early=True)

    def _start_generation(self, *, early: bool = False) -> None:
        self._generations.insert(0, {})
        self._sizes.insert(0, 0)
        if len(self._generations) > GENERATIONS + 1:
            self._generations.pop()
            dropped = self._sizes.pop()
            self.forgotten_early += dropped if early else 0
