"""The estimate of the store's clock is as exact as the replies allow. Converted instants do not change."""

from gateway.core.fleet.store_clock import StoreClock


def test_the_middle_of_the_first_exchange_counts() -> None:
    clock = StoreClock()
    assert (clock.known, clock.ms(10.0)) == (False, 0)
    clock.note(sent_at=10.0, received_at=10.2, now_ms=5_000_000)
    assert clock.known
    assert abs(clock.ms(10.1) - 5_000_000) <= 1
    assert abs(clock.instant(5_000_000) - 10.1) <= 0.001


def test_replies_that_agree_change_nothing() -> None:
    clock = StoreClock()
    clock.note(10.0, 10.2, 5_000_000)
    before = clock.instant(5_000_000)
    clock.note(20.0, 20.001, 5_009_900)
    clock.note(30.0, 31.0, 5_020_300)
    assert clock.instant(5_000_000) == before


def test_a_reply_that_contradicts_counts() -> None:
    """The store's clock was set, or another server took its place."""
    clock = StoreClock()
    clock.note(10.0, 10.2, 5_000_000)
    clock.note(20.0, 20.1, 9_000_000)
    assert abs(clock.instant(9_000_000) - 20.05) <= 0.001
