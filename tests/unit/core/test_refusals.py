"""For how long a campaign's refusal is believed."""

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


def test_nothing_known() -> None:
    """Nothing is refused that Connect has not refused."""
    refusals = RefusedCampaigns()
    refusals.remember(NOW, "a", gone())
    assert refusals.known(NOW, "b") is None


def test_believed_for_its_time() -> None:
    """A refusal is believed until its time is over, and not a moment longer."""
    refusals, refusal = RefusedCampaigns(), gone()
    refusals.remember(NOW, "a", refusal)
    assert refusals.known(NOW + REFUSAL_S - 0.001, "a") is refusal
    assert refusals.known(NOW + REFUSAL_S, "a") is None


def test_said_again() -> None:
    """A refusal that is said again is the newest, and lasts from then on; others end in their time."""
    refusals, ended = RefusedCampaigns(), refusal_of(CampaignNotRunning("Stopped"))
    assert ended is not None
    refusals.remember(NOW, "a", gone())
    refusals.remember(NOW + 1.0, "b", gone())
    refusals.remember(NOW + 4.0, "a", ended)
    assert refusals.known(NOW + 6.0, "b") is None
    assert refusals.known(NOW + 6.0, "a") is ended


def test_of_the_moment() -> None:
    """A refusal that may be over at any moment is not believed, and ends an older one."""
    refusals, denied = RefusedCampaigns(), refusal_of(AccessDenied())
    assert denied is not None
    refusals.remember(NOW, "a", gone())
    refusals.remember(NOW, "a", denied)
    assert refusals.known(NOW, "a") is None


def test_memory_is_bounded_by_time() -> None:
    """Of thousands of refused campaigns nothing stays once their time is over and somebody asks."""
    refusals = RefusedCampaigns()
    for number in range(5_000):
        refusals.remember(NOW + number / 1_000, f"c{number}", gone())
    assert refusals.known(NOW + 5.0 + REFUSAL_S, "other") is None
    assert refusals._known == {}


def test_the_call_is_to_blame() -> None:
    """Refusals in the search blame nothing; after enough of them a refusal of other items blames the call."""
    calls = InvalidCalls()
    for _ in range(CALLS_TO_BLAME):
        assert not calls.refused("a", search=False)
        assert not calls.refused("a", search=True)
    assert calls.refused("a", search=False)
    assert not calls.refused("b", search=False)


def test_a_call_that_is_taken_acquits() -> None:
    """A call that Connect answers item by item shows that calls are in order."""
    calls = InvalidCalls()
    for _ in range(CALLS_TO_BLAME):
        calls.refused("a", search=True)
    calls.taken("a")
    assert not calls.refused("a", search=False)


def test_campaigns_that_are_counted_are_bounded() -> None:
    """The count of the campaign that was refused longest ago goes first."""
    calls = InvalidCalls()
    for _ in range(CALLS_TO_BLAME):
        calls.refused("old", search=True)
    for number in range(CAMPAIGNS_COUNTED):
        calls.refused(f"c{number}", search=True)
    assert not calls.refused("old", search=False)
