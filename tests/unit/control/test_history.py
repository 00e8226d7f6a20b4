"""The history keeps points with the differences between two readings."""

from gateway.control.history import Counts, History, next_reading


def counts(at: float, ok: int, *, throttled: int = 0, lost: int = 0, answers: int = 0) -> Counts:
    calls = {"ok": ok, "RateThrottled": throttled, "AnswerLost": lost, "ConnectFailed": lost}
    return Counts(at, calls, (answers, 0, 0, 0, 0), answers // 2, answers // 4, 5.0, 10.0)


def test_a_point_has_the_differences() -> None:
    """The first reading only says where counting begins; failures other than throttles are counted as one."""
    history = History()
    history.read(counts(10.0, 100, throttled=7, lost=2, answers=900))
    assert len(history) == 0
    history.read(counts(11.5, 108, throttled=8, lost=3, answers=1000))
    (point,) = history.after(0)
    assert (point.number, point.at, point.seconds) == (1, 11.5, 1.5)
    assert point.calls == (8, 1, 2)
    assert (point.answers, point.accepted, point.replayed) == ((100, 0, 0, 0, 0), 50, 25)
    assert (point.rate, point.ceiling) == (5.0, 10.0)


def test_no_more_is_kept_than_its_length() -> None:
    """The oldest points go, and the numbers go on."""
    history = History(length=3)
    for second in range(10):
        history.read(counts(float(second), second))
    assert [point.number for point in history.after(0)] == [7, 8, 9]
    assert [point.number for point in history.after(8)] == [9]


def test_two_readings_at_one_instant_are_one() -> None:
    """Two readings at one instant are one, and nothing is lost."""
    history = History()
    for ok in (0, 5):
        history.read(counts(1.0, ok))
    history.read(counts(2.0, 9))
    assert sum(point.calls[0] for point in history.after(0)) == 9


def test_a_late_reading_is_not_followed_by_another_at_once() -> None:
    """A rate over a few milliseconds would be shown as a peak; otherwise the readings keep their rhythm."""
    assert next_reading(due=10.0, now=10.004) == 11.0
    assert next_reading(due=10.0, now=13.2) == 13.7
    assert next_reading(due=10.0, now=10.99) == 11.49
