"""`dialctl send`: from the file to the gateway, from the gateway to the results file, in order."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TextIO

from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.arguments import SendArguments
from dialgateway.dialctl.lanes import Lane
from dialgateway.dialctl.leads import BadRow, Lead, LeadReader, UnusableFile, read_records
from dialgateway.dialctl.lines import open_lines, read_in_thread, take_turns
from dialgateway.dialctl.progress import Progress, ProgressState
from dialgateway.dialctl.results import (
    INVALID_ROW,
    NOT_SENT,
    UNANSWERED,
    UNDER_WAY,
    Earlier,
    ResultsFile,
    read_earlier,
)
from dialgateway.dialctl.summary import Summary
from dialgateway.retry import RetryPolicy
from dialgateway.values import DialResult, Outcome

ALL_ACCEPTED, NOT_ALL_ACCEPTED, USAGE, NOT_REACHED, INTERRUPTED = 0, 1, 2, 3, 130

# Beyond these, a bad row is told only in the results file: the screen is for what can be read.
_BAD_ROWS_SHOWN = 20


async def send(arguments: SendArguments) -> int:
    """Run the command and return its exit code. Raises UnusableFile and OSError before anything is sent."""
    file = arguments.file
    if file is not None and file.resolve() == arguments.results.resolve():
        raise UnusableFile("the results file would be the file itself")
    regular = file is not None and file.is_file()
    lines = open_lines(file)
    with contextlib.ExitStack() as stack:
        if regular:  # closing a pipe would wait for the thread that reads it
            stack.callback(lines.close)
        leads = _read(lines, arguments)
        earlier = read_earlier(arguments.results)
        if file is not None and regular and earlier.outcomes:  # a pipe is read once only
            _check_belongs(file, arguments, earlier)
        total = _count(file) - earlier.settled if file and regular and not arguments.quiet else None
        leads = earlier.unsettled(leads)
        run = _Run(arguments, stack.enter_context(ResultsFile(arguments.results)), total, earlier)
        interrupted = await run.send(take_turns(leads) if regular else read_in_thread(leads))
        # What is left of a pipe is nobody's until it is read; what is left of a file was to be sent.
        run.give_up(leads if regular else iter(()))
    return run.finish(interrupted=interrupted)


def _read(lines: TextIO, arguments: SendArguments) -> Iterator[Lead | BadRow]:
    return LeadReader(lines, arguments.columns, arguments.campaign_id, arguments.expires_in).leads()


def _check_belongs(file: Path, arguments: SendArguments, earlier: Earlier) -> None:
    with open_lines(file) as lines:
        earlier.check_belongs(_read(lines, arguments), str(arguments.results))


def _count(file: Path) -> int:
    with open_lines(file) as lines:
        return sum(1 for _ in read_records(lines)) - 1


class _Run:
    """One run of the command: every lead passes exactly one of `_answered`, `_invalid`, `_unanswered`."""

    def __init__(
        self, arguments: SendArguments, results: ResultsFile, total: int | None, earlier: Earlier
    ) -> None:
        self._arguments = arguments
        self._credentials = arguments.gateway.credentials()
        self._results = results
        self._earlier = earlier
        self._under_way = asyncio.Semaphore(UNDER_WAY)
        self._summary = Summary(earlier=earlier.seen)
        self._state = ProgressState(time.monotonic(), total)
        self._progress = Progress(self._state, sys.stderr, quiet=arguments.quiet)
        self._lanes: dict[str, Lane] = {}

    async def send(self, leads: AsyncIterator[Lead | BadRow]) -> bool:
        """Send until every stream has ended; True when the user interrupted it."""
        traceparent = self._arguments.traceparent
        metadata = [("traceparent", traceparent)] if traceparent else []
        ticker = asyncio.create_task(self._progress.run())
        try:
            retry = RetryPolicy(give_up_after=self._arguments.give_up_after)
            async with self._client(metadata, retry) as client:
                await self._distribute(client, leads)
        except asyncio.CancelledError:
            # Ctrl-C reaches a task as its cancellation, and nothing else cancels this one.
            return True
        except ExceptionGroup as group:
            # Only what neither a stream nor a row can be blamed for, such as a full disk, gets here.
            raise group.exceptions[0] from None
        finally:
            ticker.cancel()
        return False

    def _client(self, metadata: list[tuple[str, str]], retry: RetryPolicy) -> DialGatewayClient:
        gateway = self._arguments.gateway
        return DialGatewayClient(
            gateway.target,
            credentials=self._credentials,
            server_name=gateway.server_name,
            metadata=metadata,
            retry=retry,
        )

    def give_up(self, unread: Iterator[Lead | BadRow]) -> None:
        """Write a line for each lead that was not answered, read or not."""
        for lane in self._lanes.values():
            self._drop(lane)
        for lead in unread:
            if isinstance(lead, BadRow):
                self._invalid(lead)
            else:
                self._unanswered(lead, sent=lead.request.in_doubt)

    def finish(self, *, interrupted: bool) -> int:
        """Say how it went; the exit code."""
        self._progress.finish()
        errors = {str(lane.error.args[0]) for lane in self._lanes.values() if lane.error is not None}
        for error in sorted(errors):
            self._progress.say(f"dialctl: gateway {self._arguments.gateway.target}: {error}")
        if not self._arguments.quiet:
            elapsed = time.monotonic() - self._state.started
            for line in self._summary.lines(elapsed, str(self._arguments.results)):
                sys.stdout.write(line + "\n")
        if interrupted:
            self._progress.say("dialctl: interrupted; leads without an answer may have been dialed.")
            self._progress.say("Run it again: it sends what is not settled, and dials nobody twice.")
            return INTERRUPTED
        if errors:
            return NOT_REACHED
        others = (self._state.outcomes + self._earlier.seen).keys() - {Outcome.ACCEPTED.value}
        return NOT_ALL_ACCEPTED if others else ALL_ACCEPTED

    async def _distribute(self, client: DialGatewayClient, leads: AsyncIterator[Lead | BadRow]) -> None:
        async with asyncio.TaskGroup() as group:
            async for lead in leads:
                if isinstance(lead, BadRow):
                    self._invalid(lead)
                    continue
                if (lane := self._lanes.get(lead.campaign_id)) is None:
                    lane = Lane(client, lead.campaign_id, self._arguments.priority)
                    self._lanes[lead.campaign_id] = lane
                    group.create_task(lane.run(self._answered))
                await self._under_way.acquire()
                await lane.put(lead)
                if lane.error is not None:
                    self._drop(lane)
            for lane in self._lanes.values():
                await lane.end()

    def _drop(self, lane: Lane) -> None:
        # Without this a big file behind a broken stream would be held in memory to its end.
        for lead, sent in lane.take_unanswered():
            self._unanswered(lead, sent=sent)

    def _answered(self, lead: Lead, result: DialResult) -> None:
        self._under_way.release()
        self._results.answered(lead, result)
        self._summary.answered(lead, result)
        self._state.outcomes[result.outcome.value] += 1

    def _unanswered(self, lead: Lead, *, sent: bool) -> None:
        self._under_way.release()
        self._results.unanswered(lead, sent=sent)
        outcome = UNANSWERED if sent else NOT_SENT
        self._summary.without_answer(outcome)
        self._state.outcomes[outcome] += 1

    def _invalid(self, row: BadRow) -> None:
        self._results.invalid(row)
        self._summary.without_answer(INVALID_ROW)
        self._state.outcomes[INVALID_ROW] += 1
        shown = self._state.outcomes[INVALID_ROW]
        if shown <= _BAD_ROWS_SHOWN:
            self._progress.say(f"line {row.line}: {row.problem}")
        elif shown == _BAD_ROWS_SHOWN + 1:
            self._progress.say("further bad rows are told in the results file only")
