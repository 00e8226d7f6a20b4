"""The network between one replica and the store: messages take time, are lost, and overtake each other."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.shared_state.port import TIMES_ASKED, Beat, BeatReply, SharedStateError, SharedStateUnavailable
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore

_Reply = TypeVar("_Reply")
TIMEOUT_S = 0.25
PATIENT = frozenset({"beat", "claim", "look_up", "settle"})
"""Operations whose replies are waited for longer, as in the adapter."""


@dataclass(slots=True)
class Weather:
    """How messages travel: `latency_s` on average; a share of them is late or lost, each way."""

    latency_s: float = 0.0005
    late: float = 0.0
    lost: float = 0.0
    latest_s: float = 1.0


class DistantState(ModelState):
    """A replica's port over a network. An operation that arrives is carried out, whoever still waits for it.

    `cut_off`: the replica has crashed and sends nothing more. `partitioned`: no message arrives either way.
    `beaten` is called after each beat.
    """

    def __init__(self, store: ModelStore, rng: random.Random, weather: Weather) -> None:
        super().__init__(store)
        self.weather = weather
        self.cut_off = False
        self.has_beaten = False
        self.operations: dict[str, int] = {}
        self.beaten: Callable[[], None] = lambda: None
        self._rng = rng

    async def beat(self, beat: Beat) -> BeatReply:
        """Exchange a beat."""
        reply = await super().beat(beat)
        self.has_beaten = True
        self.beaten()
        return reply

    async def _exchange(self, name: str, operation: Callable[[], _Reply]) -> _Reply:
        if self.cut_off:
            await asyncio.get_running_loop().create_future()
        self.operations[name] = self.operations.get(name, 0) + 1
        reply: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()
        self._after_a_while(self._arrive, operation, reply)
        try:
            async with asyncio.timeout(TIMEOUT_S * (TIMES_ASKED if name in PATIENT else 1)):
                return await reply
        except TimeoutError:
            raise SharedStateUnavailable("the shared state did not answer in time") from None

    def _arrive(self, operation: Callable[[], _Reply], reply: "asyncio.Future[_Reply]") -> None:
        if self.partitioned:
            return
        hung = self.store.hung
        try:
            result = operation()
        except SharedStateError as error:
            if not hung:
                self._after_a_while(self._fail, reply, error)
            return
        self._after_a_while(self._deliver, reply, result)

    def _deliver(self, reply: "asyncio.Future[_Reply]", result: _Reply) -> None:
        if not self._is_lost(reply):
            reply.set_result(result)

    def _fail(self, reply: "asyncio.Future[_Reply]", error: SharedStateError) -> None:
        if not self._is_lost(reply):
            reply.set_exception(error)

    def _is_lost(self, reply: "asyncio.Future[_Reply]") -> bool:
        return self.partitioned or self.cut_off or reply.done()

    def _after_a_while(self, event: Callable[..., None], *arguments: object) -> None:
        """Let a message arrive, unless it is lost."""
        weather, rng = self.weather, self._rng
        drawn = rng.random()
        if drawn < weather.lost:
            return
        delay_s = rng.uniform(0.0, 2.0 * weather.latency_s)
        if drawn < weather.lost + weather.late:
            delay_s = rng.uniform(0.0, weather.latest_s)
        asyncio.get_running_loop().call_later(delay_s, event, *arguments)
