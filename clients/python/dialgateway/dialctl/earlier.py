"""What earlier runs of the same list have left in the results file, and what follows for each lead.

    ACCEPTED                              settled for good: sending it again could dial somebody twice
    REJECTED                              settled as long as what would be sent is unchanged
    EXPIRED                               the same, where the lead has an expiration of its own
    UNKNOWN, UNANSWERED                   sent again, in doubt
    NOT_ACCEPTED, NOT_SENT, INVALID_ROW   sent again
    no line, behind a run that was killed sent again; in doubt if it may have been handed over

A REJECTED lead is also sent again where the cause is not in its row: its campaign, or the caller's rights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
from dialgateway.dialctl.under_way import UnderWay, read_under_way
from dialgateway.values import Outcome, Reason

_ACCEPTED, _EXPIRED = Outcome.ACCEPTED.value, Outcome.EXPIRED.value
_FAILED = frozenset({Outcome.REJECTED.value, _EXPIRED})
_DOUBTFUL = frozenset({Outcome.UNKNOWN.value, UNANSWERED})
_MAY_BE_DIALED = _DOUBTFUL | {_ACCEPTED}
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
    """The last status and digest of each lead. About 110 bytes a lead, whatever its line holds.

    `settled` counts the leads, by outcome, that have come by in this run and are not sent; `unchanged` holds
    the first of them that failed; `changed_since_accepted` counts accepted ones that were edited afterwards.
    """

    settled: Counter[str] = field(default_factory=Counter)
    unchanged: list[Unchanged] = field(default_factory=list)
    changed_since_accepted: int = 0
    _leads: dict[int, int] = field(default_factory=dict)
    _statuses: list[Status] = field(default_factory=list)
    _numbers: dict[Status, int] = field(default_factory=dict)
    _under_way: UnderWay = field(default_factory=UnderWay)

    @property
    def leads(self) -> int:
        """How many leads have a line."""
        return len(self._leads)

    def add(self, row: Row) -> None:
        """Take one line of the results file; a later line of a lead takes the place of an earlier one."""
        number = self._number_of(Status(row.outcome, row.reason, row.detail))
        self._leads[_key(row.campaign_id, row.client_token)] = number << _DIGEST_BITS | row.digest

    def unsettled(
        self, leads: Iterable[Lead | BadRow], expires_in: timedelta | None, list_size: int | None
    ) -> Iterator[Lead | BadRow]:
        """Leave out what is settled, and mark what an earlier run may have sent without hearing of it.

        `list_size` is the size of the list in bytes, None where it is not known.
        """
        if not self._leads and not self._under_way.lines:
            yield from leads
            return
        for lead in leads:
            if isinstance(lead, BadRow):
                yield lead
                continue
            packed = self._leads.get(_key_of(lead))
            if packed is None:
                lead.in_doubt = self._under_way.may_have_sent(lead.campaign_id, lead.line, list_size)
                yield lead
            elif not self._settles(lead, packed, expires_in):
                yield lead

    def _settles(self, lead: Lead, packed: int, expires_in: timedelta | None) -> bool:
        """Whether a lead is not to be sent; counts it then, and marks its doubt otherwise."""
        status, digest = self._statuses[packed >> _DIGEST_BITS], packed & (1 << _DIGEST_BITS) - 1
        lead.in_doubt = status.outcome in _DOUBTFUL
        same = lead.digest(expires_in) == digest
        if status.outcome == _ACCEPTED:
            self.changed_since_accepted += not same and digest != 0
        elif not (same and self._is_final(lead, status)):
            return False
        elif len(self.unchanged) < LINES_SHOWN:
            self.unchanged.append(Unchanged(lead.line, status))
        self.settled[status.outcome] += 1
        return True

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
        """Return the keys of leads that have a line and do not stand in the list."""
        strange = {
            key
            for key, packed in self._leads.items()
            if self._statuses[packed >> _DIGEST_BITS].outcome not in {INVALID_ROW, LEFT_OUT}
        }
        for lead in leads:
            if not strange:
                break
            if isinstance(lead, Lead):
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
        if _key(row.campaign_id, row.client_token) in strange:
            last[hash(row.client_token)] = row.campaign_id, row.outcome
    missing, campaigns = len(last), Counter[str]()
    for lead in leads:
        found = last.pop(hash(cell(lead.client_token)), None) if lead.client_token else None
        if found is not None:
            missing -= 1
            campaigns[found[0]] += found[1] in _MAY_BE_DIALED
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
    earlier = Earlier(_under_way=read_under_way(path))
    for row in read_rows(path):
        earlier.add(row)
    return earlier


def _key(campaign_id: str, token: str) -> int:
    """Stand for a lead by one integer: it is what a big file costs in memory."""
    return hash((campaign_id, token)) & KEY_BITS


def _key_of(lead: Lead) -> int:
    return _key(cell(lead.campaign_id), cell(lead.client_token))
