"""The states of an entry: every legal transition happens, every other one raises and changes nothing."""

from itertools import product

import pytest

from gateway.core.entry_state import TRANSITIONS, EntryState, IllegalTransition, move, move_all
from gateway.core.model import Entry
from tests.unit.core.making import entry

WAYS = {
    EntryState.UNQUEUED: (),
    EntryState.WAITING: (EntryState.WAITING,),
    EntryState.DELAYED: (EntryState.IN_FLIGHT, EntryState.DELAYED),
    EntryState.IN_FLIGHT: (EntryState.IN_FLIGHT,),
    EntryState.CHECKING: (EntryState.CHECKING,),
    EntryState.SETTLED: (EntryState.SETTLED,),
}
LEGAL = {
    (EntryState.UNQUEUED, EntryState.WAITING),
    (EntryState.UNQUEUED, EntryState.IN_FLIGHT),
    (EntryState.UNQUEUED, EntryState.SETTLED),
    (EntryState.UNQUEUED, EntryState.DELAYED),
    (EntryState.WAITING, EntryState.IN_FLIGHT),
    (EntryState.WAITING, EntryState.UNQUEUED),
    (EntryState.DELAYED, EntryState.WAITING),
    (EntryState.DELAYED, EntryState.UNQUEUED),
    (EntryState.IN_FLIGHT, EntryState.WAITING),
    (EntryState.IN_FLIGHT, EntryState.DELAYED),
    (EntryState.IN_FLIGHT, EntryState.UNQUEUED),
    (EntryState.IN_FLIGHT, EntryState.SETTLED),
    (EntryState.UNQUEUED, EntryState.CHECKING),
    (EntryState.IN_FLIGHT, EntryState.CHECKING),
    (EntryState.CHECKING, EntryState.UNQUEUED),
    (EntryState.CHECKING, EntryState.SETTLED),
}
PAIRS = sorted(product(EntryState, EntryState), key=lambda pair: (pair[0].value, pair[1].value))


def entry_in(state: EntryState) -> Entry:
    """Make an entry that has come to a state by legal transitions."""
    one = entry()
    for step in WAYS[state]:
        move(one, step)
    return one


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_each_transition(before: EntryState, after: EntryState) -> None:
    """A legal transition changes the state; an illegal one raises, names both states and changes nothing."""
    one = entry_in(before)
    if (before, after) in LEGAL:
        move(one, after)
        assert one.state is after
        return
    with pytest.raises(IllegalTransition, match=f"^an entry that is {before.value} must not become"):
        move(one, after)
    assert one.state is before


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_transition_of_a_list(before: EntryState, after: EntryState) -> None:
    """A list moves as a whole, or not at all: one entry that must not move keeps the others from moving."""
    fellow = next(state for state in EntryState if (state, after) in LEGAL)
    others = [entry_in(fellow) for _ in range(3)]
    entries = [*others, entry_in(before)]
    if (before, after) in LEGAL:
        move_all(entries, after)
        assert {one.state for one in entries} == {after}
        return
    with pytest.raises(IllegalTransition):
        move_all(entries, after)
    assert [one.state for one in entries] == [fellow, fellow, fellow, before]


def test_table() -> None:
    """The table names every state, and exactly the legal transitions."""
    assert {(before, after) for before, states in TRANSITIONS.items() for after in states} == LEGAL
    assert set(TRANSITIONS) == set(EntryState)


def test_new_entry() -> None:
    """An entry begins in no queue and in no call."""
    assert entry().state is EntryState.UNQUEUED


def test_settled_is_final() -> None:
    """No state follows SETTLED."""
    assert TRANSITIONS[EntryState.SETTLED] == frozenset()
