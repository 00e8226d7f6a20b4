"""The shared state in Valkey or Redis: each operation is a script, in one round trip.

Beats, the ledger and all other operations have their own connections, so that none delays another. Each notes
the layout before it writes anything. No operation is repeated here, and each ends within its time limit.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.core.fleet.contacts import Contact, ContactCount, KeptContact
from gateway.core.fleet.messages import Claim, Claimed, FleetAction, Member, Settlement, TokenRecord
from gateway.core.fleet.suppressions import Suppression, SuppressionsReply, SuppressionsRequest
from gateway.runtime.supervision import kept_up
from gateway.shared_state.address import Address
from gateway.shared_state.cluster import ClusterRoute, SlotMap
from gateway.shared_state.commands import conditions, contacts, control, ledger, suppressions, tick
from gateway.shared_state.commands.keys import DEFAULT_PREFIX, LAYOUT, Keys
from gateway.shared_state.commands.script_call import Reply, ScriptCall
from gateway.shared_state.connections import MAX_CONNECTIONS, Connections
from gateway.shared_state.port import (
    TIMES_ASKED,
    Beat,
    BeatReply,
    SharedStateError,
    SharedStateRefused,
    SharedStateUnavailable,
)
from gateway.shared_state.presence import Presence
from gateway.shared_state.primary import OpenNode, Primary, other_layout
from gateway.shared_state.routes import Route, ScriptRunner, SingleRoute
from gateway.shared_state.server import ServerAccess
from gateway.shared_state.store_watch import Marks, StoreWatch, claimed_in_doubt, found_in_doubt, whole_ms
from gateway.shared_state.valkey_connection import Command, Node, ServerError, ValkeyConnection, slot_of

SHORTEST_OPEN_S = 1.0
"""Seconds to connect and log in, at least; otherwise four times the time limit of an operation."""
SENTINELS_EVERY_S = 1.0
"""Seconds between two questions to Sentinels whether the primary is still the same."""
AGAIN_S = 1.0
"""Seconds after a bug until its work begins again."""
CLOSING_TURNS = 10
"""Turns of the event loop in which cancelled tasks end and closed connections release their sockets."""
CLIENT_NAME = "dial-gateway:"
"""The prefix of the names of all connections; the member follows."""
UNKNOWN_FORM = "the shared state replied in an unknown form: its keys were changed by hand"


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Where the shared state is and how it is used. Times are in seconds; `window_s` is the replay window."""

    address: Address
    access: ServerAccess = field(default_factory=ServerAccess)
    prefix: str = DEFAULT_PREFIX
    timeout_s: float = 0.25
    window_s: float = 1200.0

    @property
    def open_s(self) -> float:
        """Seconds in which a connection must be open."""
        return max(SHORTEST_OPEN_S, 4 * self.timeout_s)

    def primary(self, name: str) -> Primary:
        """Return what opens connections that servers list under a name."""
        return Primary(self.address, self.access, Keys(self.prefix), name, self.open_s)


def slot_map(settings: StateSettings, primary: Primary) -> SlotMap | None:
    """Return the map of a cluster's slots; None if the address is not that of a cluster."""
    if settings.address.kind != "cluster":
        return None
    return SlotMap([Node(*each) for each in settings.address.nodes], primary.open_any)


class ValkeyState:
    """The shared state of `settings`. `member` names this process; `clock_shift_ms` is for tests.

    The attribute `returned` is called when the server answers again after it was away.
    """

    def __init__(self, settings: StateSettings, member: str, clock_shift_ms: int = 0) -> None:
        self._keys = Keys(settings.prefix)
        self._window_ms = round(settings.window_s * 1000)
        timeout_s, patience_s = settings.timeout_s, TIMES_ASKED * settings.timeout_s
        self._primary = primary = settings.primary(CLIENT_NAME + member)
        self._slots = slot_map(settings, primary)
        self.returned: Callable[[], None] = lambda: None
        self._runners = [
            ScriptRunner(route, clock_shift_ms)
            for route in (
                self._route(primary.open_ours, patience_s, TIMES_ASKED, self._has_returned),
                self._route(primary.open_ours, patience_s, MAX_CONNECTIONS),
                self._route(primary.open_ours, timeout_s, MAX_CONNECTIONS),
            )
        ]
        self._beats, self._ledger, self._others = self._runners
        self._presence = Presence(self._open_fleet_node, self._at_fleet_node, CLIENT_NAME, member)
        self._watch = StoreWatch()

    def _route(
        self, open_node: OpenNode, timeout_s: float, most: int, returned: Callable[[], None] = lambda: None
    ) -> Route:
        def connect(node: Node | None) -> Connections:
            return Connections(lambda: open_node(node), timeout_s, most, returned)

        return SingleRoute(connect(None)) if self._slots is None else ClusterRoute(self._slots, connect)

    # --- lifetime ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect."""
        for runner in self._runners:
            runner.route.start()

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """Return what must run until `close`. It shows the other replicas that this one lives."""
        tasks = [kept_up(self._presence.keep, "what shows that this replica lives", AGAIN_S)]
        if self._primary.address.kind == "sentinel":
            tasks.append(kept_up(self._watch_sentinels, "what watches the Sentinels", AGAIN_S))
        return tasks

    async def close(self) -> None:
        """Close all connections. The tasks are cancelled before."""
        for runner in self._runners:
            runner.route.close()
        if self._slots is not None:
            self._slots.close()
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)

    def _has_returned(self) -> None:
        self._presence.move()
        self.returned()

    async def _watch_sentinels(self) -> None:
        """Leave a server that is not the primary any more, even if it answers; until cancelled."""
        while True:
            await asyncio.sleep(SENTINELS_EVERY_S)
            before = self._primary.node
            with contextlib.suppress(SharedStateError):
                if await self._primary.locate() != before and before is not None:
                    moved = SharedStateUnavailable("the Sentinels name another primary")
                    for runner in self._runners:
                        runner.route.lost(moved)

    # --- operations -------------------------------------------------------------------------------

    async def beat(self, beat: Beat) -> BeatReply:
        """Exchange a beat, and note the layout again if the store has lost it."""
        calls = [tick.tick_call(self._keys, beat.tick), control.control_call(self._keys, beat.control)]
        if beat.conditions is not None:
            calls.append(conditions.conditions_call(self._keys, beat.conditions))
        layout: Command = ("SET", self._keys.layout, LAYOUT, "NX", "GET")
        newest: Command = ("MGET", conditions.version_key(self._keys), suppressions.version_key(self._keys))
        found, versions, ticked, controlled, *rest = await self._beats.run(calls, [layout, newest])
        if found not in (None, LAYOUT.encode()):
            text = other_layout(self._keys, found if isinstance(found, bytes) else b"")
            raise self._refused_beat(SharedStateRefused(text))
        with _readable():
            reply = tick.tick_reply(ticked)
            changes = control.control_reply(beat.control, controlled)
            exchanged = conditions.conditions_reply(rest[0]) if rest else None
        if reply is None:
            raise SharedStateUnavailable("the shared state has answered a later beat of this replica before")
        # Records must live as long as the longest replay window of all replicas.
        self._window_ms = max(self._window_ms, round(reply.settings.replay_window_s * 1000))
        of_conditions, of_suppressions = conditions.version_of(versions), suppressions.version_of(versions)
        return BeatReply(reply, changes, of_conditions, exchanged, of_suppressions)

    def _refused_beat(self, problem: SharedStateRefused) -> SharedStateRefused:
        self._beats.route.lost(problem)
        return problem

    async def claim(
        self, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim the tokens of one call, and count its contacts."""
        in_cluster = self._slots is not None
        call = ledger.claim_call(
            self._keys, self._window_ms, campaign_id, member, live, claims, in_cluster=in_cluster
        )
        if any(claim.contact is not None for claim in claims):
            return await self._claim_and_count(call, member, claims)
        reply, marks = await self._run_marked(call)
        with _readable():
            return claimed_in_doubt(ledger.claim_reply(reply), marks)

    async def _claim_and_count(self, call: ScriptCall, member: str, claims: Sequence[Claim]) -> list[Claimed]:
        """Claim and count, in one round trip unless the store is a cluster.

        The marks of the store are read together with the contacts or after them, so that a loss is noticed.
        """
        counted_ms = self._watch.counted_ms
        if self._slots is None:
            counting = contacts.count_call(self._keys, member, counted_ms, claims)
            counted, reply = await self._ledger.run([counting, call])
            marked = reply
        else:
            reply = await self._run_in_ledger(call)
            marked = counted = await self._run_in_ledger(
                contacts.count_call(self._keys, member, counted_ms, claims, marked=True)
            )
        with _readable():
            marks = ledger.marks_reply(marked)
            self._watch.check(marks)
            verdicts = claimed_in_doubt(ledger.claim_reply(reply), marks)
            return self._watch.with_counts(verdicts, contacts.count_reply(counted, claims))

    async def settle(self, campaign_id: str, member: str, settlements: Sequence[Settlement]) -> None:
        """Record how claims of this member ended, and withdraw contacts."""
        call = ledger.settle_call(self._keys, self._window_ms, campaign_id, member, settlements)
        withdrawing = contacts.withdraw_call(self._keys, member, settlements)
        if withdrawing is None:
            await self._run_in_ledger(call)
        elif self._slots is None:
            await self._ledger.run([call, withdrawing])
        else:
            await self._run_in_ledger(call)
            await self._run_in_ledger(withdrawing)

    async def restore_contacts(self, member: str, covered_s: float, kept: Sequence[KeptContact]) -> None:
        """Write contacts again."""
        counted_ms, covered_ms = self._watch.counted_ms, whole_ms(covered_s)
        await self._run(contacts.restore_call(self._keys, member, counted_ms, covered_ms, kept))

    async def lose_contacts(self) -> None:
        """Note that contacts were lost."""
        await self._run(contacts.lost_call(self._keys))

    async def look_at_contacts(self, looked_at: Sequence[Contact]) -> list[ContactCount]:
        """Tell whether contacts would have room now."""
        reply = await self._run(contacts.look_call(self._keys, looked_at))
        with _readable():
            return contacts.look_reply(reply, looked_at)

    async def look_up(
        self, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> Mapping[str, TokenRecord]:
        """Return the records of those tokens that have one."""
        if not tokens:
            return {}
        in_cluster = self._slots is not None
        call = ledger.look_up_call(self._keys, campaign_id, tokens, in_cluster=in_cluster)
        reply, marks = await self._run_marked(call)
        with _readable():
            return found_in_doubt(ledger.look_up_reply(reply, live, tokens), tokens, marks)

    async def doubt(self, for_s: float) -> None:
        """Note for all replicas that tokens without a record may have been sent."""
        await self._run(ledger.doubt_call(self._keys, round(for_s * 1000)))

    async def keep_fingerprint_key(self, new: bytes) -> bytes:
        """Return the key of fingerprints; it is `new` if the store had none."""
        reply = await self._run(ledger.keep_key_call(self._keys, new))
        with _readable():
            key = ledger.keep_key_reply(reply)
        self._watch.know(key)
        return key

    async def act(self, action: FleetAction) -> FleetAction | None:
        """Record an operator's action."""
        reply = await self._run(control.act_call(self._keys, action))
        with _readable():
            return control.act_reply(action, reply)

    async def exchange_suppressions(self, request: SuppressionsRequest) -> SuppressionsReply:
        """Offer suppressions, and read a page of them."""
        reply = await self._run(suppressions.exchange_call(self._keys, request))
        with _readable():
            return suppressions.exchange_reply(reply)

    async def suppress(self, action: Suppression) -> Suppression:
        """Record a suppression."""
        reply = await self._run(suppressions.suppress_call(self._keys, action))
        with _readable():
            recorded = suppressions.action_reply(action, reply)
        if recorded is None:
            raise SharedStateRefused(UNKNOWN_FORM)
        return recorded

    async def end_suppression(self, action: Suppression, *, known: bool) -> Suppression | None:
        """Record the end of a suppression."""
        reply = await self._run(suppressions.end_call(self._keys, action, known=known))
        with _readable():
            return suppressions.action_reply(action, reply)

    async def publish(self, member: str, report: bytes, keep_s: float) -> None:
        """Publish a replica's report."""
        await self._run(control.publish_call(self._keys, member, report, keep_s))

    async def reports(self) -> Mapping[str, bytes]:
        """Return the present report of each member."""
        reply = await self._run(control.reports_call(self._keys))
        with _readable():
            return control.reports_reply(reply)

    async def ended(self, members: Sequence[Member]) -> tuple[str, ...]:
        """Return the lost members whose processes have certainly ended. Raises nothing."""
        return await self._presence.ended(members)

    async def _run_marked(self, call: ScriptCall) -> tuple[Reply, Marks]:
        """Run a script of the ledger; return its reply and the marks of the store, which is the known one."""
        reply = await self._run_in_ledger(call)
        marked = reply if self._slots is None else await self._run_in_ledger(ledger.marks_call(self._keys))
        with _readable():
            marks = ledger.marks_reply(marked)
        self._watch.check(marks)
        return reply, marks

    async def _run_in_ledger(self, call: ScriptCall) -> Reply:
        return (await self._ledger.run([call]))[0]

    async def _run(self, call: ScriptCall) -> Reply:
        return (await self._others.run([call]))[0]

    async def _at_fleet_node(self, commands: Sequence[Command]) -> list[Reply | ServerError]:
        return await self._others.route.run(self._keys.layout, commands)

    async def _open_fleet_node(self) -> ValkeyConnection:
        if self._slots is None:
            return await self._primary.open()
        return await self._primary.open(await self._slots.node_of(slot_of(self._keys.layout)))


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Turn a reply of an unknown form into an error of the port."""
    try:
        yield
    except ValueError:
        raise SharedStateRefused(UNKNOWN_FORM) from None
