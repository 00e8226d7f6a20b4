"""When the dial requests of short messages are submitted. A test sets the time."""

from collections.abc import Sequence

from gateway.api.gathering import GATHER_S, MOST, Arrival, Gathering
from gateway.core.model import DialRequest, Priority, Source, Waiter
from gateway.runtime.supervision import Supervisor
from tests.unit.api.manual_timers import ManualTimers


class Gathered:
    """Gathers for a test; `groups` are what was submitted, by campaign, priority and client tokens."""

    def __init__(self) -> None:
        self.timers = ManualTimers()
        self.supervisor = Supervisor()
        self.groups: list[tuple[str, Priority, list[str]]] = []
        self.broken = False
        self.gathering = Gathering(self._submit, self.supervisor, self.timers)
        self.source = Source()

    def _submit(self, campaign_id: str, priority: Priority, arrivals: Sequence[Arrival]) -> None:
        if self.broken:
            raise KeyError
        self.groups.append((campaign_id, priority, [request.client_token for _, request in arrivals]))

    def add(self, *tokens: str, campaign: str = "c", priority: Priority = Priority.NORMAL) -> None:
        arrivals = [
            (Waiter(self.source, 0), DialRequest(campaign, token, "", {}, None, 0)) for token in tokens
        ]
        self.gathering.add(campaign, priority, arrivals)


def test_the_first_after_a_pause_does_not_wait() -> None:
    """A lone dial request is submitted at once, and so is the next one after a pause."""
    gathered = Gathered()
    gathered.add("a")
    gathered.timers.run_until(gathered.timers.now + GATHER_S)
    gathered.add("b")
    assert [tokens for *_, tokens in gathered.groups] == [["a"], ["b"]]
    assert gathered.timers.alarms == []


def test_those_that_follow_soon_are_submitted_together() -> None:
    """They are submitted once the time since the last submission has passed, however many came."""
    gathered = Gathered()
    began = gathered.timers.now
    for number, token in enumerate("abcd"):
        gathered.timers.run_until(began + number * GATHER_S / 5)
        gathered.add(token)
    assert [tokens for *_, tokens in gathered.groups] == [["a"]]
    gathered.timers.run_until(began + GATHER_S)
    assert [tokens for *_, tokens in gathered.groups] == [["a"], ["b", "c", "d"]]


def test_each_campaign_and_priority_is_submitted_apart() -> None:
    """The order within one campaign and priority stays as it was."""
    gathered = Gathered()
    gathered.add("first")
    gathered.add("a", "b")
    gathered.add("x", campaign="other")
    gathered.add("h", priority=Priority.HIGH)
    gathered.add("c")
    gathered.gathering.submit()
    assert gathered.groups[1:] == [
        ("c", Priority.NORMAL, ["a", "b", "c"]),
        ("other", Priority.NORMAL, ["x"]),
        ("c", Priority.HIGH, ["h"]),
    ]


def test_a_limited_number_is_gathered() -> None:
    """At the limit all are submitted before their time, and only once."""
    gathered = Gathered()
    gathered.add("first")
    for number in range(MOST):
        gathered.add(f"t-{number}")
    assert [len(tokens) for *_, tokens in gathered.groups] == [1, MOST]
    gathered.timers.run_until(gathered.timers.now + GATHER_S)
    assert len(gathered.groups) == 2


def test_what_was_dropped_is_not_submitted() -> None:
    """When a caller is gone, its gathered dial requests are dropped and its alarm is cancelled."""
    gathered = Gathered()
    gathered.add("first")
    gathered.add("a")
    dropped = gathered.gathering.drop()
    assert [request.client_token for _, request in dropped["c", Priority.NORMAL]] == ["a"]
    gathered.timers.run_until(gathered.timers.now + GATHER_S)
    assert [tokens for *_, tokens in gathered.groups] == [["first"]]


def test_a_bug_in_an_alarm_is_reported() -> None:
    """Nobody waits for an alarm, so the supervisor learns of its error."""
    gathered = Gathered()
    gathered.add("first")
    gathered.add("a")
    gathered.broken = True
    assert not gathered.supervisor.failing
    gathered.timers.run_until(gathered.timers.now + GATHER_S)
    assert gathered.supervisor.failing
