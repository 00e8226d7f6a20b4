"""Asks the shared state about client tokens, and does not wait for it while it is away."""

import logging
import math
from collections.abc import Callable, Coroutine
from typing import TypeVar

from gateway.fleet.first_reply import first_reply
from gateway.runtime.supervision import trace_of
from gateway.shared_state.port import SharedStateChanged, SharedStateError

log = logging.getLogger(__name__)

AWAY_S = 0.5
"""Seconds in which the shared state is not asked after a failure: calls would wait for its time-out."""
_Reply = TypeVar("_Reply")


class LedgerQuestions:
    """Sends the commands of one replica. `now` returns seconds on the gateway's clock.

    A command that may be carried out twice is sent again after `again_after_s` without a reply. `changed` is
    called when the shared state says that it may have lost records.
    """

    def __init__(self, now: Callable[[], float], again_after_s: float, changed: Callable[[], None]) -> None:
        self._now = now
        self._again_after_s = again_after_s
        self._changed = changed
        self._is_away = False
        self._failed_at = -math.inf
        self._trying = False

    def answers(self) -> None:
        """Note that the shared state answers, as a beat has found out."""
        self._is_away = False

    async def ask_idempotent(self, command: Callable[[], Coroutine[None, None, _Reply]]) -> _Reply | None:
        """Return the reply to a command that may be carried out twice; None if there was none."""
        if not self._may_ask():
            return None
        return await self.ask(first_reply(command, self._again_after_s))

    async def ask(self, command: Coroutine[None, None, _Reply]) -> _Reply | None:
        """Return the reply to a command; None if the shared state did not answer."""
        self._trying = self._is_away
        try:
            reply = await command
        except SharedStateChanged:
            self._changed()
            return None
        except SharedStateError:
            self._failed()
            return None
        except Exception as bug:  # noqa: BLE001 - whatever happens, everybody is answered
            log.error("the shared state's answer about client tokens met a bug:\n%s", trace_of(bug))
            self._failed()
            return None
        finally:
            self._trying = False
        self._is_away = False
        return reply

    async def execute(self, command: Coroutine[None, None, None]) -> bool:
        """Have a command without a reply carried out; return whether the shared state has done that."""
        return await self.ask(_done(command)) is not None

    def _may_ask(self) -> bool:
        """Whether the shared state may answer. If it is away, one request at a time finds that out."""
        if not self._is_away:
            return True
        return not self._trying and self._now() - self._failed_at >= AWAY_S

    def _failed(self) -> None:
        self._is_away = True
        self._failed_at = self._now()


async def _done(command: Coroutine[None, None, None]) -> bool:
    await command
    return True
