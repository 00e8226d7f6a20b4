"""Permits are used in the order of their starts, and each is reported once: as used or as returned."""

from gateway.core.quota.granted_permits import GrantedPermits
from tests.unit.core.quota.replica import NOW, Bench, grant


def test_a_permit_is_usable_from_its_start_until_its_end() -> None:
    permits = GrantedPermits()
    permits.add(NOW + 0.125, NOW, grant(7, start_in_ms=250, end_in_ms=500))
    first = permits.first(NOW + 0.125)
    assert first is not None
    assert (first.start, first.end) == (NOW + 0.375, NOW + 0.5)
    assert permits.take(NOW + 0.374) is False
    assert permits.take(NOW + 0.375) is True
    assert permits.take(NOW + 0.375) is False


def test_the_permit_that_starts_first_is_used_first() -> None:
    permits = GrantedPermits()
    permits.add(NOW, NOW, grant(7, start_in_ms=200))
    permits.add(NOW, NOW, grant(8, start_in_ms=100))
    assert permits.take(NOW + 0.1)
    assert permits.used == {8: 1}
    assert not permits.take(NOW + 0.1)


def test_a_permit_ends_though_others_last_longer() -> None:
    permits = GrantedPermits()
    permits.add(NOW, NOW, grant(7, count=2, end_in_ms=300))
    permits.add(NOW, NOW, grant(8, start_in_ms=100, end_in_ms=600))
    first = permits.first(NOW + 0.3)
    assert first is not None
    assert first.number == 8
    assert permits.returned == {7: 2}


def test_a_permit_given_back_counts_as_returned_and_no_other_does() -> None:
    permits = GrantedPermits()
    permits.add(NOW, NOW, grant(7, count=3))
    assert [permits.take(NOW) for _ in range(3)] == [True] * 3
    permits.give_back()
    assert (permits.used, permits.returned) == ({7: 2}, {7: 1})


def test_permits_that_were_returned_are_not_used_any_more() -> None:
    permits = GrantedPermits()
    permits.add(NOW, NOW, grant(7, count=3))
    permits.return_all()
    assert permits.returned == {7: 3}
    assert not permits.take(NOW)
    permits.return_all()
    assert permits.returned == {7: 3}


def test_another_epoch_is_told_nothing_of_the_permits_before_it(bench: Bench) -> None:
    """The store does not know their numbers any more, and may grant the same numbers again."""
    bench.tick(NOW, grant(7, count=3))
    assert bench.permits.take(NOW + 0.1)
    assert bench.permits.take(NOW + 0.1)
    bench.tick(NOW + 0.1)
    assert bench.permits.take(NOW + 0.2)
    bench.permits.give_back(NOW + 0.2, 1)
    bench.permits.tick(NOW + 0.2)
    assert bench.permits.ready_at(NOW + 0.2) > NOW + 0.2
    bench.reply(NOW + 0.2, NOW + 0.2, grant(7, count=2))
    assert bench.permits.take(NOW + 0.2)
    bench.permits.tick(NOW + 0.3)
    assert bench.permits.take(NOW + 0.3)
    bench.reply(NOW + 0.3, NOW + 0.3, epoch="e2")
    bench.permits.throttled(NOW + 0.3, left_at=NOW + 0.3)
    request = bench.tick(NOW + 0.4, epoch="e2")
    assert (request.used, request.returned, request.throttled) == ((), (), ())


def test_what_was_returned_in_an_epoch_is_not_reported_in_the_next(bench: Bench) -> None:
    bench.tick(NOW, grant(7))
    bench.permits.tick(NOW + 0.4)
    bench.permits.ready_at(NOW + 0.6)  # its time is over, so it counts as returned
    bench.reply(NOW + 0.4, NOW + 0.6, epoch="e2")
    assert bench.tick(NOW + 0.7, epoch="e2").returned == ()
