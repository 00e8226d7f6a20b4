"""For how long a campaign's refusal is believed."""

from gateway.core.errors import AccessDenied, CampaignNotFound, CampaignNotRunning
from gateway.core.refusals import Refusals
from gateway.core.settle import REFUSAL_S, Refusal, refusal_of
from tests.unit.core.making import NOW


def gone() -> Refusal:
    """Return the refusal of a campaign that is not found."""
    refusal = refusal_of(CampaignNotFound())
    assert refusal is not None
    return refusal


def test_nothing_known() -> None:
    """Nothing is refused that Connect has not refused."""
    refusals = Refusals()
    refusals.remember(NOW, "a", gone())
    assert refusals.known(NOW, "b") is None


def test_believed_for_its_time() -> None:
    """A refusal is believed until its time is over, and not a moment longer."""
    refusals, refusal = Refusals(), gone()
    refusals.remember(NOW, "a", refusal)
    assert refusals.known(NOW + REFUSAL_S - 0.001, "a") is refusal
    assert refusals.known(NOW + REFUSAL_S, "a") is None


def test_said_again() -> None:
    """A refusal that is said again is the newest, and lasts from then on; others end in their time."""
    refusals, ended = Refusals(), refusal_of(CampaignNotRunning("Stopped"))
    assert ended is not None
    refusals.remember(NOW, "a", gone())
    refusals.remember(NOW + 1.0, "b", gone())
    refusals.remember(NOW + 4.0, "a", ended)
    assert refusals.known(NOW + 6.0, "b") is None
    assert refusals.known(NOW + 6.0, "a") is ended


def test_of_the_moment() -> None:
    """A refusal that may be over at any moment is not believed, and ends an older one."""
    refusals, denied = Refusals(), refusal_of(AccessDenied())
    assert denied is not None
    refusals.remember(NOW, "a", gone())
    refusals.remember(NOW, "a", denied)
    assert refusals.known(NOW, "a") is None


def test_memory_is_bounded_by_time() -> None:
    """Of thousands of refused campaigns nothing stays once their time is over and somebody asks."""
    refusals = Refusals()
    for number in range(5_000):
        refusals.remember(NOW + number / 1_000, f"c{number}", gone())
    assert refusals.known(NOW + 5.0 + REFUSAL_S, "other") is None
    assert refusals._known == {}
