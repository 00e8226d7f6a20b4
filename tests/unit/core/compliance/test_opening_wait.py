"""Entries wait for their instants while others come and leave, and no step takes long."""

import random

from gateway.core.compliance.opening_wait import MOVED, MOVED_ONCE_A_TURN, STALE_PLACES, OpeningWait
from gateway.core.model import Entry, Priority, Waiter
from tests.unit.core.making import Caller, dial

MANY = 5_000


def entries(count: int) -> list[Entry]:
    waiter = Waiter(Caller().source, 0)
    return [Entry(dial(f"t{number}"), 0.0, waiter, Priority.NORMAL) for number in range(count)]


def test_random_entries_are_due_as_in_a_model() -> None:
    """The model is a dictionary of instants. Entries come again with the same instant, too."""
    for seed in range(40):
        rng, wait, model = random.Random(seed), OpeningWait(), dict[Entry, float]()
        known = entries(60)
        for step in range(400):
            match rng.choice(("add", "add", "add", "discard", "due", "all")):
                case "add":
                    entry = rng.choice(known)
                    wait.discard(entry)
                    model[entry] = float(step + rng.randrange(30))
                    wait.add(entry, model[entry])
                case "discard":
                    entry = rng.choice(known)
                    wait.discard(entry)
                    model.pop(entry, None)
                case "due":
                    due = list(wait.due(float(step)))
                    instants = [model.pop(entry) for entry in due]
                    assert instants == sorted(instants)
                    assert all(until > step for until in model.values())
                case _ if rng.random() < 0.2:
                    assert set(wait.take_all()) == model.keys()
                    for entry, until in model.items():  # as a review does that changes nothing
                        wait.add(entry, until)
            assert len(wait) == len(model)
            deadline = wait.deadline()
            assert (deadline is None) == (not model)
            assert deadline is None or deadline <= min(model.values())
            assert wait.places <= 3 * len(model) + 2 * STALE_PLACES + 60


def test_those_that_leave_are_forgotten_a_few_at_a_time() -> None:
    """A purge answers hundreds of thousands: none of its steps may look at all places."""
    wait, waiting = OpeningWait(), entries(MANY)
    for number, entry in enumerate(waiting):
        wait.add(entry, float(number))
    for entry in waiting:
        before = wait.places
        wait.discard(entry)
        assert before - wait.places <= MOVED
    for _ in range(MANY):
        before = wait.places
        assert not list(wait.due(-1.0))
        assert before - wait.places <= MOVED_ONCE_A_TURN
    assert wait.places <= STALE_PLACES


def test_places_do_not_add_up_when_all_are_decided_again() -> None:
    """Each review takes out all and adds most of them again."""
    wait, waiting = OpeningWait(), entries(1_000)
    for entry in waiting:
        wait.add(entry, 5.0)
    for _ in range(20):
        for entry in wait.take_all():
            wait.add(entry, 5.0)
    assert wait.places <= 3 * len(waiting) + STALE_PLACES
    assert sorted(entry.request.client_token for entry in wait.due(5.0)) == sorted(
        entry.request.client_token for entry in waiting
    )


def test_entries_are_due_in_order_while_places_are_moved() -> None:
    """Of many that have left, places are dropped a few at a time, and those of others are kept."""
    wait, leaving, staying = OpeningWait(), entries(10_000), entries(5_000)
    for number, entry in enumerate(staying):
        wait.add(entry, float(number))
    for entry in leaving:
        wait.add(entry, 1e6)
    for entry in leaving:
        wait.discard(entry)
    added = entries(1)[0]
    wait.add(added, 2_500.5)
    due = [entry for now in range(5_000) for entry in wait.due(float(now))]
    assert due == [*staying[:2_501], added, *staying[2_501:]]
