"""The decided answers that the shell has not taken yet: answers leave the core only from here."""

from collections.abc import Iterable

from gateway.core.model import Settled


class Outbox:
    """Answers in the order in which they were decided."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: list[Settled] = []

    def add(self, answers: Iterable[Settled]) -> None:
        """Add answers, in their order."""
        self._answers.extend(answers)

    def take(self) -> list[Settled]:
        """Return all answers and forget them."""
        taken, self._answers = self._answers, []
        return taken
