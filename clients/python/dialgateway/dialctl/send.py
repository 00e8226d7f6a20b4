"""`dialctl send`: from the list to the gateway, from the gateway to the results file, in order."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator

from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.conditions import sentence
from dialgateway.dialctl.earlier import Earlier, check_belongs, moved, read_earlier
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.lanes import GIVEN_UP, Hooks, Lane
from dialgateway.dialctl.leads import LINES_SHOWN, BadRow, Lead
from dialgateway.dialctl.lists import LeadList, ListOptions, copied
from dialgateway.dialctl.progress import Progress, ProgressState
from dialgateway.dialctl.reading import read_in_thread, take_turns
from dialgateway.dialctl.results_file import (
    INVALID_ROW,
    LEFT_OUT,
    NOT_SENT,
    UNANSWERED,
    ResultsFile,
    check_usable,
)
from dialgateway.dialctl.send_arguments import SendArguments
from dialgateway.dialctl.summary import Summary
from dialgateway.dialctl.terminal import tell
from dialgateway.dialctl.under_way import UnderWayFile
from dialgateway.errors import ClientClosed
from dialgateway.retry import RetryPolicy
from dialgateway.values import DialResult, Outcome

ALL_ACCEPTED, NOT_ALL_ACCEPTED, NOT_REACHED, BROKEN_OFF, INTERRUPTED = 0, 1, 3, 4, 130

_READ_ON_S = 0.02
"""Seconds to wait for a campaign that can take more, before further leads are read for others."""
_READ_ON = 100
"""Leads that are then read at once."""


async def send(arguments: SendArguments) -> int:
    """Run the command and return its exit code. Raises UnusableFile and OSError before anything is sent."""
    _check_paths(arguments)
    credentials = arguments.gateway.credentials()
    with contextlib.ExitStack() as stack:
        under_way = stack.enter_context(UnderWayFile(arguments.results))
        earlier = read_earlier(arguments.results)
        under_way.rows_before = earlier.rows
        options = arguments.list
        if earlier.anything and not options.is_regular:
            tell(
                sys.stderr,
                "dialctl: the list is read to its end first, since an earlier run has sent some of it",
            )
            options = stack.enter_context(copied(options))
        if earlier.anything:
            _check_belongs(options, arguments, earlier)
        total = _count(options) if options.is_regular and not arguments.quiet else None
        leads = stack.enter_context(LeadList(options)) if options.is_regular else LeadList(options)
        client = DialGatewayClient(
            arguments.gateway.target,
            credentials=credentials,
            server_name=arguments.gateway.server_name,
            metadata=[("traceparent", arguments.traceparent)] if arguments.traceparent else [],
            retry=RetryPolicy(give_up_after=arguments.give_up_after),
        )
        results = stack.enter_context(ResultsFile(arguments.results))
        run = _Run(arguments, options.is_regular, leads, results, under_way, earlier, total)
        return await run.to_its_end(client)


def _check_paths(arguments: SendArguments) -> None:
    file = arguments.list.file
    if file is not None and file.resolve() == arguments.results.resolve():
        raise UnusableFile("the results file would be the file itself")
    check_usable(arguments.results)


def _check_belongs(options: ListOptions, arguments: SendArguments, earlier: Earlier) -> None:
    with LeadList(options) as leads:
        strange = earlier.strangers(leads.leads())
    if strange:
        with LeadList(options) as leads:
            check_belongs(arguments.results, earlier, moved(arguments.results, strange, leads.leads()))


def _count(options: ListOptions) -> int:
    with LeadList(options) as leads:
        return leads.count()


class _Run:
    """One run of the command. Every lead passes one of `_answered`, `_not_sendable` and `_unanswered`."""

    def __init__(
        self,
        arguments: SendArguments,
        is_regular: bool,
        leads: LeadList,
        results: ResultsFile,
        under_way: UnderWayFile,
        earlier: Earlier,
        total: int | None,
    ) -> None:
        self._arguments = arguments
        self._is_regular = is_regular
        self._list = leads
        self._under_way = under_way
        self._results = results
        self._earlier = earlier
        self._rows = total
        self._summary = Summary()
        self._state = ProgressState(time.monotonic(), total, conditions=self._conditions)
        self._progress = Progress(self._state, sys.stderr, quiet=arguments.quiet)
        self._lanes: dict[str, Lane] = {}
        self._room = asyncio.Event()
        self._hooks = Hooks(self._answered, self._under_way.note, self._room.set)

    async def to_its_end(self, client: DialGatewayClient) -> int:
        """Send everything, write a line for whatever was not answered, and say how it went."""
        if not self._arguments.quiet:
            for note in self._list.notes_before():
                self._progress.say(f"dialctl: {note}")
        leads = self._leads()
        try:
            interrupted = await self._send(client, leads)
            # What is left of a pipe is nobody's until it is read; what is left of a file was to be sent.
            self._give_up(leads if self._is_regular else iter(()))
            self._under_way.remove()
        except OSError as error:  # such as a full disk: some leads have been sent
            return self._broken_off(f"{error.filename or self._arguments.results}: {error.strerror}")
        except UnusableFile as error:  # such as a workbook that is damaged further on
            return self._broken_off(str(error))
        return self._finish(interrupted=interrupted)

    def _leads(self) -> Iterator[Lead | BadRow]:
        """Yield what is to be sent, and keep count of what is left out."""
        for lead in self._earlier.unsettled(self._list.leads(), self._arguments.list.expires_in):
            if self._rows is not None and self._earlier.settled:
                self._state.total = self._rows - self._earlier.settled.total()
            yield lead

    async def _send(self, client: DialGatewayClient, leads: Iterator[Lead | BadRow]) -> bool:
        """Send until every stream has ended; True when the user interrupted it."""
        ticker = asyncio.create_task(self._progress.run())
        try:
            async with client:
                await self._distribute(
                    client, take_turns(leads) if self._is_regular else read_in_thread(leads)
                )
        except asyncio.CancelledError:
            # Ctrl-C reaches a task as its cancellation, and nothing else cancels this one.
            return True
        except ExceptionGroup as group:
            # Only what neither a stream nor a row can be blamed for, such as a full disk, gets here.
            raise group.exceptions[0] from None
        finally:
            ticker.cancel()
        return False

    async def _distribute(self, client: DialGatewayClient, leads: AsyncIterator[Lead | BadRow]) -> None:
        read_on = 0
        async with asyncio.TaskGroup() as group:
            async for lead in leads:
                if isinstance(lead, BadRow):
                    self._not_sendable(lead)
                    continue
                if (lane := self._lanes.get(lead.campaign_id)) is None:
                    lane = self._lanes[lead.campaign_id] = self._lane(client, lead.campaign_id)
                    group.create_task(lane.run())
                lane.put(lead)
                if lane.hungry:
                    continue
                if lane.error is not None or lane.given_up:
                    self._drop(lane)
                else:
                    read_on = read_on - 1 if read_on else await self._room_or_read_on()
            for lane in self._lanes.values():
                lane.end()

    def _lane(self, client: DialGatewayClient, campaign_id: str) -> Lane:
        arguments = self._arguments
        return Lane(client, campaign_id, arguments.priority, arguments.list.expires_in, self._hooks)

    async def _room_or_read_on(self) -> int:
        """Wait until some campaign can take more; return how many leads to read without such a wait.

        Where none can for a moment, there may be leads of another campaign behind those of the ones that are
        full: these are kept on disk meanwhile.
        """
        if any(lane.hungry for lane in self._lanes.values()):
            return 0
        self._room.clear()
        try:
            async with asyncio.timeout(_READ_ON_S):
                await self._room.wait()
        except TimeoutError:
            return _READ_ON
        return 0

    # --- what becomes of a lead ---------------------------------------------------------------------

    def _answered(self, lead: Lead, result: DialResult) -> None:
        self._results.answered(lead, result, lead.digest(self._arguments.list.expires_in))
        self._summary.answered(lead, result)
        self._state.outcomes[result.outcome.value] += 1

    def _unanswered(self, lead: Lead, *, sent: bool, detail: str) -> None:
        self._results.unanswered(lead, sent=sent, detail=detail)
        outcome = UNANSWERED if sent else NOT_SENT
        self._summary.without_answer(outcome)
        self._state.outcomes[outcome] += 1

    def _not_sendable(self, row: BadRow) -> None:
        self._results.not_sendable(row)
        outcome = UNANSWERED if row.in_doubt else LEFT_OUT if row.left_out else INVALID_ROW
        for _ in range(row.leads):
            self._summary.without_answer(outcome)
        self._state.outcomes[outcome] += row.leads
        if row.left_out:
            return
        shown = self._state.outcomes[INVALID_ROW]
        if shown <= LINES_SHOWN:
            self._progress.say(f"line {row.line}: {row.problem}")
        elif shown - row.leads <= LINES_SHOWN:
            self._progress.say("further bad rows are told in the results file only")

    def _drop(self, lane: Lane) -> None:
        """Write what a lane will not send, so that a big list is not kept to its end."""
        detail = GIVEN_UP if lane.given_up and lane.error is None else ""
        for lead, sent in lane.take_unread() if lane.error is None else lane.take_unanswered():
            self._unanswered(lead, sent=sent, detail=detail)

    def _give_up(self, unread: Iterable[Lead | BadRow]) -> None:
        """Write a line for each lead that was not answered, read or not."""
        for lane in self._lanes.values():
            detail = GIVEN_UP if lane.given_up and lane.error is None else ""
            for lead, sent in lane.take_unanswered():
                self._unanswered(lead, sent=sent, detail=detail)
        for row in unread:
            if isinstance(row, BadRow):
                self._not_sendable(row)
            else:
                self._unanswered(row, sent=row.in_doubt, detail="")

    # --- how it went --------------------------------------------------------------------------------

    def _conditions(self) -> list[str]:
        return [
            sentence(lane.campaign_id, lane.condition)
            for lane in self._lanes.values()
            if lane.condition is not None
        ]

    def _finish(self, *, interrupted: bool) -> int:
        self._progress.finish()
        raised = [lane.error for lane in self._lanes.values() if lane.error is not None]
        # Closing the client is how an interrupted stream is ended.
        errors = {str(error.args[0]) for error in raised if not isinstance(error, ClientClosed)}
        for error in sorted(errors):
            self._progress.say(f"dialctl: gateway {self._arguments.gateway.target}: {error}")
        if not self._arguments.quiet:
            tell(sys.stdout, *self._last_words())
        if interrupted:
            self._progress.say("dialctl: interrupted; leads without an answer may have been dialed.")
            self._progress.say("Run it again: it sends what is not settled, and dials nobody twice.")
            return INTERRUPTED
        if errors:
            return NOT_REACHED
        others = (self._state.outcomes + self._earlier.settled).keys() - {Outcome.ACCEPTED.value, LEFT_OUT}
        return NOT_ALL_ACCEPTED if others else ALL_ACCEPTED

    def _last_words(self) -> Iterator[str]:
        elapsed = time.monotonic() - self._state.started
        yield from self._summary.lines(elapsed, str(self._arguments.results), self._earlier)
        yield from self._list.notes_after()
        yield from self._conditions()

    def _broken_off(self, what: str) -> int:
        self._results.abandon()
        self._progress.finish()
        self._progress.say(f"dialctl: {what}")
        self._progress.say(
            "dialctl: broken off; leads have been sent, and some have no line in the results file."
        )
        self._progress.say(
            "Run it again once that is mended: it sends what is not settled, and dials nobody twice."
        )
        return BROKEN_OFF
