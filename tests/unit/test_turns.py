"""A test that is tried again runs alone, and the others wait for it."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.turns import Turns

PATIENCE_S = 60.0
A_MOMENT_S = 0.1
"""Seconds in which a thread that can go on does so; where that takes longer, an error is not noticed."""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Turns]]:
    """Provide the locks as three workers see them."""
    made = [Turns(tmp_path) for _ in range(3)]
    yield made
    for turns in made:
        turns.close()


class Waiting:
    """A thread that waits for a turn."""

    def __init__(self, turns: Turns, *, alone: bool) -> None:
        self._turn = turns.alone() if alone else turns.shared()
        self.has_turn, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._turn:
            self.has_turn.set()
            self._end.wait(PATIENCE_S)

    def end(self) -> None:
        self._end.set()
        self._thread.join(PATIENCE_S)


def test_tests_run_beside_each_other(workers: list[Turns]) -> None:
    with ExitStack() as stack:
        for turns in workers:
            stack.enter_context(turns.shared())


def test_one_alone_waits_for_the_others_and_they_for_it(workers: list[Turns]) -> None:
    """A test that starts meanwhile does not overtake the one that wants to be alone."""
    first, second, third = workers
    with first.shared():
        alone = Waiting(second, alone=True)
        assert not alone.has_turn.wait(A_MOMENT_S)
        late = Waiting(third, alone=False)
        assert not late.has_turn.wait(A_MOMENT_S)
    assert alone.has_turn.wait(PATIENCE_S)
    assert not late.has_turn.wait(A_MOMENT_S)
    alone.end()
    assert late.has_turn.wait(PATIENCE_S)
    late.end()
