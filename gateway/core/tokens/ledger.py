"""The ledger of tokens: which dial requests are held, and which were settled a while ago.

A token belongs to its campaign, so the ledger has a campaign for each. While a token's dial request is
held, another request with the token joins it. Once settled, what a later request must know is
remembered for the replay window: that Connect accepted it, or that nobody knows whether it did.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from gateway.core.model import Answer, Entry, Outcome

GENERATIONS = 4
CAMPAIGNS_AT_ONCE = 20
"""Pages that each access also checks for old tokens to drop: there may be 100,000 pages."""
_ACCEPTED = Outcome.ACCEPTED
_UNKNOWN = Outcome.UNKNOWN


class Remembered(NamedTuple):
    """What is remembered of a settled token; where it is not `accepted`, Connect may have it."""

    accepted: bool
    fingerprint: int
    dial_request_id: str
    trace_id: str

    @classmethod
    def unpacked(cls, text: str) -> "Remembered":
        """Return what was packed."""
        mark, fingerprint, trace_id, dial_request_id = text.split(" ", 3)
        return cls(mark == "+", int(fingerprint), dial_request_id, trace_id)


def packed(answer: Answer, fingerprint: int) -> str:
    """Return what to remember of an answer as a text, for `Remembered.unpacked`.

    Hundreds of thousands are remembered. Python's collector does not look at texts, nor into
    dictionaries that hold nothing else; with objects it cost as much as the decision itself.
    """
    mark = "+" if answer.outcome is _ACCEPTED else "?"
    return f"{mark} {fingerprint} {answer.trace_id} {answer.dial_request_id}"


class CampaignTokens:
    """What is known of one campaign's tokens: entries that are held, and generations of settled ones."""

    __slots__ = ("campaign_id", "generations", "number", "outstanding")

    def __init__(self, campaign_id: str, number: int = 0) -> None:
        self.campaign_id = campaign_id
        self.number = number  # of the generation that was the youngest at the last check
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
        unknown = [generation.keys().isdisjoint(tokens) for generation in self.generations]
        return not all(unknown)

    def age(self, number: int) -> None:
        """Make this number the youngest generation; older ones age, or are dropped."""
        if number != self.number:
            self.generations[:0] = ({} for _ in range(min(number - self.number, GENERATIONS + 1)))
            del self.generations[GENERATIONS + 1 :]
            self.number = number

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self.outstanding and not any(self.generations)


class Ledger:
    """Finds held entries by token, and remembers settled tokens for at least the replay window.

    Memory of the settled is kept in a few generations, the oldest of which is dropped as a whole:
    nothing is written per token to forget it. A token is remembered for the window and at most a
    generation more; beyond `limit` tokens the oldest generation goes early, and `forgotten_early`
    counts what that cost.
    """

    def __init__(self, replay_window_s: float, limit: int) -> None:
        self._campaigns: dict[str, CampaignTokens] = {}
        self._sizes = [0]
        self._number = 0
        self._not_aged: Iterator[CampaignTokens] = iter(())
        self._span_s = replay_window_s / GENERATIONS
        self._largest = -(-limit // (GENERATIONS + 1))
        self._generation_began_at: float | None = None
        self.forgotten_early = 0

    def campaign(self, now: float, campaign_id: str) -> CampaignTokens | None:
        """Return what is known of a campaign's tokens at `now`; None where nothing is."""
        self._age_all(now)
        campaign = self._campaigns.get(campaign_id)
        if campaign is not None:
            campaign.age(self._number)
        return campaign

    def open_campaign(self, now: float, campaign_id: str) -> CampaignTokens:
        """Return the campaign of a campaign, to hold an entry on it."""
        self._age_all(now)
        campaign = self._campaigns.get(campaign_id)
        if campaign is None:
            campaign = self._campaigns[campaign_id] = CampaignTokens(campaign_id, self._number)
        campaign.age(self._number)
        return campaign

    def forget_if_empty(self, campaign: CampaignTokens) -> None:
        """Forget a campaign on which nothing is held or remembered any more."""
        if campaign.is_empty and self._campaigns.get(campaign.campaign_id) is campaign:
            del self._campaigns[campaign.campaign_id]

    def entries_of(self, campaign_id: str) -> list[Entry]:
        """Return all entries that are held for the campaign."""
        campaign = self._campaigns.get(campaign_id)
        return list(campaign.outstanding.values()) if campaign is not None else []

    def count_of(self, campaign_id: str) -> int:
        """Return how many entries are held for the campaign."""
        campaign = self._campaigns.get(campaign_id)
        return len(campaign.outstanding) if campaign is not None else 0

    def counts(self) -> Iterator[tuple[str, int]]:
        """Yield how many entries are held for each campaign that has any; pages may come and go meanwhile."""
        return (
            (campaign.campaign_id, len(campaign.outstanding))
            for campaign in list(self._campaigns.values())
            if campaign.outstanding
        )

    def all_entries(self) -> Iterator[Entry]:
        """Yield all entries that are held, campaign by campaign; entries may come and go meanwhile."""
        for campaign in list(self._campaigns.values()):
            entries = list(campaign.outstanding.values())
            entries.reverse()
            while entries:
                yield entries.pop()  # none is kept: to free very many at once takes long

    def remember(self, campaign: CampaignTokens, answers: Sequence[tuple[Entry, Answer]]) -> None:
        """Remember tokens, still held, whose dials Connect has (ACCEPTED) or may have (UNKNOWN).

        A doubt that only the caller has stated is not remembered; the caller must state it again. Otherwise
        any caller could fill the ledger, and so push out accepted tokens, without a single call.
        """
        campaign.age(self._number)
        for entry, answer in answers:
            if answer.outcome is not _ACCEPTED and not (answer.outcome is _UNKNOWN and entry.attempts):
                continue
            if self._sizes[0] >= self._largest:
                self._start_generation(early=True)
                campaign.age(self._number)
            latest, request = campaign.generations[0], entry.request
            before = len(latest)
            latest[request.client_token] = packed(answer, request.fingerprint())
            self._sizes[0] += len(latest) - before

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
        for campaign in islice(self._not_aged, CAMPAIGNS_AT_ONCE):
            campaign.age(self._number)
            self.forget_if_empty(campaign)

    def _start_generation(self, *, early: bool = False) -> None:
        """Begin a generation. A campaign is updated when it is used; the others follow, a few at a time."""
        self._number += 1
        self._not_aged = iter(list(self._campaigns.values()))
        self._sizes.insert(0, 0)
        if len(self._sizes) > GENERATIONS + 1:
            dropped = self._sizes.pop()
            self.forgotten_early += dropped if early else 0
