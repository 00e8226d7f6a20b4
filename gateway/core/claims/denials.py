"""Denials in a fleet: before one is given, the fleet's ledger is asked whether a replica has sent the token.

A denial is certain at once if it comes from a call whose tokens this replica has claimed. Any other denial
waits as the answer of its entry, which stays outstanding: other requests join it, and its sources may leave.
"""

from collections import deque
from collections.abc import Collection
from typing import NamedTuple

from gateway.core import answers
from gateway.core.entry_state import EntryState, move
from gateway.core.fleet.token_look_up import LOOK_UP_LIMIT, LookUpPurpose, TokenLookUp
from gateway.core.model import Answer, Entry, Reason, answer_in_doubt
from gateway.core.tokens.outstanding import Outstanding

CHECK_S = 1.0
"""Seconds that a denial waits for the fleet's ledger at most, including the wait for earlier look-ups."""
ROUNDING_S = 1e-6
"""Seconds by which a timer may end before its instant, since clocks round."""
NOT_ASKED = "another replica may have sent it to Amazon Connect, and the shared state could not be asked"
SENT = "another replica has sent it to Amazon Connect, and the result is not known"

RECORDS_LOST = "another replica may have sent it to Amazon Connect, and the shared state may lack its record"


class _WaitingDenial(NamedTuple):
    """A denial, and the instant until which it waits."""

    denial: Answer
    until: float


class Denials:
    """The entries whose denial waits for the fleet's ledger.

    `owned` are entries that this replica has claimed and whose call ends now. Once `closed`, no denial waits
    any more.
    """

    def __init__(self, outstanding: Outstanding) -> None:
        self._outstanding = outstanding
        self._waiting: dict[Entry, _WaitingDenial] = {}  # the oldest first
        self._to_ask: deque[Entry] = deque()
        self.owned: Collection[Entry] = ()
        self.closed = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._to_ask)

    def review(self, now: float, entry: Entry, denial: Answer) -> Answer | None:
        """Return the answer to give now; None if the denial waits. Implements `DenialReview`."""
        if denial.reason is Reason.TOKEN_CONFLICT or entry in self.owned:
            return denial
        if self.closed:
            self._waiting.pop(entry, None)
            return answers.unchecked(denial, NOT_ASKED)
        move(entry, EntryState.CHECKING)
        self._waiting[entry] = _WaitingDenial(denial, now + CHECK_S)
        self._to_ask.append(entry)
        return None

    def next_look_up(self) -> TokenLookUp | None:
        """Return the next look-up: of the denials of one campaign that have waited longest."""
        asked: list[Entry] = []
        while self._to_ask and len(asked) < LOOK_UP_LIMIT:
            entry = self._to_ask[0]
            if entry.state is EntryState.CHECKING:
                if asked and entry.request.campaign_id != asked[0].request.campaign_id:
                    break
                asked.append(entry)
            self._to_ask.popleft()
        if not asked:
            return None
        return TokenLookUp(LookUpPurpose.DENIAL, asked[0].request.campaign_id, asked)

    def confirm(self, now: float, entry: Entry) -> None:
        """Give the denial: no other replica has sent the token."""
        waiting = self._waiting.pop(entry, None)
        if waiting is not None and entry.state is EntryState.CHECKING:
            denial = answer_in_doubt(waiting.denial) if entry.in_doubt else waiting.denial
            self._outstanding.settle(now, entry, denial, reviewed=True)

    def replace(self, now: float, entry: Entry, answer: Answer) -> None:
        """Give another answer instead of the denial."""
        if self._waiting.pop(entry, None) is not None and entry.state is EntryState.CHECKING:
            self._outstanding.settle(now, entry, answer, reviewed=True)

    def give_up(self, now: float, entry: Entry, detail: str = NOT_ASKED) -> None:
        """Answer UNKNOWN instead of the denial; `detail` says why."""
        waiting = self._waiting.get(entry)
        if waiting is not None:
            self.replace(now, entry, answers.unchecked(waiting.denial, detail))

    def unchecked(self, entry: Entry) -> Answer | None:
        """Return the answer in doubt for one waiter of an entry that is checked; None for other entries."""
        waiting = self._waiting.get(entry)
        return None if waiting is None else answers.unchecked(waiting.denial, NOT_ASKED)

    def advance(self, now: float, limit: int) -> None:
        """Answer what has waited too long, up to `limit` entries."""
        overdue: list[Entry] = []
        for entry, waiting in self._waiting.items():
            if waiting.until > now + ROUNDING_S or len(overdue) >= limit:
                break
            overdue.append(entry)
        for entry in overdue:
            self.give_up(now, entry)
            self._waiting.pop(entry, None)

    def deadline(self) -> float | None:
        """Return when the next denial has waited too long."""
        return next((waiting.until for waiting in self._waiting.values()), None)
