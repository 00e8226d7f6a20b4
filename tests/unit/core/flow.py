"""What keeps campaigns from calling, by the promises alone: the model's view of conditions."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.campaigns import conditions
from gateway.core.campaigns.conditions import (
    BLIND_PROBE_S,
    FIRST_PAUSE_S,
    FORGET_AFTER_S,
    LONGEST_PAUSE_S,
    STEP,
)
from gateway.core.errors import (
    AccessDenied,
    CallHindered,
    CallInvalid,
    CampaignInvalid,
    CampaignNotFound,
    CampaignNotRunning,
    shows_who_asks,
)
from gateway.core.model import Batch, CallReport, FlushReason, ItemFailure
from gateway.core.scheduling.pacing import HINDERED_PATIENCE_S
from gateway.core.settlement.invalid_calls import CALLS_TO_BLAME

FULL = 25
ENDED = {"Stopped", "Failed", "Completed"}
NEVER = float("inf")


@dataclass(eq=False)
class Kept:
    """A campaign that does not flow: from `earliest` on, by `latest`, it probes with `limit` items.

    `loose`: the gateway may have forgotten it meanwhile, as nothing waits for it.
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
    """Follows every campaign through what Connect says of it."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.may_look = True
        self.blind_until = 0.0
        self.looked_at = -NEVER
        self.invalid: dict[str, int] = {}
        self.blamed = False
        self.hindered_since: float | None = None

    def note(self, now: float, batch: Batch, report: CallReport) -> None:
        """Count the refusals in a row of a campaign's calls in search of a bad item; note who is refused."""
        if isinstance(report.failure, CallHindered):
            self.hindered_since = now if self.hindered_since is None else self.hindered_since
        elif shows_who_asks(report.failure):
            self.hindered_since = None
        if report.failure is None:
            self.invalid.pop(batch.campaign_id, None)
        invalid = isinstance(report.failure, CallInvalid)
        search = batch.flush is FlushReason.SUSPECT
        self.blamed = invalid and not search and self.invalid.get(batch.campaign_id, 0) >= CALLS_TO_BLAME
        if isinstance(report.failure, CallHindered) and self.hindered_since is not None:
            self.blamed = now - self.hindered_since >= HINDERED_PATIENCE_S
        if invalid and search:
            self.invalid[batch.campaign_id] = self.invalid.get(batch.campaign_id, 0) + 1

    def refused(self, report: CallReport) -> bool:
        """Whether a report, that was noted, settles all that waits for its campaign."""
        if self.blamed:
            return True
        failure = report.failure
        ended = isinstance(failure, CampaignNotRunning) and failure.state in ENDED
        return ended or isinstance(failure, CampaignNotFound | CampaignInvalid | AccessDenied)

    def called(self, now: float, batch: Batch) -> None:
        """Check that a call may leave: none for a campaign that is kept, but one probe at a time."""
        kept = self.kept.get(batch.campaign_id)
        if kept is None or kept.loose:
            return
        assert now >= kept.earliest, "a call for a campaign that is parked or cools down"
        assert kept.probe is None, "two probes at a time"
        assert batch.flush in {FlushReason.PROBE, FlushReason.SUSPECT}
        assert batch.flush is FlushReason.SUSPECT or len(batch.entries) <= kept.limit
        kept.probe = batch.number

    def completed(self, now: float, batch: Batch, report: CallReport) -> bool:
        """Follow the end of a call; return whether the campaign surely flows again by that."""
        campaign_id = batch.campaign_id
        kept = self.kept.get(campaign_id)
        probe = kept is not None and kept.probe == batch.number
        if self.refused(report):
            self.kept.pop(campaign_id, None)
        elif isinstance(report.failure, CampaignNotRunning):
            self._park(now, campaign_id)
        elif ItemFailure.CAPACITY in report.failed.values():
            if kept is None or probe:
                longest = LONGEST_PAUSE_S * 1.2
                self.kept[campaign_id] = Kept(False, now, now + FIRST_PAUSE_S * 0.8, now + longest)
        elif kept is not None and probe:
            kept.probe = None
            kept.touched = kept.latest = now
            taken = report.accepted and ItemFailure.RATE not in report.failed.values()
            kept.limit += STEP if taken else 0
            if kept.limit >= FULL:
                del self.kept[campaign_id]
                return True
        return False

    def asked(self, now: float, campaign_ids: list[str], sure: Mapping[str, int]) -> None:
        """Check a look-up: few ids, parked ones, for which something waits, and not too often."""
        if not campaign_ids:
            return
        assert self.may_look
        assert len(set(campaign_ids)) == len(campaign_ids) <= conditions.LOOK_LIMIT
        assert now >= self.looked_at + 1 / conditions.LOOKS_A_SECOND - 1e-9
        self.looked_at = now
        for campaign_id in campaign_ids:
            kept = self.kept[campaign_id]
            assert kept.parked
            assert not kept.looking, "asked twice at a time"
            assert campaign_id in sure, "asked though nobody waits"
            kept.looking, kept.loose = True, False

    def looked_up(self, now: float, asked: list[str], states: Mapping[str, str]) -> list[str]:
        """Follow the answer of a look-up; return the campaigns that flow again by that."""
        changed = []
        for campaign_id in asked:
            kept = self.kept.get(campaign_id)
            if kept is None or not kept.parked or kept.probe is not None or not kept.looking:
                continue
            kept.looking = False
            kept.look_by = now + (1.0 if campaign_id in states else conditions.LOOK_AGAIN_S)
            state = states.get(campaign_id)
            if state == conditions.RUNNING or state in conditions.ENDED:
                del self.kept[campaign_id]
                changed.append(campaign_id)
        return changed

    def may_not_look(self, now: float) -> None:
        """Follow the loss of the right to look: parked campaigns probe after a while."""
        self.may_look, self.blind_until = False, now + conditions.BLIND_FOR_S
        for kept in self.kept.values():
            if kept.parked and kept.earliest == NEVER:
                kept.looking = False
                kept.earliest, kept.latest = now + BLIND_PROBE_S / 2, now + BLIND_PROBE_S
                kept.touched = now

    def polled(self, now: float, waiting: Mapping[str, int]) -> None:
        """Note which campaigns the gateway may have forgotten, as nothing surely waits for them."""
        for campaign_id, kept in self.kept.items():
            watched = kept.parked and self.may_look
            old = now >= kept.touched + FORGET_AFTER_S
            kept.loose |= (watched and not waiting.get(campaign_id)) or (old and not watched)

    def overdue_look(self, now: float) -> bool:
        """Whether a parked campaign should be asked about now."""
        return any(
            kept.parked and self.may_look and not (kept.loose or kept.looking) and now >= kept.look_by
            for kept in self.kept.values()
        )

    def must_probe(self, campaign_id: str, now: float) -> bool:
        """Whether a campaign flows, or a probe of it is overdue."""
        kept = self.kept.get(campaign_id)
        return kept is None or (not kept.loose and kept.probe is None and now >= kept.latest)

    def _park(self, now: float, campaign_id: str) -> None:
        self.may_look |= now >= self.blind_until
        earliest = NEVER if self.may_look else now + BLIND_PROBE_S * 0.8
        latest = NEVER if self.may_look else now + BLIND_PROBE_S * 1.2
        self.kept[campaign_id] = Kept(True, now, earliest, latest, look_by=now + 1.2)
