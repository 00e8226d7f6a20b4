"""What stops a campaign: a hold, a refusal and a condition are independent, and each of them is enough."""

import random

from gateway.core import answers
from gateway.core.campaigns.conditions import Conditions
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.campaigns.holds import Hold, Holds
from gateway.core.campaigns.refused import RefusedCampaigns
from gateway.core.errors import CampaignNotFound
from gateway.core.model import BATCH_LIMIT, NoticeKind, Reason
from tests.unit.core.making import NOW


def make() -> CampaignFlow:
    """Make a flow in which nothing is stopped."""
    return CampaignFlow(Holds(), RefusedCampaigns(), Conditions(random.Random(1)))


def test_nothing_stops_a_campaign() -> None:
    """A campaign flows with full calls, without notice, reason or refusal."""
    flow = make()
    assert flow.limit("c") == BATCH_LIMIT
    assert (flow.notice(NOW, "c"), flow.expiry_reason("c"), flow.refusal(NOW, "c")) == (None, None, None)


def test_a_hold_goes_before_a_condition() -> None:
    """A parked campaign that is held is reported as held, and as parked again after the release."""
    flow = make()
    flow.conditions.park(NOW, "c", "Paused")
    flow.holds.put("c", Hold("me", "", NOW))
    notice = flow.notice(NOW, "c")
    assert notice is not None
    assert (notice.kind, flow.expiry_reason("c"), flow.limit("c")) == (
        NoticeKind.CAMPAIGN_HELD,
        Reason.HELD,
        0,
    )
    flow.holds.release("c")
    notice = flow.notice(NOW, "c")
    assert notice is not None
    assert (notice.kind, flow.expiry_reason("c"), flow.limit("c")) == (
        NoticeKind.CAMPAIGN_PARKED,
        Reason.CAMPAIGN_NOT_RUNNING,
        0,
    )


def test_only_an_answering_hold_refuses() -> None:
    """Under a hold new requests wait, unless the hold answers them."""
    flow = make()
    flow.holds.put("c", Hold("me", "", NOW))
    assert flow.refusal(NOW, "c") is None
    assert not flow.answering_hold("c")
    flow.holds.put("c", Hold("me", "", NOW, answering=True))
    assert flow.refusal(NOW, "c") is answers.HELD
    assert flow.answering_hold("c")


def test_a_refusal_stops_calls_until_its_last_end() -> None:
    """While refusals are being answered the campaign must not call; each refusal has its own end."""
    flow = make()
    refusal = answers.refusal_of(CampaignNotFound())
    assert refusal is not None
    flow.refused.begin("c", refusal)
    flow.refused.begin("c", refusal)
    flow.refused.end("c")
    assert (flow.limit("c"), flow.refusal(NOW, "c")) == (0, refusal)
    flow.refused.end("c")
    assert (flow.limit("c"), flow.refusal(NOW, "c")) == (BATCH_LIMIT, None)
