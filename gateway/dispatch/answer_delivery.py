"""Delivers the answers that the engine has decided."""

from collections.abc import Callable

from gateway.core.engine import Engine
from gateway.telemetry import Telemetry


class AnswerDelivery:
    """Takes the answers out of the engine, counts them, and gives each to the owner of its source."""

    def __init__(self, engine: Engine, telemetry: Telemetry, now: Callable[[], float]) -> None:
        self._engine = engine
        self._telemetry = telemetry
        self._now = now

    def deliver(self) -> None:
        """Deliver all answers. To be called after every event and every decision of the engine."""
        now = self._now()
        answers = self._engine.take_answers(now)
        if answers:
            self._telemetry.answered(now, answers)
        for answer in answers:
            answer.waiter.source.owner.deliver(answer)
