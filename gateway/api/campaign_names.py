"""The campaigns that one stream or call names instead of giving their ids.

A name is resolved once for each table of the directory, not for each dial request. Answers and notices carry
the text that the caller sent, so that it recognizes them.
"""

from collections.abc import Callable

from gateway.core.answers import rejected
from gateway.core.model import Answer, Outcome, Reason, RetryAdvice, Settled
from gateway.directory.directory import NAME, CampaignDirectory, NameProblem, NameRefused
from gateway.directory.table import NO_CAMPAIGNS

REMEMBERED = 1000
"""Names that a stream remembers, at most."""
UNREAD_S = 5.0
"""Seconds after which a caller may try again while the directory has not been read."""


class NamedCampaigns:
    """Resolves the names that one caller sends. `visible` says whether it may see a campaign."""

    def __init__(self, directory: CampaignDirectory, visible: Callable[[str], bool]) -> None:
        self._directory = directory
        self._visible = visible
        self._table = NO_CAMPAIGNS
        self._known: dict[str, str | Answer] = {}
        self._sent: dict[str, set[str]] = {}
        self._by_index: dict[int, str] = {}  # the names of unanswered requests that were sent with one

    def resolve(self, sent: str) -> str | Answer:
        """Return the id that a campaign's name means, or the answer to dial requests for it."""
        if self._table is not self._directory.table or len(self._known) >= REMEMBERED:
            self._table = self._directory.table
            self._known.clear()
        found = self._known.get(sent)
        if found is not None:
            return found
        try:
            found = self._directory.resolve(sent, self._visible)
        except NameRefused as refused:
            if refused.problem is NameProblem.UNREAD:
                return not_yet(Reason.CAMPAIGN_NOT_FOUND, str(refused))
            found = rejected(_REASONS.get(refused.problem, Reason.CAMPAIGN_NOT_FOUND), str(refused))
        else:
            self._sent.setdefault(found, set()).add(sent)
        self._known[sent] = found
        return found

    def requests_named(self, sent: str, indices: range) -> None:
        """Note that the dial requests with these indices have named their campaign."""
        self._by_index |= dict.fromkeys(indices, sent)

    def as_sent(self, settled: Settled) -> Settled:
        """Return an answer with the campaign's name if the caller has sent that."""
        sent = self._by_index.pop(settled.waiter.index, None)
        return settled if sent is None else settled._replace(campaign_id=sent)

    def id_sent(self, campaign_id: str) -> None:
        """Note that the caller has sent an id itself, so notices about it carry the id too."""
        names = self._sent.get(campaign_id)
        if names is not None:
            names.add(campaign_id)

    def sent_for(self, campaign_id: str) -> list[str]:
        """Return the texts by which the caller has named a campaign: its id, its name, or both."""
        return sorted(self._sent.get(campaign_id, (campaign_id,)))


_REASONS = {NameProblem.OFF: Reason.INVALID_REQUEST}


def is_name(campaign_id: str) -> bool:
    """Whether a text names a campaign instead of giving its id."""
    return campaign_id.startswith(NAME)


def not_yet(reason: Reason, detail: str) -> Answer:
    """Return the answer to dial requests that cannot be decided until the directory has been read."""
    return Answer(Outcome.NOT_ACCEPTED, reason, RetryAdvice.SAME_TOKEN, detail, retry_after_s=UNREAD_S)
