"""How long the refusal of a campaign applies."""

from gateway.core.answers import REFUSAL_S, CampaignRefusal, refusal_of
from gateway.core.campaigns.refused import RefusedCampaigns
from gateway.core.errors import AccessDenied, CampaignNotFound, CampaignNotRunning
from gateway.core.settlement.invalid_calls import CALLS_TO_BLAME, CAMPAIGNS_COUNTED, InvalidCalls
from tests.unit.core.making import NOW


def gone() -> CampaignRefusal:
    """Return the refusal of a campaign that is not found."""
    refusal = refusal_of(CampaignNotFound())
    assert refusal is not None
    return refusal


def test_a_campaign_is_not_refused_without_connects_word() -> None:
    """Only campaigns that Connect refused are refused."""
    refusals = RefusedCampaigns()
    refusals.remember(NOW, "a", gone())
    assert refusals.known(NOW, "b") is None


def test_a_refusal_is_believed_for_its_time() -> None:
    """A refusal is believed until its time is over, and no longer."""
    refusals, refusal = RefusedCampaigns(), gone()
    refusals.remember(NOW, "a", refusal)
    assert refusals.known(NOW + REFUSAL_S - 0.001, "a") is refusal
    assert refusals.known(NOW + REFUSAL_S, "a") is None


def test_a_repeated_refusal_starts_anew() -> None:
    """A repeated refusal lasts from its repetition; others end in their time."""
    refusals, ended = RefusedCampaigns(), refusal_of(CampaignNotRunning("Stopped"))
    assert ended is not None
    refusals.remember(NOW, "a", gone())
    refusals.remember(NOW + 1.0, "b", gone())
    refusals.remember(NOW + 4.0, "a", ended)
    assert refusals.known(NOW + 6.0, "b") is None
    assert refusals.known(NOW + 6.0, "a") is ended


def test_a_momentary_refusal_is_not_remembered() -> None:
    """A refusal that may end at any moment is not remembered and ends an older one."""
    refusals, denied = RefusedCampaigns(), refusal_of(AccessDenied())
    assert denied is not None
    refusals.remember(NOW, "a", gone())
    refusals.remember(NOW, "a", denied)
    assert refusals.known(NOW, "a") is None


def test_memory_is_bounded_by_time() -> None:
    """Nothing remains of thousands of refused campaigns once their time is over."""
    refusals = RefusedCampaigns()
    for number in range(5_000):
        refusals.remember(NOW + number / 1_000, f"c{number}", gone())
    assert refusals.known(NOW + 5.0 + REFUSAL_S, "other") is None
    assert refusals.lasting == {}


def test_the_call_is_the_cause_after_enough_refusals() -> None:
    """Refusals in the search blame nothing; after enough of them a refusal of other items blames the call."""
    calls = InvalidCalls()
    for _ in range(CALLS_TO_BLAME):
        assert not calls.refused("a", search=False)
        assert not calls.refused("a", search=True)
    assert calls.refused("a", search=False)
    assert not calls.refused("b", search=False)


def test_an_accepted_call_shows_that_calls_are_valid() -> None:
    """A call that Connect answers item by item shows that calls are in order."""
    calls = InvalidCalls()
    for _ in range(CALLS_TO_BLAME):
        calls.refused("a", search=True)
    calls.answered("a")
    assert not calls.refused("a", search=False)


def test_campaigns_that_are_counted_are_bounded() -> None:
    """The count of the campaign that was refused longest ago goes first."""
    calls = InvalidCalls()
    for _ in range(CALLS_TO_BLAME):
        calls.refused("old", search=True)
    for number in range(CAMPAIGNS_COUNTED):
        calls.refused(f"c{number}", search=True)
    assert not calls.refused("old", search=False)
