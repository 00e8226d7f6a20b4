"""Finds out which replicas of a fleet have carried out suppressions, while somebody waits for that."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gateway.core.fleet.messages import Member
from gateway.fleet.membership import ActionResult, Membership, all_have_seen, result_of


class SuppressionConfirmations:
    """What the other replicas have carried out, as the replies to exchanges tell that ask for it.

    `wanted` asks for an exchange at once. Nobody waits for longer than `within_s` seconds.
    """

    def __init__(self, fleet: Membership, within_s: float, wanted: Callable[[], None]) -> None:
        self._fleet = fleet
        self._within_s = within_s
        self._wanted = wanted
        self._asks = 0
        self._begun = self._answered = 0  # exchanges: how many have begun, and which was answered last
        self._seen_by: Mapping[str, int] = {}
        self._reply = asyncio.Event()

    # --- for exchanges ------------------------------------------------------------------------------

    @property
    def asked(self) -> bool:
        """Whether somebody waits for what the other replicas have carried out."""
        return self._asks > 0

    def begin(self) -> int:
        """Note that an exchange begins; return its number."""
        self._begun += 1
        return self._begun

    def replied(self, number: int, seen_by: Mapping[str, int]) -> None:
        """Take the version that each member has carried out, from the reply to an exchange."""
        self._answered, self._seen_by = number, seen_by
        self._reply.set()
        self._reply = asyncio.Event()

    # --- for operators ------------------------------------------------------------------------------

    async def up_to_date(self, condition: Callable[[], bool]) -> bool:
        """Wait for the reply to an exchange that begins from now on, and for a condition.

        Return whether both came in time.
        """
        begun = self._begun
        return await self._until(lambda: self._answered > begun and condition())

    async def confirmed(self, version: int, began_with: Sequence[Member]) -> ActionResult:
        """Wait until the live replicas have carried out a version; return which have: see `result_of`."""
        await self._until(lambda: all_have_seen(self._fleet, self._seen_by, version))
        return result_of(self._fleet, self._seen_by, version, began_with)

    def unconfirmed(self, members: Iterable[Member]) -> ActionResult:
        """Return the result of an action that this replica has carried out, and `members` perhaps not."""
        names = tuple(sorted(each.name for each in members))
        return ActionResult(confirmed=(self._fleet.member.name,), unconfirmed=names)

    def everywhere(self, version: int, members: Iterable[Member]) -> int:
        """Return the version up to which members have carried out everything; `version` if there are none."""
        return min((self._seen_by.get(each.member, 0) for each in members), default=version)

    async def _until(self, condition: Callable[[], bool]) -> bool:
        """Wait for replies until a condition is true; return whether it came true in time."""
        with self._asking():
            try:
                async with asyncio.timeout(self._within_s):
                    while not condition():
                        await self._reply.wait()
            except TimeoutError:
                return False
        return True

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Have each exchange ask what the other replicas have carried out; one begins at once."""
        self._asks += 1
        self._wanted()
        try:
            yield
        finally:
            self._asks -= 1
