"""Operators' actions in a fleet: records them, takes those of all replicas, and waits for confirmation.

The beat loop asks for a `request` for each beat, and brings its reply to `replied` before it spends permits
of the same beat, so that a hold is in force before the next call. What has been carried out is reported with
the next beat, which is wanted at once.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace

from gateway.core.fleet.holds import Changes, FleetHolds
from gateway.core.fleet.messages import ControlReply, ControlRequest, FleetAction, FleetActionKind, Member
from gateway.core.fleet.store_clock import StoreClock
from gateway.dispatch.campaign_actions import CampaignActions
from gateway.fleet.actions import CONFIRMED_WITHIN_S, FleetActions, total
from gateway.fleet.membership import (
    ActionResult,
    BeatingMembership,
    SharedStateAway,
    all_have_seen,
    other_members,
    result_of,
)
from gateway.runtime.supervision import Supervisor
from gateway.shared_state.port import SharedStateError

log = logging.getLogger(__name__)

COUNTED_WITHIN_S = 10.0
"""Seconds to wait for the counts of replicas that have confirmed an action and still answer dial requests."""
ASKING_EVERY_S, REPORTING_AFTER_S = 0.05, 0.01
"""Seconds between two beats while an action waits for confirmation, and before one reports what was done."""
LOOKING_S = 3.0
"""Seconds for which other replicas are asked for their reports after somebody has looked at a listing."""


class FleetControl:
    """Carries out the actions of the fleet on one replica. `now` returns seconds on the gateway's clock.

    `clock` converts the store's time. `changed` is called after each change, so that listings show it.
    `watched` is set while somebody looks at a listing of another replica.
    """

    def __init__(
        self,
        actions: CampaignActions,
        now: Callable[[], float],
        supervisor: Supervisor,
        *,
        record: Callable[[FleetAction], Coroutine[None, None, FleetAction | None]],
        confirmed_within_s: float = CONFIRMED_WITHIN_S,
        counted_within_s: float = COUNTED_WITHIN_S,
    ) -> None:
        """`record` is the shared state's `act`."""
        self.clock = StoreClock()
        self._now = now
        self._record = record
        self._confirmed_within_s = confirmed_within_s
        self._counted_within_s = counted_within_s
        self._holds = FleetHolds()
        self._sent = ControlRequest("", 0)
        self._reported = 0
        self._counts: dict[int, int] = {}
        self._asks: Counter[int] = Counter()
        self._seen_by: Mapping[str, int] = {}
        self._answered_by: Mapping[int, Mapping[str, int]] = {}
        self._reply = asyncio.Event()
        self._looking_until = float("-inf")
        self._fleet: BeatingMembership = _NotJoined()
        self._actions = FleetActions(actions, now, self.clock, supervisor)
        self.watched = asyncio.Event()
        self.changed: Callable[[], None] = lambda: None

    def join(self, fleet: BeatingMembership) -> None:
        """Note the membership of this replica. Called once, before the first beat."""
        self._fleet = fleet

    # --- for the beat loop --------------------------------------------------------------------------

    def request(self) -> ControlRequest:
        """Return what the next beat tells and asks."""
        self._holds.requested()
        self._sent = ControlRequest(
            member=self.this_member.member,
            seen=self._holds.seen,
            recorded=self._holds.carried_out,
            answered=dict(self._counts),
            asks=tuple(self._asks),
            unrecorded=self._holds.offered(),
            looking=self._now() < self._looking_until,
        )
        return self._sent

    def replied(self, reply: ControlReply, sent_at: float, received_at: float) -> None:
        """Take the reply to the last request, and put its holds in force."""
        self.clock.note(sent_at, received_at, reply.now_ms)
        self._reported = self._sent.seen
        for version, count in self._sent.answered.items():
            if self._counts.get(version) == count:
                del self._counts[version]
        if reply.lost:
            log.error("the shared state has lost data: the holds known here are recorded in it again")
        changes = self._holds.read(reply)
        self._actions.carry_out_for_others(changes, self._note_count)
        if changes:
            self.changed()
        self._seen_by, self._answered_by = reply.seen, reply.answered
        if reply.looking:
            self.watched.set()
        else:
            self.watched.clear()
        self._reply.set()
        self._reply = asyncio.Event()

    def beat_within_s(self) -> float | None:
        """Return after how many seconds the next beat is wanted at the latest; None for no wish."""
        if self._holds.seen != self._reported or self._counts:
            return REPORTING_AFTER_S
        return ASKING_EVERY_S if self._asks else None

    # --- for listings -------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask the other replicas to publish their reports for the next seconds."""
        if self._now() >= self._looking_until:
            self._fleet.wake()
        self._looking_until = self._now() + LOOKING_S

    @property
    def this_member(self) -> Member:
        """The member that this replica is."""
        return self._fleet.member

    @property
    def replicas(self) -> int:
        """The number of replicas of the fleet, this one included."""
        return max(1, len(self._fleet.members))

    def others(self) -> list[Member]:
        """Return the other replicas of the fleet, including lost ones."""
        return other_members(self._fleet)

    # --- for operators ------------------------------------------------------------------------------

    async def act(
        self, kind: FleetActionKind, campaign_id: str, caller: str, reason: str, *, answering: bool = False
    ) -> ActionResult | None:
        """Record an action and have all replicas carry it out; return None for a release of no hold.

        If the shared state is away, a hold and a purge are carried out here only; the hold is recorded once
        it is back. Raises `SharedStateAway` for a release then, and `TooManyHolds`.
        """
        asked_at_ms, began_with = self.clock.ms(self._now()), self.others()
        action = FleetAction(kind, campaign_id, caller, reason, answering, at_ms=asked_at_ms)
        try:
            recorded = await self._record(action)
        except SharedStateError as away:
            log.warning("the shared state could not record an action: %s", away)
            return await self._act_here(action)
        if recorded is None:
            changes = self._holds.release_here(action)
            self._carry_out(changes)
            return result_of(self._fleet, self._seen_by, 0, []) if changes else None
        work = self._carry_out(self._holds.recorded(recorded))
        counting = kind is FleetActionKind.PURGE or answering
        await self._wait_for_others(recorded.version, counting=counting)
        elsewhere = sum(self._answered_by.get(recorded.version, {}).values())
        # Before further replies, which tell less.
        result = result_of(self._fleet, self._seen_by, recorded.version, began_with)
        return replace(result, answered=elsewhere + await total(work))

    async def _act_here(self, action: FleetAction) -> ActionResult:
        if action.kind is FleetActionKind.RELEASE:
            raise SharedStateAway
        if action.kind is FleetActionKind.HOLD:
            work = self._carry_out(self._holds.hold_here(action))
        else:
            work = self._carry_out(Changes(purged=(action,)))
        here = self.this_member.name
        others = tuple(sorted(member.name for member in self.others()))
        return ActionResult(await total(work), (here,), others, only_here=True)

    async def _wait_for_others(self, version: int, *, counting: bool) -> None:
        """Wait until the live replicas have carried out an action, and for their counts if there are any."""
        self._asks[version] += 1
        self._fleet.wake()
        try:
            await self._until(
                lambda: all_have_seen(self._fleet, self._seen_by, version), self._confirmed_within_s
            )
            if counting:
                await self._until(lambda: self._all_have_counted(version), self._counted_within_s)
        finally:
            self._asks[version] -= 1
            self._asks += Counter()  # drops versions that nobody asks for

    async def _until(self, condition: Callable[[], bool], longest_s: float) -> None:
        """Wait for replies until a condition is true, at most `longest_s` seconds."""
        try:
            async with asyncio.timeout(longest_s):
                while not condition():
                    await self._reply.wait()
        except TimeoutError:
            pass

    def _all_have_counted(self, version: int) -> bool:
        counted = self._answered_by.get(version, {})
        seen = [member.member for member in self.others() if not member.lost]
        return all(name in counted for name in seen if self._seen_by.get(name, 0) >= version)

    def _carry_out(self, changes: Changes) -> "list[asyncio.Task[int]]":
        tasks = self._actions.carry_out(changes)
        self.changed()
        return tasks

    def _note_count(self, version: int, count: int) -> None:
        """Report how many dial requests were answered for an action of another replica."""
        self._counts[version] = count
        self._fleet.wake()


class _NotJoined:
    """What a replica knows of its fleet before it has joined."""

    member = Member("", "")
    members: Sequence[Member] = ()

    def wake(self) -> None:
        """Do nothing: there is no beat loop yet."""
