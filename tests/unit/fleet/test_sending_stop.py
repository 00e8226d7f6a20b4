"""A replica sends nothing while it does not know which numbers are suppressed."""

import pytest

from gateway.fleet.sending_stop import BEHIND_S, SendingStop
from gateway.fleet.suppression_key import FOREIGN_KEY
from gateway.shared_state.port import SharedStateError

NOW = 0.0


class Replica:
    """What a replica knows: whether it is behind, and whether the fleet has another key."""

    def __init__(self) -> None:
        self.suspended = self.behind = self.is_foreign = False
        self.now, self.wakes = NOW, 0
        self.stop = SendingStop(self, self, self, lambda: self.now, self._wake)  # type: ignore[arg-type]

    def _wake(self) -> None:
        self.wakes += 1

    def judged(self, now: float = NOW) -> bool:
        """Judge at `now`; return whether nothing is sent."""
        self.now = now
        self.stop.judge()
        return self.suspended


def test_nothing_is_sent_until_everything_was_read_once() -> None:
    replica = Replica()
    assert replica.suspended
    replica.behind = True
    assert replica.judged()
    assert "not read yet" in (replica.stop.in_words() or "")
    assert replica.wakes == 0
    replica.behind = False
    assert not replica.judged()
    assert replica.stop.in_words() is None
    assert replica.wakes == 1


def test_a_replica_that_is_behind_sends_on_for_a_moment_only() -> None:
    replica = Replica()
    assert not replica.judged()
    replica.behind = True
    assert not replica.judged(NOW)
    assert not replica.judged(NOW + BEHIND_S - 0.001)
    assert replica.judged(NOW + BEHIND_S)
    assert replica.wakes == 2
    replica.behind = False
    assert not replica.judged(NOW + 1.0)
    replica.behind = True
    assert not replica.judged(NOW + 1.0)


def test_nothing_is_sent_while_the_fleet_has_another_key() -> None:
    """Numbers are suppressed by their hashes, which differ with the key."""
    replica = Replica()
    replica.is_foreign = True
    assert replica.judged()
    assert replica.stop.in_words() == FOREIGN_KEY
    replica.is_foreign = False
    assert not replica.judged()


def test_nothing_is_sent_any_more_once_there_are_too_many_numbers() -> None:
    replica = Replica()
    assert not replica.judged()
    replica.stop.too_many()
    assert replica.suspended
    assert replica.wakes == 2
    assert replica.judged(NOW + 3_600.0)
    assert "more numbers" in (replica.stop.in_words() or "")


def test_a_silent_store_is_logged_once_for_each_time_that_it_keeps_calls_from_leaving(
    caplog: pytest.LogCaptureFixture,
) -> None:
    replica = Replica()
    replica.judged()
    replica.stop.unanswered(SharedStateError("away"))
    assert caplog.messages == []
    replica.behind = True
    replica.judged(NOW)
    replica.now = NOW + BEHIND_S
    for _ in range(3):
        replica.stop.unanswered(SharedStateError("away"))
    assert len(caplog.messages) == 1
    replica.stop.answered()
    replica.stop.unanswered(SharedStateError("away"))
    assert len(caplog.messages) == 2
