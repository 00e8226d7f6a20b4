"""The ledger of client tokens: the outstanding dial requests, and those settled within the replay window.

A token belongs to its campaign, so the ledger keeps the tokens of each campaign separately. While a token's
dial request is outstanding, another request with the token joins it. For the replay window after that, the
ledger remembers that Connect has accepted the request, or that it is unknown whether it has.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from gateway.core.model import Answer, Entry, Outcome

GENERATIONS = 4
CAMPAIGNS_AT_ONCE = 20
"""Campaigns that each access also checks for old tokens to drop: there may be 100,000 campaigns."""
_ACCEPTED = Outcome.ACCEPTED
_UNKNOWN = Outcome.UNKNOWN


class Remembered(NamedTuple):
    """What is remembered about a settled token: `accepted` by Connect, or else unknown."""

    accepted: bool
    fingerprint: int
    dial_request_id: str
    trace_id: str

    @classmethod
    def unpacked(cls, text: str) -> "Remembered":
        """Return what `Ledger.remember` has packed into a text."""
        mark, fingerprint, trace_id, dial_request_id = text.split(" ", 3)
        return cls(mark == "+", int(fingerprint), dial_request_id, trace_id)


class CampaignTokens:
    """The tokens of one campaign: outstanding entries, and generations of settled tokens."""

    __slots__ = ("campaign_id", "generations", "number", "outstanding")

    def __init__(self, campaign_id: str, number: int = 0) -> None:
        self.campaign_id = campaign_id
        self.number = number  # of the generation that was the youngest when this was last updated
        self.outstanding: dict[str, Entry] = {}
        self.generations: list[dict[str, str]] = [{}]

    def recall(self, token: str) -> Remembered | None:
        """Return what is remembered of a settled token, the latest first."""
        for generation in self.generations:
            memory = generation.get(token)
            if memory is not None:
                return Remembered.unpacked(memory)
        return None

    def remembers_any(self, tokens: Sequence[str]) -> bool:
        """Whether anything is remembered of one of these tokens."""
        for generation in self.generations:  # noqa: SIM110 - a loop takes half the time, for each message
            if generation and not generation.keys().isdisjoint(tokens):
                return True
        return False

    def age(self, number: int) -> None:
        """Make the generation of this number the youngest.

        Older generations age, and the oldest are dropped.
        """
        if number != self.number:
            self.generations[:0] = ({} for _ in range(min(number - self.number, GENERATIONS + 1)))
            del self.generations[GENERATIONS + 1 :]
            self.number = number

    @property
    def is_empty(self) -> bool:
        """Whether no token is outstanding or remembered."""
        return not self.outstanding and not any(self.generations)


class Ledger:
    """Finds outstanding entries by token, and remembers settled tokens for at least the replay window.

    Settled tokens are kept in a few generations, and the oldest generation is dropped as a whole, so
    forgetting costs nothing per token. A token is remembered for the window and at most a generation more;
    beyond `limit` tokens the oldest generation goes early, and `forgotten_early` counts what that cost.
    """

    def __init__(self, replay_window_s: float, limit: int) -> None:
        self._campaigns: dict[str, CampaignTokens] = {}
        self._sizes = [0]
        self._number = 0
        self._not_aged: Iterator[CampaignTokens] | None = None  # campaigns that may have an old number
        self._span_s = replay_window_s / GENERATIONS
        self._largest = -(-limit // (GENERATIONS + 1))
        self._generation_began_at: float | None = None
        self.forgotten_early = 0

    def campaign(self, now: float, campaign_id: str) -> CampaignTokens | None:
        """Return what is known of a campaign's tokens at `now`; None if no token is known."""
        self._age_all(now)
        campaign = self._campaigns.get(campaign_id)
        if campaign is not None and campaign.number != self._number:
            campaign.age(self._number)
        return campaign

    def open_campaign(self, now: float, campaign_id: str) -> CampaignTokens:
        """Return the tokens of a campaign, to add an entry to them."""
        self._age_all(now)
        campaign = self._campaigns.get(campaign_id)
        if campaign is None:
            campaign = self._campaigns[campaign_id] = CampaignTokens(campaign_id, self._number)
        return campaign

    def forget_if_empty(self, campaign: CampaignTokens) -> None:
        """Forget a campaign without outstanding or remembered tokens."""
        if campaign.is_empty and self._campaigns.get(campaign.campaign_id) is campaign:
            del self._campaigns[campaign.campaign_id]

    def entries_of(self, campaign_id: str) -> list[Entry]:
        """Return all outstanding entries of the campaign."""
        campaign = self._campaigns.get(campaign_id)
        return list(campaign.outstanding.values()) if campaign is not None else []

    def count_of(self, campaign_id: str) -> int:
        """Return how many entries are outstanding for the campaign."""
        campaign = self._campaigns.get(campaign_id)
        return len(campaign.outstanding) if campaign is not None else 0

    def counts(self) -> Iterator[tuple[str, int]]:
        """Yield how many entries are outstanding for each campaign that has any.

        Campaigns may change meanwhile.
        """
        return (
            (campaign.campaign_id, len(campaign.outstanding))
            for campaign in list(self._campaigns.values())
            if campaign.outstanding
        )

    def all_entries(self) -> Iterator[Entry]:
        """Yield all outstanding entries, campaign by campaign. Entries may change meanwhile."""
        for campaign in list(self._campaigns.values()):
            entries = list(campaign.outstanding.values())
            entries.reverse()
            while entries:
                yield entries.pop()  # drop each: freeing very many at once takes long

    def remember(self, campaign: CampaignTokens, answers: Sequence[tuple[Entry, Answer]]) -> None:
        """Remember outstanding tokens whose dials Connect has (ACCEPTED) or may have (UNKNOWN).

        Each is packed into a text, for `Remembered.unpacked`: hundreds of thousands are remembered. Python's
        garbage collector visits objects, but not texts or dictionaries of texts. With objects, it took as
        much time as the decisions themselves.

        A doubt that only the caller has stated is not remembered; the caller must state it again. Otherwise
        any caller could fill the ledger, and so push out accepted tokens, without a single call.
        """
        campaign.age(self._number)
        latest, sizes = campaign.generations[0], self._sizes
        for entry, answer in answers:
            accepted = answer.outcome is _ACCEPTED
            if not accepted and not (answer.outcome is _UNKNOWN and entry.attempts):
                continue
            if sizes[0] >= self._largest:
                self._start_generation(early=True)
                campaign.age(self._number)
                latest = campaign.generations[0]
            request, before = entry.request, len(latest)
            fingerprint = request.fingerprint()
            latest[request.client_token] = (
                f"{'+' if accepted else '?'} {fingerprint} {answer.trace_id} {answer.dial_request_id}"
            )
            sizes[0] += len(latest) - before

    @property
    def remembered(self) -> int:
        """How many settled tokens are remembered."""
        return sum(self._sizes)

    def _age_all(self, now: float) -> None:
        if self._generation_began_at is None:
            self._generation_began_at = now
        while now - self._generation_began_at >= self._span_s:
            self._generation_began_at += self._span_s
            if not any(self._sizes):  # a long idle time is caught up in one step
                self._generation_began_at = now
            self._start_generation()
        if self._not_aged is not None:
            self._age_some(self._not_aged)

    def _age_some(self, not_aged: Iterator[CampaignTokens]) -> None:
        """Update a few campaigns that may not have been used since the last generation began."""
        campaign = None
        for campaign in islice(not_aged, CAMPAIGNS_AT_ONCE):
            campaign.age(self._number)
            self.forget_if_empty(campaign)
        if campaign is None:
            self._not_aged = None

    def _start_generation(self, *, early: bool = False) -> None:
        """Begin a generation. A campaign is updated when it is used; the others follow, a few at a time."""
        self._number += 1
        self._not_aged = iter(list(self._campaigns.values()))
        self._sizes.insert(0, 0)
        if len(self._sizes) > GENERATIONS + 1:
            dropped = self._sizes.pop()
            self.forgotten_early += dropped if early else 0
