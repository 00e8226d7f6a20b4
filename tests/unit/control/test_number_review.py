"""Calls are revoked at each change of the suppressed numbers, and the queues reviewed soon after."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.control.number_review import PAUSE_OF_REQUEST_S, SHORTEST_PAUSE_S, NumberReview


@dataclass
class Bench:
    """Counts what is decided again, and keeps the calls that come later."""

    outstanding: int = 0
    revoked: int = 0
    reviewed: int = 0
    pauses_s: list[float] = field(default_factory=list)
    due: Callable[[], None] | None = None

    def revoke_refused(self) -> None:
        self.revoked += 1

    def review(self) -> None:
        self.reviewed += 1

    def later(self, pause_s: float, call: Callable[[], None]) -> "Bench":
        self.pauses_s.append(pause_s)
        self.due = call
        return self

    def cancel(self) -> None:
        self.due = None

    def pass_pause(self) -> None:
        due, self.due = self.due, None
        assert due is not None
        due()


def test_many_changes_are_followed_by_two_reviews() -> None:
    """The first change is reviewed at once, all later ones together after a pause; calls stop each time."""
    bench = Bench()
    review = NumberReview(bench, lambda: bench.outstanding, bench.later)
    for _ in range(100):
        review.changed()
    assert (bench.revoked, bench.reviewed) == (100, 1)
    bench.pass_pause()
    assert bench.reviewed == 2
    bench.pass_pause()
    assert (bench.reviewed, bench.due) == (2, None)
    review.changed()
    assert bench.reviewed == 3
    review.close()
    assert bench.due is None


def test_the_pause_grows_with_the_queues() -> None:
    """A review of many requests takes long, so the next one comes later."""
    bench = Bench(outstanding=200_000)
    NumberReview(bench, lambda: bench.outstanding, bench.later).changed()
    assert bench.pauses_s == [SHORTEST_PAUSE_S + 200_000 * PAUSE_OF_REQUEST_S]
