"""Notices: each caller is told once that a campaign does not flow, and once that it flows again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from gateway.core.campaigns.notices import AddressedNotice
from gateway.core.model import NoticeKind
from tests.oracle.records import Backlog, Caller, caller_of


class Notices:
    """Who knows of which campaign that it does not flow, and who must hear that it does."""

    def __init__(self) -> None:
        self._knowing: dict[str, set[Caller]] = defaultdict(set)
        self._must_hear: list[tuple[Caller, str]] = []
        self._released: set[str] = set()
        self._refused_under_hold: set[str] = set()

    def told(self, notices: Sequence[AddressedNotice], holds: Mapping[str, bool]) -> None:
        """Check the notices of one poll."""
        last = {(source, campaign_id): notice.kind for source, campaign_id, notice in notices}
        for source, campaign_id, notice in notices:
            caller = caller_of(source)
            assert not caller.gone, "a notice for a caller that is gone"
            if notice.kind is NoticeKind.CAMPAIGN_RESUMED:
                assert campaign_id in caller.noticed, "told that it flows again, but never that it does not"
                held = campaign_id in holds
                assert not held or last[source, campaign_id] is NoticeKind.CAMPAIGN_HELD, (
                    "told last that a held campaign flows"
                )
                self._forget(caller, campaign_id)
            else:
                self._check_kind(caller, campaign_id, notice.kind)
                caller.noticed[campaign_id] = notice.kind
                self._knowing[campaign_id].add(caller)
        for caller, campaign_id in self._must_hear:
            told_anew = (caller.source, campaign_id) in last
            assert caller.gone or campaign_id not in caller.noticed or told_anew, "not told that it flows"
        self._must_hear.clear()
        self._released.clear()

    def flows(self, campaign_id: str) -> None:
        """Note that a campaign flows again: who knows that it did not, and waits for anything, must hear."""
        knowing = self._knowing.get(campaign_id, ())
        self._must_hear += [(caller, campaign_id) for caller in knowing if caller.waiting]

    def released(self, campaign_id: str) -> None:
        """Note that a hold has ended."""
        self._released.add(campaign_id)
        self._refused_under_hold.discard(campaign_id)

    def refused(self, campaign_id: str, *, held: bool) -> None:
        """Note that Connect has refused a campaign: the answers say so, and nobody is told that it flows."""
        if held:
            self._refused_under_hold.add(campaign_id)
        for caller in self._knowing.pop(campaign_id, ()):
            caller.noticed.pop(campaign_id, None)

    def left(self, caller: Caller) -> None:
        """Forget a caller that is gone."""
        for campaign_id in list(caller.noticed):
            self._forget(caller, campaign_id)

    def check_holds_are_told(self, backlog: Backlog, holds: Mapping[str, bool]) -> None:
        """Check that whoever waits for a held campaign knows it, unless Connect has refused it since."""
        for campaign_id in holds.keys() - self._refused_under_hold:
            for one in backlog.in_no_call_of(campaign_id):
                assert all(
                    caller.noticed.get(campaign_id) is NoticeKind.CAMPAIGN_HELD for caller, _ in one.waiters
                ), "waits for a held campaign, and was not told"

    def _check_kind(self, caller: Caller, campaign_id: str, kind: NoticeKind) -> None:
        before = caller.noticed.get(campaign_id)
        assert before != kind, "told twice"
        by_operator = campaign_id in self._released or NoticeKind.CAMPAIGN_HELD in {before, kind}
        assert before is None or by_operator, "told another reason, though no operator did anything"

    def _forget(self, caller: Caller, campaign_id: str) -> None:
        caller.noticed.pop(campaign_id, None)
        knowing = self._knowing.get(campaign_id)
        if knowing is not None:
            knowing.discard(caller)
            if not knowing:
                del self._knowing[campaign_id]
