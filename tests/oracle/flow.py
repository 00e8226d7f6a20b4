"""Campaigns that do not flow: when they may and must be called again, by what Connect says of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.core.campaigns import conditions
from gateway.core.campaigns.conditions import (
    FIRST_PAUSE_S,
    FORGET_AFTER_S,
    LONGEST_PAUSE_S,
    PROBE_STEP,
    UNSEEN_PROBE_S,
)
from gateway.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    CallInvalid,
    CampaignInvalid,
    CampaignNotFound,
    CampaignNotRunning,
    shows_authentication,
)
from gateway.core.model import BATCH_LIMIT, Batch, CallReport, FlushReason, ItemFailure
from gateway.core.scheduling.pacing import AUTHENTICATION_PATIENCE_S
from gateway.core.settlement.invalid_calls import CALLS_TO_BLAME
from tests.oracle.tokens import Fate

ENDED = {"Stopped", "Failed", "Completed"}
NEVER = float("inf")
SUSPECT_CALLS = 14
"""Calls in search of a refused item of one campaign, at most, beside one a second."""


@dataclass(eq=False)
class NotFlowing:
    """A campaign that does not flow: it probes with `limit` items from `earliest` on, by `latest`.

    `loose`: nothing waits for it, so the gateway may have forgotten it.
    """

    parked: bool
    touched: float
    earliest: float
    latest: float
    look_by: float = 0.0
    limit: int = 1
    probe: int | None = None
    looking: bool = False
    loose: bool = False


class Flow:
    """Follows every campaign through what Connect says of it. Starts at the instant `began`."""

    def __init__(self, began: float) -> None:
        self._began = began
        self.not_flowing: dict[str, NotFlowing] = {}
        self._may_look = True
        self._blind_until = 0.0
        self._looked_at = -NEVER
        self._invalid_calls: dict[str, int] = {}
        self._blamed = False
        self._unauthenticated_since: float | None = None
        self._suspect_calls: dict[str, int] = {}

    # --- calls -------------------------------------------------------------------------------------

    def called(self, now: float, batch: Batch) -> None:
        """Check that a call may leave: none for a campaign that does not flow, but one probe at a time."""
        if batch.flush is FlushReason.SUSPECT:
            self._check_search(now, batch.campaign_id)
        campaign = self.not_flowing.get(batch.campaign_id)
        if campaign is None or campaign.loose:
            return
        assert now >= campaign.earliest, "a call for a campaign that is parked or cools down"
        assert campaign.probe is None, "two probes at a time"
        assert batch.flush in {FlushReason.PROBE, FlushReason.SUSPECT}
        assert len(batch.entries) <= campaign.limit, "a probe that is too large"
        campaign.probe = batch.number

    def weigh(self, now: float, batch: Batch, report: CallReport) -> None:
        """Count what decides whether a report refuses its campaign: calls blamed, credentials refused."""
        failure, campaign_id = report.failure, batch.campaign_id
        if isinstance(failure, AuthenticationFailed):
            self._unauthenticated_since = (
                now if self._unauthenticated_since is None else self._unauthenticated_since
            )
        elif shows_authentication(failure):
            self._unauthenticated_since = None
        if failure is None:
            self._invalid_calls.pop(campaign_id, None)
        invalid = isinstance(failure, CallInvalid)
        search = batch.flush is FlushReason.SUSPECT
        self._blamed = invalid and not search and self._invalid_calls.get(campaign_id, 0) >= CALLS_TO_BLAME
        if isinstance(failure, AuthenticationFailed) and self._unauthenticated_since is not None:
            self._blamed = now - self._unauthenticated_since >= AUTHENTICATION_PATIENCE_S
        if invalid and search:
            self._invalid_calls[campaign_id] = self._invalid_calls.get(campaign_id, 0) + 1

    def refusal(self, report: CallReport) -> Fate | None:
        """Return how a weighed report answers all that waits for its campaign, None if it does not."""
        failure = report.failure
        if self._blamed or isinstance(failure, AccessDenied):
            return Fate.NOT_ACCEPTED
        ended = isinstance(failure, CampaignNotRunning) and failure.state in ENDED
        return Fate.REJECTED if ended or isinstance(failure, CampaignNotFound | CampaignInvalid) else None

    def completed(self, now: float, batch: Batch, report: CallReport) -> bool:
        """Follow the end of a call; return whether the campaign flows again by that."""
        campaign_id = batch.campaign_id
        campaign = self.not_flowing.get(campaign_id)
        probe = campaign is not None and campaign.probe == batch.number
        if self.refusal(report) is not None:
            self.not_flowing.pop(campaign_id, None)
        elif isinstance(report.failure, CampaignNotRunning):
            self._park(now, campaign_id)
        elif ItemFailure.CAPACITY in report.failed.values():
            if campaign is None or probe:
                earliest, latest = now + FIRST_PAUSE_S * 0.8, now + LONGEST_PAUSE_S * 1.2
                self.not_flowing[campaign_id] = NotFlowing(False, now, earliest, latest)
        elif campaign is not None and probe:
            return self._probed(now, campaign_id, campaign, report)
        return False

    def _probed(self, now: float, campaign_id: str, campaign: NotFlowing, report: CallReport) -> bool:
        campaign.probe = None
        campaign.touched = campaign.latest = now
        taken = report.accepted and ItemFailure.RATE not in report.failed.values()
        campaign.limit += PROBE_STEP if taken else 0
        if campaign.limit < BATCH_LIMIT:
            return False
        del self.not_flowing[campaign_id]
        return True

    def _check_search(self, now: float, campaign_id: str) -> None:
        """Check that the search for items that Connect refuses costs few calls."""
        calls = self._suspect_calls.get(campaign_id, 0) + 1
        self._suspect_calls[campaign_id] = calls
        assert calls <= SUSPECT_CALLS + now - self._began, "too many calls in search of a bad item"

    # --- looks at the states of campaigns ------------------------------------------------------------

    def asked(self, now: float, campaign_ids: list[str]) -> None:
        """Check a look-up: few ids, parked ones, and not too often."""
        if not campaign_ids:
            return
        assert self._may_look, "asks without the right to"
        assert len(set(campaign_ids)) == len(campaign_ids) <= conditions.STATE_CALL_LIMIT
        assert now >= self._looked_at + 1 / conditions.STATE_CALLS_PER_S - 1e-9, "asks too often"
        self._looked_at = now
        for campaign_id in campaign_ids:
            campaign = self.not_flowing[campaign_id]
            assert campaign.parked, "asks about a campaign that is not parked"
            assert not campaign.looking, "asks twice at a time"
            campaign.looking, campaign.loose = True, False

    def looked_up(self, now: float, asked: list[str], states: Mapping[str, str]) -> list[str]:
        """Follow the answer of a look-up; return the campaigns that are not parked any more."""
        changed = []
        for campaign_id in asked:
            campaign = self.not_flowing.get(campaign_id)
            if campaign is None or not campaign.parked or campaign.probe is not None or not campaign.looking:
                continue
            campaign.looking = False
            campaign.look_by = now + (1.0 if campaign_id in states else conditions.STATE_RECHECK_S)
            state = states.get(campaign_id)
            if state == conditions.RUNNING or state in conditions.ENDED:
                del self.not_flowing[campaign_id]
                changed.append(campaign_id)
        return changed

    def may_not_look(self, now: float) -> None:
        """Follow the loss of the right to look: parked campaigns probe after a while."""
        self._may_look, self._blind_until = False, now + conditions.STATES_DENIED_S
        for campaign in self.not_flowing.values():
            if campaign.parked and campaign.earliest == NEVER:
                campaign.looking = False
                campaign.earliest, campaign.latest = now + UNSEEN_PROBE_S / 2, now + UNSEEN_PROBE_S
                campaign.touched = now

    # --- time --------------------------------------------------------------------------------------

    def polled(self, now: float, surely_waiting: Callable[[str], int]) -> None:
        """Note which campaigns the gateway may have forgotten, as nothing surely waits for them."""
        for campaign_id, campaign in self.not_flowing.items():
            watched = campaign.parked and self._may_look
            old = now >= campaign.touched + FORGET_AFTER_S
            campaign.loose |= (watched and not surely_waiting(campaign_id)) or (old and not watched)

    def check_looks(self, now: float) -> None:
        """Check that a parked campaign is asked about in time."""
        overdue = any(
            campaign.parked
            and self._may_look
            and not (campaign.loose or campaign.looking)
            and now >= campaign.look_by
            for campaign in self.not_flowing.values()
        )
        assert not overdue or now < self._looked_at + 0.5, "nobody asks for the state of a parked campaign"

    def must_call(self, now: float, campaign_id: str) -> bool:
        """Whether a campaign flows, or a probe of it is overdue."""
        campaign = self.not_flowing.get(campaign_id)
        return campaign is None or (not campaign.loose and campaign.probe is None and now >= campaign.latest)

    def _park(self, now: float, campaign_id: str) -> None:
        self._may_look |= now >= self._blind_until
        earliest = NEVER if self._may_look else now + UNSEEN_PROBE_S * 0.8
        latest = NEVER if self._may_look else now + UNSEEN_PROBE_S * 1.2
        self.not_flowing[campaign_id] = NotFlowing(True, now, earliest, latest, look_by=now + 1.2)
