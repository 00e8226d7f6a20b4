"""What earlier runs of the same list have left in the results file, and what follows for each lead.

    ACCEPTED                              settled for good: sending it again could dial somebody twice
    REJECTED                              settled as long as what would be sent is unchanged
    EXPIRED                               the same, where the lead has an expiration of its own
    UNKNOWN, UNANSWERED                   sent again, in doubt
    NOT_ACCEPTED, NOT_SENT, INVALID_ROW   sent again
    no line since a run that was killed   sent again, in doubt if that run may have handed it over
    no line                               sent

INVALID_ROW and LEFT_OUT say how a row was read. They take the place of no other line of their lead: it may
have been accepted before its row was spoiled.

A REJECTED lead is also sent again where the cause is not in its row: its campaign, or the caller's rights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.leads import KEY_BITS, LINES_SHOWN, BadRow, Lead
from dialgateway.dialctl.results_file import (
    INVALID_ROW,
    LEFT_OUT,
    UNANSWERED,
    Row,
    cell,
    read_rows,
)
from dialgateway.dialctl.under_way import read_notes
from dialgateway.values import Outcome, Reason

_ACCEPTED, _EXPIRED = Outcome.ACCEPTED.value, Outcome.EXPIRED.value
_FAILED = frozenset({Outcome.REJECTED.value, _EXPIRED})
_DOUBTFUL = frozenset({Outcome.UNKNOWN.value, UNANSWERED})
_MAY_BE_DIALED = _DOUBTFUL | {_ACCEPTED}
_NEVER_SENT = frozenset({INVALID_ROW, LEFT_OUT})
_CAUSE_IS_ELSEWHERE = frozenset(
    {Reason.CAMPAIGN_NOT_FOUND.value, Reason.CAMPAIGN_NOT_RUNNING.value, Reason.ACCESS_DENIED.value}
)
_DIGEST_BITS = 24
_STATUSES = 10_000
"""Distinct answers whose words are kept; beyond that the words of further ones are not."""


class Status(NamedTuple):
    """How a lead's last line reads."""

    outcome: str
    reason: str
    detail: str


class Unchanged(NamedTuple):
    """A lead that failed in an earlier run and would be sent as it was."""

    line: int
    status: Status


@dataclass(slots=True)
class Earlier:
    """The last status and digest of each lead. About 150 bytes a lead, however long its line is.

    `settled` counts the leads, by outcome, that have come by in this run and are not sent; `unchanged` holds
    the first of them that failed; `changed_since_accepted` counts accepted ones that were edited afterwards.
    `rows` is how many lines the results have.
    """

    rows: int = 0
    settled: Counter[str] = field(default_factory=Counter)
    unchanged: list[Unchanged] = field(default_factory=list)
    changed_since_accepted: int = 0
    _leads: dict[int, int] = field(default_factory=dict)
    _statuses: list[Status] = field(default_factory=list)
    _numbers: dict[Status, int] = field(default_factory=dict)
    _under_way: dict[int, int] = field(default_factory=dict)

    @property
    def leads(self) -> int:
        """How many leads have a line."""
        return len(self._leads)

    @property
    def anything(self) -> bool:
        """Whether an earlier run may have sent a lead."""
        return bool(self._leads or self._under_way)

    def note_under_way(self, campaign_id: str, tokens: Iterable[str], rows_before: int) -> None:
        """Note the tokens that a killed run may have handed over.

        `rows_before` is how many lines the results had when that run began. Call this before `add`.
        """
        for token in tokens:
            self._under_way[_key(campaign_id, token)] = rows_before

    def add(self, row: Row) -> None:
        """Take one line of the results file; a later line of a lead takes the place of an earlier one."""
        position, self.rows = self.rows, self.rows + 1
        if row.outcome in _NEVER_SENT:
            return
        key = _key(row.campaign_id, row.client_token)
        number = self._number_of(Status(row.outcome, row.reason, row.detail))
        self._leads[key] = number << _DIGEST_BITS | row.digest
        if self._under_way and self._under_way.get(key, self.rows) <= position:
            del self._under_way[key]  # that run has written how it ended

    def unsettled(
        self, leads: Iterable[Lead | BadRow], expires_in: timedelta | None
    ) -> Iterator[Lead | BadRow]:
        """Leave out settled leads, and mark as in doubt those that an earlier run may have sent."""
        if not self.anything:
            yield from leads
            return
        for lead in leads:
            key = _key_of(lead)
            packed = self._leads.get(key)
            status = None if packed is None else self._statuses[packed >> _DIGEST_BITS]
            in_doubt = key in self._under_way or (status is not None and status.outcome in _DOUBTFUL)
            if isinstance(lead, BadRow):
                if status is not None and status.outcome == _ACCEPTED:
                    self._leave_accepted(changed=not lead.left_out)
                else:
                    yield replace(lead, in_doubt=True) if in_doubt else lead
                continue
            lead.in_doubt = in_doubt
            if status is None or not self._settles(lead, status, _digest(packed), expires_in):
                yield lead

    def _settles(self, lead: Lead, status: Status, digest: int, expires_in: timedelta | None) -> bool:
        """Whether a lead is not to be sent; it is counted then."""
        same = lead.digest(expires_in) == digest
        if status.outcome == _ACCEPTED:
            self._leave_accepted(changed=not same and digest != 0)
            return True
        if lead.in_doubt or not (same and self._is_final(lead, status)):
            return False
        if len(self.unchanged) < LINES_SHOWN:
            self.unchanged.append(Unchanged(lead.line, status))
        self.settled[status.outcome] += 1
        return True

    def _leave_accepted(self, *, changed: bool) -> None:
        self.changed_since_accepted += changed
        self.settled[_ACCEPTED] += 1

    @staticmethod
    def _is_final(lead: Lead, status: Status) -> bool:
        if status.outcome not in _FAILED or status.reason in _CAUSE_IS_ELSEWHERE:
            return False
        # Without an expiration of its own a lead gets a later one whenever it is handed over.
        return status.outcome != _EXPIRED or lead.expires_at is not None

    def _number_of(self, status: Status) -> int:
        number = self._numbers.get(status)
        if number is None and len(self._statuses) >= _STATUSES:
            status = status._replace(detail="")
            number = self._numbers.get(status)
        if number is None:
            number = self._numbers[status] = len(self._statuses)
            self._statuses.append(status)
        return number

    # --- whether they are results of this list ------------------------------------------------------

    def strangers(self, leads: Iterable[Lead | BadRow]) -> set[int]:
        """Return the keys of leads that have a line, or were under way, and do not stand in the list."""
        strange = self._leads.keys() | self._under_way.keys()
        for lead in leads:
            if not strange:
                break
            if lead.client_token:
                strange.discard(_key_of(lead))
        return strange


class Moved(NamedTuple):
    """Leads that have a line under another campaign than the list names for them now."""

    missing: int
    campaigns: Counter[str]


def moved(path: Path, strange: set[int], leads: Iterable[Lead | BadRow]) -> Moved:
    """Tell apart leads that are gone from the list, and those whose campaign is another one now.

    Of the latter those are counted, by their earlier campaign, that may have been dialed there.
    """
    last: dict[int, tuple[str, str]] = {}
    for row in read_rows(path):
        if row.outcome not in _NEVER_SENT and _key(row.campaign_id, row.client_token) in strange:
            last[hash(row.client_token)] = row.campaign_id, row.outcome
    under_way = {
        hash(token): note.campaign_id
        for note in read_notes(path)
        for token in note.tokens
        if _key(note.campaign_id, token) in strange
    }
    missing, campaigns = len(last), Counter[str]()
    for lead in leads:
        token, is_sent = hash(cell(lead.client_token)), isinstance(lead, Lead)
        if (found := last.pop(token, None)) is not None:
            missing -= 1
            campaigns[found[0]] += is_sent and found[1] in _MAY_BE_DIALED
        if (campaign_id := under_way.pop(token, None)) is not None:
            campaigns[campaign_id] += is_sent
    return Moved(missing, +campaigns)


def check_belongs(path: Path, earlier: Earlier, found: Moved) -> None:
    """Raise UnusableFile where results are those of another list, or of a campaign that may have dialed."""
    if found.missing:
        raise UnusableFile(
            f"{path}: these are results of another list: {found.missing:,} of its {earlier.leads:,} leads "
            "are not in this one.\nChoose another file with --results, or move this one away. If you have "
            "taken leads out of the list,\ntake their lines out of the results too."
        )
    for campaign_id, count in found.campaigns.most_common(1):
        raise UnusableFile(
            f"{path}: {count:,} leads were accepted or may have been dialed for campaign "
            f"{campaign_id[:80]!r}; this run names another campaign for them,\nand would dial them again. "
            "Name that campaign, or choose another file with --results if they are to be dialed twice."
        )


def read_earlier(path: Path) -> Earlier:
    """Read what earlier runs have left; nothing where there is no such file. Raises UnusableFile."""
    earlier = Earlier()
    for note in read_notes(path):
        earlier.note_under_way(note.campaign_id, note.tokens, note.rows_before)
    for row in read_rows(path):
        earlier.add(row)
    return earlier


def _key(campaign_id: str, token: str) -> int:
    """Return the integer that stands for a lead. An integer takes less memory than its token."""
    return hash((campaign_id, token)) & KEY_BITS


def _digest(packed: int | None) -> int:
    return (packed or 0) & (1 << _DIGEST_BITS) - 1


def _key_of(lead: Lead | BadRow) -> int:
    return _key(cell(lead.campaign_id), cell(lead.client_token))
