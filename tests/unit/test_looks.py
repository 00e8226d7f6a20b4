"""One look at all campaigns serves everybody for a while."""

from gateway.core.listing import CampaignRow
from gateway.looks import LOOK_EVERY_S, LOOK_SHARE, Looks


class Gateway:
    """Counts how often it is looked at, each time for so many seconds of its own clock."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.now = 100.0
        self.times = 0
        self.cost_s = cost_s

    def rows(self) -> dict[str, CampaignRow]:
        self.times += 1
        self.now += self.cost_s
        return {}


def looks_at(gateway: Gateway) -> Looks:
    return Looks(gateway.rows, lambda: gateway.now)


def test_a_look_serves_for_a_quarter_of_a_second() -> None:
    """Whoever asks sooner gets the same one, with the instant at which it was taken."""
    gateway = Gateway()
    looks = looks_at(gateway)
    first = looks.look()
    gateway.now += LOOK_EVERY_S * 0.9
    assert looks.look() is first
    gateway.now += LOOK_EVERY_S * 0.2
    assert looks.look().at == gateway.now
    assert gateway.times == 2


def test_looks_take_a_tenth_of_the_time_at_most() -> None:
    """Where a look takes long it serves for longer."""
    gateway = Gateway(cost_s=1.0)
    looks = looks_at(gateway)
    began = gateway.now
    while gateway.now < began + 100:
        looks.look()
        gateway.now += 0.1
    assert gateway.times * gateway.cost_s <= 100 * LOOK_SHARE + gateway.cost_s


def test_after_something_was_done_the_next_look_is_a_new_one() -> None:
    """Whoever did it sees it."""
    gateway = Gateway()
    looks = looks_at(gateway)
    first = looks.look()
    looks.outdated()
    assert looks.look() is not first
