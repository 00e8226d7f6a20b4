"""Delivers the answers that the engine has decided."""

from collections.abc import Callable, Sequence

from gateway.core.compliance.records import GuardRecord
from gateway.core.engine import Engine
from gateway.telemetry import Telemetry


class AnswerDelivery:
    """Takes the answers out of the engine, counts them, and gives each to the owner of its source.

    `guard_decided` is told what the compliance guard has decided; it must not wait or raise.
    """

    def __init__(self, engine: Engine, telemetry: Telemetry, now: Callable[[], float]) -> None:
        self._engine = engine
        self._telemetry = telemetry
        self._now = now
        self.guard_decided: Callable[[Sequence[GuardRecord]], None] = lambda _: None

    def deliver(self) -> None:
        """Deliver all answers. To be called after every event and every decision of the engine."""
        now = self._now()
        answers = self._engine.take_answers(now)
        if answers:
            self._telemetry.answered(now, answers)
        records = self._engine.guarding.take_records()
        if records:
            self.guard_decided(records)
        for answer in answers:
            answer.waiter.source.owner.deliver(answer)
