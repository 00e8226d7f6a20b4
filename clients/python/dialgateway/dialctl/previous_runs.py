"""Decide which leads are sent again, from the results of previous runs of the same list.

    last line in the results              in this run

    ACCEPTED                              never sent again: that could dial somebody twice
    REJECTED                              sent again once what would be sent has changed
    EXPIRED                               the same, if the lead has an expiration in the list
    UNKNOWN, UNANSWERED                   sent again, in doubt
    NOT_ACCEPTED, NOT_SENT, INVALID_ROW   sent again
    no line since a run that was killed   sent again, in doubt if that run may have handed it over
    no line                               sent

INVALID_ROW and LEFT_OUT say how a row was read. They do not replace an earlier line of their lead: it may
have been accepted before its row became invalid.

A REJECTED lead is also sent again if the cause is not in its row: its campaign, the caller's rights, or the
rules and suppressed numbers of the gateway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.handover_log import read_handovers
from dialgateway.dialctl.leads import KEY_BITS, LINES_SHOWN, BadRow, Lead
from dialgateway.dialctl.results_file import (
    INVALID_ROW,
    LEFT_OUT,
    UNANSWERED,
    Row,
    cell,
    read_rows,
)
from dialgateway.values import Outcome, Reason

_ACCEPTED, _EXPIRED = Outcome.ACCEPTED.value, Outcome.EXPIRED.value
_FAILED = frozenset({Outcome.REJECTED.value, _EXPIRED})
_IN_DOUBT = frozenset({Outcome.UNKNOWN.value, UNANSWERED})
_MAY_BE_DIALED = _IN_DOUBT | {_ACCEPTED}
_NEVER_SENT = frozenset({INVALID_ROW, LEFT_OUT})
_CAUSE_IS_ELSEWHERE = frozenset(
    {
        Reason.CAMPAIGN_NOT_FOUND.value,
        Reason.CAMPAIGN_NOT_RUNNING.value,
        Reason.ACCESS_DENIED.value,
        Reason.OUTSIDE_CALLING_HOURS.value,
        Reason.SUPPRESSED.value,
        Reason.CONTACT_LIMIT.value,
        Reason.NUMBER_NOT_ALLOWED.value,
    }
)
_DIGEST_BITS = 24
_STATUSES = 10_000
"""How many distinct answers are kept with their details; of further ones the detail is dropped."""


class Status(NamedTuple):
    """The last line of a lead, without its ids."""

    outcome: str
    reason: str
    detail: str


class Unchanged(NamedTuple):
    """A lead that failed in a previous run and has not changed."""

    line: int
    status: Status


@dataclass(slots=True)
class PreviousRuns:
    """The last status and digest of each lead, in about 150 bytes per lead.

    `settled` counts, by outcome, the leads of this run that are not sent; `unchanged` has the first of them
    that had failed; `changed_since_accepted` counts accepted ones that were edited afterwards. `rows` is the
    number of lines in the results.
    """

    rows: int = 0
    settled: Counter[str] = field(default_factory=Counter)
    unchanged: list[Unchanged] = field(default_factory=list)
    changed_since_accepted: int = 0
    _leads: dict[int, int] = field(default_factory=dict)
    _statuses: list[Status] = field(default_factory=list)
    _numbers: dict[Status, int] = field(default_factory=dict)
    _handed_over: dict[int, int] = field(default_factory=dict)

    @property
    def leads(self) -> int:
        """How many leads have a line."""
        return len(self._leads)

    @property
    def anything(self) -> bool:
        """Whether a previous run may have sent a lead."""
        return bool(self._leads or self._handed_over)

    def add_handover(self, campaign_id: str, tokens: Iterable[str], rows_before: int) -> None:
        """Add tokens that a killed run may have handed over. Call this before `add`.

        `rows_before` is the number of lines that the results had at the start of that run.
        """
        for token in tokens:
            self._handed_over[_key(campaign_id, token)] = rows_before

    def add(self, row: Row) -> None:
        """Add one line of the results file. A later line of a lead replaces an earlier one."""
        position, self.rows = self.rows, self.rows + 1
        if row.outcome in _NEVER_SENT:
            return
        key = _key(row.campaign_id, row.client_token)
        number = self._number_of(Status(row.outcome, row.reason, row.detail))
        self._leads[key] = number << _DIGEST_BITS | row.digest
        if self._handed_over and self._handed_over.get(key, self.rows) <= position:
            del self._handed_over[key]  # that run has written an answer

    def unsettled(
        self, leads: Iterable[Lead | BadRow], expires_in: timedelta | None
    ) -> Iterator[Lead | BadRow]:
        """Yield the leads to send, with those marked as in doubt that a previous run may have sent."""
        if not self.anything:
            yield from leads
            return
        for lead in leads:
            key = _key_of(lead)
            packed = self._leads.get(key)
            status = None if packed is None else self._statuses[packed >> _DIGEST_BITS]
            in_doubt = key in self._handed_over or (status is not None and status.outcome in _IN_DOUBT)
            if isinstance(lead, BadRow):
                if status is not None and status.outcome == _ACCEPTED:
                    self._count_accepted(changed=not lead.left_out)
                else:
                    yield replace(lead, in_doubt=True) if in_doubt else lead
                continue
            lead.in_doubt = in_doubt
            if status is None or not self._settles(lead, status, _digest(packed), expires_in):
                yield lead

    def _settles(self, lead: Lead, status: Status, digest: int, expires_in: timedelta | None) -> bool:
        """Whether a lead is settled. If so, count it."""
        same = lead.digest(expires_in) == digest
        if status.outcome == _ACCEPTED:
            self._count_accepted(changed=not same and digest != 0)
            return True
        if lead.in_doubt or not (same and self._is_final(lead, status)):
            return False
        if len(self.unchanged) < LINES_SHOWN:
            self.unchanged.append(Unchanged(lead.line, status))
        self.settled[status.outcome] += 1
        return True

    def _count_accepted(self, *, changed: bool) -> None:
        self.changed_since_accepted += changed
        self.settled[_ACCEPTED] += 1

    @staticmethod
    def _is_final(lead: Lead, status: Status) -> bool:
        if status.outcome not in _FAILED or status.reason in _CAUSE_IS_ELSEWHERE:
            return False
        # Without an expiration in the list, a lead gets a new one whenever it is handed over.
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

    # --- whether these are the results of this list -------------------------------------------------

    def missing_keys(self, leads: Iterable[Lead | BadRow]) -> set[int]:
        """Return the keys of leads that have a line, or were handed over, and are not in the list."""
        missing = self._leads.keys() | self._handed_over.keys()
        for lead in leads:
            if not missing:
                break
            if lead.client_token:
                missing.discard(_key_of(lead))
        return missing


class MovedLeads(NamedTuple):
    """What became of leads that have results and are not in the list under the same campaign.

    `missing` counts those that are not in the list at all. `campaigns` counts, by their earlier campaign,
    those that the list has under another campaign now and that may have been dialed.
    """

    missing: int
    campaigns: Counter[str]


def find_moved(path: Path, missing_keys: set[int], leads: Iterable[Lead | BadRow]) -> MovedLeads:
    """Find out which missing leads were removed from the list, and which have another campaign now."""
    last: dict[int, tuple[str, str]] = {}
    for row in read_rows(path):
        if row.outcome not in _NEVER_SENT and _key(row.campaign_id, row.client_token) in missing_keys:
            last[hash(row.client_token)] = row.campaign_id, row.outcome
    under_way = {
        hash(token): note.campaign_id
        for note in read_handovers(path)
        for token in note.tokens
        if _key(note.campaign_id, token) in missing_keys
    }
    missing, campaigns = len(last), Counter[str]()
    for lead in leads:
        token, is_sent = hash(cell(lead.client_token)), isinstance(lead, Lead)
        if (found := last.pop(token, None)) is not None:
            missing -= 1
            campaigns[found[0]] += is_sent and found[1] in _MAY_BE_DIALED
        if (campaign_id := under_way.pop(token, None)) is not None:
            campaigns[campaign_id] += is_sent
    return MovedLeads(missing, +campaigns)


def check_same_list(path: Path, previous: PreviousRuns, found: MovedLeads) -> None:
    """Raise UnusableFile for results of another list, or of another campaign that may have dialed."""
    if found.missing:
        raise UnusableFile(
            f"{path}: these are results of another list: {found.missing:,} of its {previous.leads:,} leads "
            "are not in this one.\nChoose another file with --results, or move this one. If you have removed "
            "leads from the list,\nremove their lines from the results too."
        )
    for campaign_id, count in found.campaigns.most_common(1):
        raise UnusableFile(
            f"{path}: {count:,} leads were accepted or may have been dialed for campaign "
            f"{campaign_id[:80]!r}; this run has another campaign for them,\nand would dial them again. "
            "Use the earlier campaign, or choose another file with --results to dial them twice."
        )


def read_previous_runs(path: Path) -> PreviousRuns:
    """Read the results of previous runs; empty if there are none. Raises UnusableFile."""
    previous = PreviousRuns()
    for note in read_handovers(path):
        previous.add_handover(note.campaign_id, note.tokens, note.rows_before)
    for row in read_rows(path):
        previous.add(row)
    return previous


def _key(campaign_id: str, token: str) -> int:
    """Return an integer for a lead, which takes less memory than its token."""
    return hash((campaign_id, token)) & KEY_BITS


def _digest(packed: int | None) -> int:
    return (packed or 0) & (1 << _DIGEST_BITS) - 1


def _key_of(lead: Lead | BadRow) -> int:
    return _key(cell(lead.campaign_id), cell(lead.client_token))
