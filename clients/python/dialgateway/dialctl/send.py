"""The command `dialctl send`: send the leads of a list, and write the answers to the results file."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator

from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.async_reading import iterate_cooperatively, iterate_in_thread
from dialgateway.dialctl.campaign_sender import GIVEN_UP, CampaignSender, SenderCallbacks
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.handover_log import HandoverLog
from dialgateway.dialctl.lead_list import LeadList, ListOptions, copied
from dialgateway.dialctl.leads import LINES_SHOWN, BadRow, Lead
from dialgateway.dialctl.not_flowing import not_flowing_line
from dialgateway.dialctl.output_format import OutputFormat, print_json
from dialgateway.dialctl.previous_runs import PreviousRuns, check_same_list, find_moved, read_previous_runs
from dialgateway.dialctl.progress import Progress, ProgressState
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
from dialgateway.dialctl.terminal import write_lines
from dialgateway.errors import ClientClosed
from dialgateway.retry import RetryPolicy
from dialgateway.values import DialResult, Outcome

ALL_ACCEPTED, NOT_ALL_ACCEPTED, NOT_REACHED, STOPPED_BY_ERROR, INTERRUPTED = 0, 1, 3, 4, 130

_READ_ON_S = 0.02
"""How many seconds to wait for a sender that wants leads, before leads are read for other campaigns."""
_READ_ON = 100
"""How many leads are then read at once."""


async def send(arguments: SendArguments) -> int:
    """Run the command and return its exit code. Raises UnusableFile and OSError before anything is sent."""
    _check_paths(arguments)
    credentials = arguments.gateway.credentials()
    with contextlib.ExitStack() as stack:
        handover_log = stack.enter_context(HandoverLog(arguments.results))
        previous = read_previous_runs(arguments.results)
        handover_log.rows_before = previous.rows
        options = arguments.list
        if previous.anything and not options.is_regular:
            write_lines(
                sys.stderr,
                "dialctl: reading the whole list first, because an earlier run has sent some of it",
            )
            options = stack.enter_context(copied(options))
        if previous.anything:
            _check_belongs(options, arguments, previous)
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
        run = _Run(arguments, options.is_regular, leads, results, handover_log, previous, total)
        return await run.run(client)


def _check_paths(arguments: SendArguments) -> None:
    file = arguments.list.file
    if file is not None and file.resolve() == arguments.results.resolve():
        raise UnusableFile("the results file would be the list itself")
    check_usable(arguments.results)


def _check_belongs(options: ListOptions, arguments: SendArguments, previous: PreviousRuns) -> None:
    with LeadList(options) as leads:
        missing = previous.missing_keys(leads.leads())
    if missing:
        with LeadList(options) as leads:
            check_same_list(
                arguments.results, previous, find_moved(arguments.results, missing, leads.leads())
            )


def _count(options: ListOptions) -> int:
    with LeadList(options) as leads:
        return leads.count()


class _Run:
    """One run of the command. Each lead ends in one of `_answered`, `_not_sendable` and `_unanswered`."""

    def __init__(
        self,
        arguments: SendArguments,
        is_regular: bool,
        leads: LeadList,
        results: ResultsFile,
        handover_log: HandoverLog,
        previous: PreviousRuns,
        total: int | None,
    ) -> None:
        self._arguments = arguments
        self._is_regular = is_regular
        self._list = leads
        self._handover_log = handover_log
        self._results = results
        self._previous = previous
        self._rows = total
        self._summary = Summary()
        self._senders: dict[str, CampaignSender] = {}
        self._state = ProgressState(time.monotonic(), total, conditions=self._conditions)
        # Rich draws the state at once, so what `_conditions` uses must be there.
        self._progress = Progress(self._state, sys.stderr, quiet=arguments.quiet)
        self._room = asyncio.Event()
        self._callbacks = SenderCallbacks(self._answered, self._handover_log.note, self._room.set)

    async def run(self, client: DialGatewayClient) -> int:
        """Send everything, write a line for each lead without an answer, and print the summary."""
        if not self._arguments.quiet:
            for note in self._list.notes_before():
                self._progress.write_line(f"dialctl: {note}")
        leads = self._leads()
        try:
            interrupted = await self._send(client, leads)
            # The rest of a file gets lines too; the rest of a pipe is not known.
            self._give_up(leads if self._is_regular else iter(()))
            self._handover_log.remove()
        except OSError as error:  # such as a full disk: some leads have been sent
            return self._stopped_by_error(f"{error.filename or self._arguments.results}: {error.strerror}")
        except UnusableFile as error:  # such as a workbook that is damaged further on
            return self._stopped_by_error(str(error))
        return self._finish(interrupted=interrupted)

    def _leads(self) -> Iterator[Lead | BadRow]:
        """Yield the leads to send, and subtract settled leads from the total."""
        for lead in self._previous.unsettled(self._list.leads(), self._arguments.list.expires_in):
            if self._rows is not None and self._previous.settled:
                self._state.total = self._rows - self._previous.settled.total()
            yield lead

    async def _send(self, client: DialGatewayClient, leads: Iterator[Lead | BadRow]) -> bool:
        """Send until every stream has ended. Return True if the user interrupted it."""
        ticker = asyncio.create_task(self._progress.run())
        try:
            async with client:
                await self._distribute(
                    client, iterate_cooperatively(leads) if self._is_regular else iterate_in_thread(leads)
                )
        except asyncio.CancelledError:
            # Ctrl-C cancels the main task, and nothing else does.
            return True
        except ExceptionGroup as group:
            # Errors of streams and rows are handled elsewhere; this is one such as a full disk.
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
                if (sender := self._senders.get(lead.campaign_id)) is None:
                    sender = self._senders[lead.campaign_id] = self._new_sender(client, lead.campaign_id)
                    group.create_task(sender.run())
                sender.put(lead)
                if sender.wants_leads:
                    continue
                if sender.error is not None or sender.given_up:
                    self._drop(sender)
                else:
                    read_on = read_on - 1 if read_on else await self._room_or_read_on()
            for sender in self._senders.values():
                sender.end()

    def _new_sender(self, client: DialGatewayClient, campaign_id: str) -> CampaignSender:
        arguments = self._arguments
        return CampaignSender(
            client, campaign_id, arguments.priority, arguments.list.expires_in, self._callbacks
        )

    async def _room_or_read_on(self) -> int:
        """Wait until a sender wants leads. Return how many leads to read without waiting.

        If none wants leads for a while, the list may have leads of other campaigns further on. To get there,
        the leads of full senders are written to disk.
        """
        if any(sender.wants_leads for sender in self._senders.values()):
            return 0
        self._room.clear()
        try:
            async with asyncio.timeout(_READ_ON_S):
                await self._room.wait()
        except TimeoutError:
            return _READ_ON
        return 0

    # --- the end of each lead -----------------------------------------------------------------------

    def _answered(self, lead: Lead, result: DialResult) -> None:
        self._results.answered(lead, result, lead.digest(self._arguments.list.expires_in))
        self._summary.answered(lead, result)
        self._state.outcomes[result.outcome.value] += 1

    def _unanswered(self, lead: Lead, *, sent: bool, detail: str) -> None:
        self._results.unanswered(lead, sent=sent, detail=detail)
        outcome = UNANSWERED if sent else NOT_SENT
        self._summary.without_answer(outcome, lead.campaign_id)
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
            self._progress.write_line(f"line {row.line}: {row.problem}")
        elif shown - row.leads <= LINES_SHOWN:
            self._progress.write_line("more bad rows are listed in the results file only")

    def _drop(self, sender: CampaignSender) -> None:
        """Write the leads that a sender will not send, so that they do not use memory until the end."""
        detail = GIVEN_UP if sender.given_up and sender.error is None else ""
        for lead, sent in sender.take_queued() if sender.error is None else sender.take_unanswered():
            self._unanswered(lead, sent=sent, detail=detail)

    def _give_up(self, unread: Iterable[Lead | BadRow]) -> None:
        """Write a line for each lead that was not answered, read or not."""
        for sender in self._senders.values():
            detail = GIVEN_UP if sender.given_up and sender.error is None else ""
            for lead, sent in sender.take_unanswered():
                self._unanswered(lead, sent=sent, detail=detail)
        for row in unread:
            if isinstance(row, BadRow):
                self._not_sendable(row)
            else:
                self._unanswered(row, sent=row.in_doubt, detail="")

    # --- the end of the run -------------------------------------------------------------------------

    def _conditions(self) -> list[str]:
        return [
            not_flowing_line(sender.campaign_id, sender.condition)
            for sender in self._senders.values()
            if sender.condition is not None
        ]

    def _finish(self, *, interrupted: bool) -> int:
        self._progress.finish()
        raised = [sender.error for sender in self._senders.values() if sender.error is not None]
        # ClientClosed is not an error: the client is closed when the user interrupts.
        errors = {str(error.args[0]) for error in raised if not isinstance(error, ClientClosed)}
        for error in sorted(errors):
            self._progress.write_line(f"dialctl: gateway {self._arguments.gateway.target}: {error}")
        code = INTERRUPTED if interrupted else NOT_REACHED if errors else self._code()
        self._print_summary(code)
        if interrupted:
            self._progress.write_line("dialctl: interrupted; leads without an answer may have been dialed.")
            self._progress.write_line("Run it again: it sends what is not settled, and dials nobody twice.")
        return code

    def _code(self) -> int:
        others = (self._state.outcomes + self._previous.settled).keys() - {Outcome.ACCEPTED.value, LEFT_OUT}
        return NOT_ALL_ACCEPTED if others else ALL_ACCEPTED

    def _print_summary(self, code: int) -> None:
        output, results = self._arguments.output, str(self._arguments.results)
        elapsed = time.monotonic() - self._state.started
        if output is OutputFormat.JSON:
            summary = self._summary.document(elapsed, results, self._previous)
            notes = [*self._list.notes_after(), *self._conditions()]
            print_json({"exit_code": code, **summary, "notes": notes})
        elif not self._arguments.quiet:
            wide = output is OutputFormat.WIDE
            write_lines(sys.stdout, *self._summary.lines(elapsed, results, self._previous, wide=wide))
            write_lines(sys.stdout, *self._list.notes_after(), *self._conditions())

    def _stopped_by_error(self, what: str) -> int:
        self._results.abandon()
        self._progress.finish()
        self._progress.write_line(f"dialctl: {what}")
        self._progress.write_line(
            "dialctl: stopped; leads have been sent, and some have no line in the results file."
        )
        self._progress.write_line(
            "Fix this and run it again: it sends what is not settled, and dials nobody twice."
        )
        return STOPPED_BY_ERROR
