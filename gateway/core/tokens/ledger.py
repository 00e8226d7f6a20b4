"""The ledger of tokens: which dial requests are held, and which were settled a while ago.

A token belongs to its campaign, so the ledger has a page for each. While a token's dial request is
held, another request with the token joins it. Once settled, what a later request must know is
remembered for the replay window: that Connect accepted it, or that nobody knows whether it did.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from gateway.core.model import Answer, Entry, Outcome

GENERATIONS = 4
PAGES_AT_ONCE = 20
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


class Page:
    """What is known of one campaign's tokens: entries that are held, and generations of settled ones."""

    __slots__ = ("campaign_id", "generations", "held", "number")

    def __init__(self, campaign_id: str, number: int = 0) -> None:
        self.campaign_id = campaign_id
        self.number = number  # of the generation that was the youngest at the last check
        self.held: dict[str, Entry] = {}
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

    def turn(self, number: int) -> None:
        """Make this number the youngest generation; older ones age, or are dropped."""
        if number != self.number:
            self.generations[:0] = ({} for _ in range(min(number - self.number, GENERATIONS + 1)))
            del self.generations[GENERATIONS + 1 :]
            self.number = number

    @property
    def blank(self) -> bool:
        """Whether nothing is known."""
        return not self.held and not any(self.generations)


class Ledger:
    """Finds held entries by token, and remembers settled tokens for at least the replay window.

    Memory of the settled is kept in a few generations, the oldest of which is dropped as a whole:
    nothing is written per token to forget it. A token is remembered for the window and at most a
    generation more; beyond `limit` tokens the oldest generation goes early, and `forgotten_early`
    counts what that cost.
    """

    def __init__(self, replay_window_s: float, limit: int) -> None:
        self._pages: dict[str, Page] = {}
        self._sizes = [0]
        self._number = 0
        self._behind: Iterator[Page] = iter(())
        self._span_s = replay_window_s / GENERATIONS
        self._largest = -(-limit // (GENERATIONS + 1))
        self._turned_at: float | None = None
        self.forgotten_early = 0

    def page(self, now: float, campaign_id: str) -> Page | None:
        """Return what is known of a campaign's tokens at `now`; None where nothing is."""
        self._turn(now)
        page = self._pages.get(campaign_id)
        if page is not None:
            page.turn(self._number)
        return page

    def open_page(self, now: float, campaign_id: str) -> Page:
        """Return the page of a campaign, to hold an entry on it."""
        self._turn(now)
        page = self._pages.get(campaign_id)
        if page is None:
            page = self._pages[campaign_id] = Page(campaign_id, self._number)
        page.turn(self._number)
        return page

    def tidy(self, page: Page) -> None:
        """Forget a page on which nothing is held or remembered any more."""
        if page.blank and self._pages.get(page.campaign_id) is page:
            del self._pages[page.campaign_id]

    def held_in(self, campaign_id: str) -> list[Entry]:
        """Return all entries that are held for the campaign."""
        page = self._pages.get(campaign_id)
        return list(page.held.values()) if page is not None else []

    def count_in(self, campaign_id: str) -> int:
        """Return how many entries are held for the campaign."""
        page = self._pages.get(campaign_id)
        return len(page.held) if page is not None else 0

    def held_by_campaign(self) -> Iterator[tuple[str, int]]:
        """Yield how many entries are held for each campaign that has any; pages may come and go meanwhile."""
        return ((page.campaign_id, len(page.held)) for page in list(self._pages.values()) if page.held)

    def everything_held(self) -> Iterator[Entry]:
        """Yield all entries that are held, page by page; entries may come and go meanwhile."""
        for page in list(self._pages.values()):
            entries = list(page.held.values())
            entries.reverse()
            while entries:
                yield entries.pop()  # none is kept: to free very many at once takes long

    def remember(self, page: Page, answers: Sequence[tuple[Entry, Answer]]) -> None:
        """Remember tokens, still held, whose dials Connect has (ACCEPTED) or may have (UNKNOWN).

        A doubt that only the caller has stated is not remembered; the caller must state it again. Otherwise
        any caller could fill the ledger, and so push out accepted tokens, without a single call.
        """
        page.turn(self._number)
        for entry, answer in answers:
            if answer.outcome is not _ACCEPTED and not (answer.outcome is _UNKNOWN and entry.attempts):
                continue
            if self._sizes[0] >= self._largest:
                self._start_generation(early=True)
                page.turn(self._number)
            latest, request = page.generations[0], entry.request
            before = len(latest)
            latest[request.client_token] = packed(answer, request.fingerprint())
            self._sizes[0] += len(latest) - before

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
        for page in islice(self._behind, PAGES_AT_ONCE):
            page.turn(self._number)
            self.tidy(page)

    def _start_generation(self, *, early: bool = False) -> None:
        """Begin a generation. A page is updated when it is used; the others follow, a few at a time."""
        self._number += 1
        self._behind = iter(list(self._pages.values()))
        self._sizes.insert(0, 0)
        if len(self._sizes) > GENERATIONS + 1:
            dropped = self._sizes.pop()
            self.forgotten_early += dropped if early else 0
