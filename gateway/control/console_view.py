"""The console of the admin port: translates what it shows and the commands of its operators."""

import asyncio
import heapq
import logging
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from itertools import islice
from typing import NamedTuple

from gateway.access.admin_token import FORBIDDEN, GuessLimitedAuthorizer, OperatorAuthorizer
from gateway.access.identity import operator_identity
from gateway.access.refusal import AccessRefusal, RefusalLog
from gateway.admin.port import (
    CallerRow,
    Campaign,
    Command,
    CommandRefused,
    CommandResult,
    ConsoleState,
    FailedCall,
    RecordedAction,
    Replica,
    ReplicaPart,
    Totals,
)
from gateway.connect.reachability import ConnectHealth
from gateway.control.audit import Actor, IdentifiedBy, Interface
from gateway.control.guard_figures import guard_state
from gateway.control.history import Counts, History, next_reading
from gateway.control.open_calls import CallerUse, OpenCalls
from gateway.control.operations import (
    CampaignOperations,
    DirectoryUnread,
    HoldLimitReached,
    InvalidOperation,
    NotOnHold,
    OperationError,
    OperationResult,
    Operator,
    ReleaseNotShared,
    UnclearName,
    UnknownCampaign,
    check_text,
)
from gateway.control.snapshots import StatusSnapshots
from gateway.core.campaigns.holds import ActionKind
from gateway.core.model import Reason
from gateway.core.views.campaign_status import CampaignRow, CampaignState
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.directory.table import CampaignEntry
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime.clock import SystemClock
from gateway.runtime.supervision import trace_of
from gateway.settings import Settings
from gateway.telemetry import GuardFigures

log = logging.getLogger(__name__)

CAMPAIGNS_SHOWN = 2000
"""Campaigns in the view: the ones that are not flowing first, then by size of the backlog."""
PART = 2000
"""Campaigns that are added up in one part of the work: some milliseconds."""
OPERATOR_LIMIT = 100
"""Characters of an operator's name, at most."""
CALLERS_SHOWN = 50
"""Callers in the view: the ones with the most unanswered dial requests."""
ADMIN_PORT = "admin port"
"""The name of console operators in the audit record and in the metric of refusals."""
_STATES = {state: state.name.lower() for state in CampaignState}
_KINDS = {kind: kind.name.lower() for kind in ActionKind}
_STATUS: dict[type[OperationError], int] = {
    InvalidOperation: 400,
    UnknownCampaign: 404,
    UnclearName: 409,
    DirectoryUnread: 409,
    NotOnHold: 404,
    HoldLimitReached: 409,
    ReleaseNotShared: 503,
}


class Summary(NamedTuple):
    """Totals over all campaigns, and the campaigns in the view."""

    states: Counter[CampaignState]
    queued: int
    in_flight: int
    shown: list[CampaignRow]


class Console:
    """Implements the console port of the admin server with the parts of the gateway."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        open_calls: OpenCalls,
        connect: ConnectHealth,
        snapshots: StatusSnapshots,
        operations: CampaignOperations,
        clock: SystemClock,
        authorizer: OperatorAuthorizer,
        refusals: RefusalLog,
        settings: Settings,
        directory: CampaignDirectory = NO_DIRECTORY,
        replica: str = "",
        guard: Callable[[], GuardFigures | None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._replica = replica
        self._guard = guard
        self._dispatcher = dispatcher
        self._open_calls = open_calls
        self._connect = connect
        self._snapshots = snapshots
        self._operations = operations
        self._clock = clock
        self._authorizer = authorizer
        self._limited_authorizer = GuessLimitedAuthorizer(authorizer)
        self._refusals = refusals
        self._settings = settings
        self._history = History()
        self._rows: dict[str, CampaignRow] = {}
        self._summary = Summary(Counter(), 0, 0, [])

    # --- view --------------------------------------------------------------------------------------

    async def state(self) -> ConsoleState:
        """Return the state of the gateway, from a shared snapshot."""
        at, rows, replicas = await self._snapshots.fresh()
        table = self._directory.table
        if rows is not self._rows:  # the snapshot is new
            self._summary = await self._snapshots.parts.run(summary(rows))
            self._rows = rows
        return ConsoleState(
            at,
            self._clock.wall_offset(),
            self._totals(self._summary),
            {row.campaign_id: _campaign(row, table.get(row.campaign_id)) for row in self._summary.shown},
            list(self._history.after(0)),
            [FailedCall(*failed) for failed in self._dispatcher.failures()],
            _callers(self._open_calls.callers()),
            [Replica(*replica) for replica in replicas],
        )

    async def keep_history(self) -> None:
        """Add a point to the history every second, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._history.read(self._counts())
            due = next_reading(due, loop.time())
            await asyncio.sleep(due - loop.time())

    def _counts(self) -> Counts:
        rate, ceiling, _ = self._dispatcher.pace()
        results = dict(self._connect.results)
        accepted, replayed = self._dispatcher.accepted_and_replayed()
        answers = self._dispatcher.answers()
        return Counts(self._clock.now(), results, answers, accepted, replayed, rate, ceiling)

    def _totals(self, sums: Summary) -> Totals:
        rate, ceiling, outstanding = self._dispatcher.pace()
        return Totals(
            campaigns={name: sums.states[state] for state, name in _STATES.items()},
            queued=sums.queued,
            in_flight=sums.in_flight,
            outstanding=outstanding,
            room=self._settings.queue_limit,
            rate=rate,
            ceiling=ceiling,
            streams=self._open_calls.streams,
            callers=len(self._open_calls.callers()),
            calls=dict(self._connect.results),
            answers=self._dispatcher.answers(),
            connect=self._connect.in_words(self._clock.now()),
            failing=self._connect.failing,
            draining=self._dispatcher.draining,
            locked=self._locked(),
            replica=self._replica,
            guard=guard_state(self._guard()),
        )

    def _locked(self) -> str:
        """Return why the console cannot change anything, empty if an operator token allows it."""
        denied = self._authorizer.denied(None)
        return denied.text if denied is not None and denied.status == FORBIDDEN else ""

    # --- operations --------------------------------------------------------------------------------

    async def carry_out(self, command: Command) -> CommandResult:
        """Hold, release or purge a campaign; return how many dial requests were answered, and by whom.

        Raises `CommandRefused`, also after a bug. The bug is logged here: the page may be closed by then.
        """
        operator = self._operator(command)
        try:
            return _done(await self._operate(command, operator))
        except OperationError as refused:
            raise CommandRefused(_STATUS[type(refused)], str(refused)) from None
        except Exception as bug:  # noqa: BLE001 - aiohttp would log its text, or nothing
            about = {"campaign": command.campaign_id, "caller": operator.name}
            log.error("a %s of the console met a bug:\n%s", command.kind, trace_of(bug), extra=about)
            raise CommandRefused(500, "an internal error of the gateway; see its log") from None

    def _operator(self, command: Command) -> Operator:
        """Return who gives a command. Raises `CommandRefused` if they are not allowed to."""
        denied = self._limited_authorizer.denied(command.authorization, command.source)
        if denied is not None:
            # The text of an unauthorized request is not logged.
            refusal = AccessRefusal.TOKEN if denied.after_s is None else AccessRefusal.GUESSING
            self._refusals.note(ADMIN_PORT, refusal)
            raise CommandRefused(denied.status, denied.text, denied.after_s)
        if command.identity is not None:
            return Operator(Actor(command.identity, IdentifiedBy.PROXY, Interface.CONSOLE), command.reason)
        return Operator(Actor(command.operator, IdentifiedBy.TYPED, Interface.CONSOLE), command.reason)

    def identity(self, source: str, values: Callable[[str], Sequence[str]]) -> str | None:
        """Return who a trusted proxy says is looking at the console, None if it does not say so.

        `values` returns the values of a header of the request, which came from the address `source`.
        """
        header = self._settings.admin_identity_header
        if header is None:
            return None
        return operator_identity(source, values(header), self._settings.trusted_proxies)

    async def _operate(self, command: Command, operator: Operator) -> OperationResult:
        check_text("operator", operator.actor.name, OPERATOR_LIMIT, needed=True)
        campaign_id = self._operations.resolve(command.campaign_id)
        if command.kind == "hold":
            return await self._operations.hold(
                campaign_id, operator, answering=command.answering, known_only=command.known_only
            )
        if command.kind == "purge":
            return await self._operations.purge(campaign_id, operator, known_only=command.known_only)
        return await self._operations.release(campaign_id, operator)


def _done(done: OperationResult) -> CommandResult:
    fleet = done.fleet
    if fleet is None:
        return CommandResult(done.answered)
    return CommandResult(done.answered, fleet.confirmed, fleet.unconfirmed, fleet.only_here)


def summary(rows: dict[str, CampaignRow]) -> Generator[None, None, Summary]:
    """Add up all campaigns in parts, and choose the campaigns in the view."""
    sums = Summary(Counter(), 0, 0, [])
    left = iter(rows.values())
    while part := list(islice(left, PART)):
        sums = _with_part(sums, part)
        yield
    return sums


def _with_part(sums: Summary, rows: list[CampaignRow]) -> Summary:
    shown = [*sums.shown, *rows]
    if len(shown) > CAMPAIGNS_SHOWN:
        shown = heapq.nlargest(CAMPAIGNS_SHOWN, shown, key=_weight)
    return Summary(
        sums.states + Counter(row.state for row in rows),
        sums.queued + sum(row.queued for row in rows),
        sums.in_flight + sum(row.in_flight for row in rows),
        shown,
    )


def _weight(row: CampaignRow) -> tuple[bool, int]:
    return row.state is not CampaignState.FLOWING, row.queued + row.in_flight


def _campaign(row: CampaignRow, entry: CampaignEntry | None) -> Campaign:
    hold = row.hold
    return Campaign(
        row.campaign_id,
        _STATES[row.state],
        row.queued,
        row.in_flight,
        row.waiting_since,
        row.counts,
        row.rate,
        "" if row.reason is Reason.NONE else row.reason.name,
        row.detail,
        row.since,
        row.until,
        None if hold is None else RecordedAction("hold", hold.caller, hold.reason, hold.at),
        hold is not None and hold.answering,
        None if row.action is None else RecordedAction(_KINDS[row.action.kind], *row.action[1:]),
        tuple(
            ReplicaPart(part.replica, _STATES[part.state], part.queued, part.in_flight, part.rate)
            for part in row.parts
        ),
        "" if entry is None else entry.name,
        () if entry is None else tuple((entry.tags or {}).items()),
    )


def _callers(callers: Sequence[tuple[str, CallerUse]]) -> list[CallerRow]:
    most = heapq.nlargest(CALLERS_SHOWN, callers, key=lambda each: (each[1].unanswered, each[1].streams))
    return [CallerRow(name, use.streams, use.unanswered, use.limit) for name, use in most]
