"""Exchanges claims, settlements and look-ups of client tokens with the shared state of the fleet.

No answer waits for a slow shared state: a claim or look-up that fails is reported as None, and the core goes
on in doubt. Settlements are written behind the answers, in order, from a bounded backlog.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TypeVar

from gateway.core.fleet.messages import Claim, Claimed, Settlement, TokenRecord
from gateway.runtime.supervision import trace_of
from gateway.shared_state.port import SharedState, SharedStateError

log = logging.getLogger(__name__)

SETTLEMENTS_AT_ONCE = 200
"""Settlements in one command at most: the shared state carries it out in well under a millisecond."""
BACKLOG_LIMIT, BACKLOG_BYTES = 100_000, 33_554_432
"""Settlements, and bytes of them, that wait for the shared state at most."""
SETTLEMENT_BYTES = 400
"""Memory of a settlement in addition to its texts, in bytes."""
AWAY_S = 0.5
"""Seconds after a failure in which the shared state is not asked: calls would wait for its time-out."""
_Reply = TypeVar("_Reply")


class Claims:
    """The ledger's messages of one replica, `member`; `live` returns the members that are alive.

    `lost` counts the settlements that the full backlog has dropped. Their claims stay, which means doubt.
    """

    def __init__(
        self,
        state: SharedState,
        member: str,
        live: Callable[[], Sequence[str]],
        now: Callable[[], float],
        sleep: Callable[[float], Coroutine[None, None, None]] = asyncio.sleep,
        backlog_limit: int = BACKLOG_LIMIT,
    ) -> None:
        self._state = state
        self._member = member
        self._live = live
        self._now = now
        self._sleep = sleep
        self._limit = backlog_limit
        self._backlog: dict[str, deque[Settlement]] = {}  # by campaign
        self._waiting = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._failed_at: float | None = None
        self._trying = False
        self._bytes = 0
        self.waiting = 0
        self.lost = 0

    async def claim(self, campaign_id: str, claims: Sequence[Claim]) -> list[Claimed] | None:
        """Claim the tokens of one call; None if the shared state did not answer."""
        if not self._may_ask():
            return None
        verdicts = await self._ask(self._state.claim(campaign_id, self._member, self._live(), claims))
        return verdicts if verdicts is not None and len(verdicts) == len(claims) else None

    async def look_up(self, campaign_id: str, tokens: Sequence[str]) -> Mapping[str, TokenRecord] | None:
        """Return the records of tokens; None if the shared state did not answer."""
        if not self._may_ask():
            return None
        return await self._ask(self._state.look_up(campaign_id, self._live(), tokens))

    def settle(self, settlements: Iterable[tuple[str, Settlement]]) -> None:
        """Record how claims have ended, with their campaigns, as soon as the shared state answers."""
        for campaign_id, settlement in settlements:
            self._backlog.setdefault(campaign_id, deque()).append(settlement)
            self.waiting += 1
            self._bytes += _size(settlement)
        while self._backlog and (self.waiting > self._limit or self._bytes > BACKLOG_BYTES):
            self._lose_one()
        if self.waiting:
            self._empty.clear()
            self._waiting.set()

    async def run(self) -> None:
        """Write settlements to the shared state until cancelled."""
        while True:
            await self._waiting.wait()
            if not await self._write_some():
                await self._sleep(AWAY_S)

    async def written(self) -> None:
        """Wait until all settlements have been written."""
        await self._empty.wait()

    async def _write_some(self) -> bool:
        """Write the settlements of one campaign; return whether the shared state has taken them."""
        campaign_id, backlog = next(iter(self._backlog.items()))
        part = [backlog.popleft() for _ in range(min(len(backlog), SETTLEMENTS_AT_ONCE))]
        if not backlog:
            del self._backlog[campaign_id]
        done = False
        try:
            done = await self._ask(self._settle(campaign_id, part)) is not None
        finally:
            self._written(part) if done else self._put_back(campaign_id, part)
        return done

    async def _settle(self, campaign_id: str, part: Sequence[Settlement]) -> bool:
        await self._state.settle(campaign_id, self._member, part)
        return True

    def _written(self, part: Sequence[Settlement]) -> None:
        self.waiting -= len(part)
        self._bytes -= sum(map(_size, part))
        if not self._backlog:
            self._waiting.clear()
            self._empty.set()

    def _put_back(self, campaign_id: str, part: Sequence[Settlement]) -> None:
        """Put settlements back before those that came meanwhile: a token's settlements keep their order."""
        self._backlog.setdefault(campaign_id, deque()).extendleft(reversed(part))

    def _lose_one(self) -> None:
        campaign_id, backlog = next(iter(self._backlog.items()))
        self._bytes -= _size(backlog.popleft())
        if not backlog:
            del self._backlog[campaign_id]
        self.waiting -= 1
        self.lost += 1
        if self.lost == 1:
            log.warning(
                "the shared state is away for so long that results of calls are lost to other replicas"
            )

    def _may_ask(self) -> bool:
        """Whether the shared state may answer. After a failure one request at a time finds that out."""
        if self._failed_at is None:
            return True
        return not self._trying and self._now() - self._failed_at >= AWAY_S

    async def _ask(self, command: Coroutine[None, None, _Reply]) -> _Reply | None:
        """Return the reply to a command; None if the shared state did not answer."""
        self._trying = self._failed_at is not None
        try:
            reply = await command
        except SharedStateError:
            self._failed_at = self._now()
            return None
        except Exception as bug:  # noqa: BLE001 - whatever happens, everybody is answered
            log.error("the shared state's answer about client tokens met a bug:\n%s", trace_of(bug))
            self._failed_at = self._now()
            return None
        finally:
            self._trying = False
        self._failed_at = None
        return reply


def _size(settlement: Settlement) -> int:
    texts = len(settlement.client_token) + len(settlement.dial_request_id) + len(settlement.trace_id)
    return SETTLEMENT_BYTES + texts
