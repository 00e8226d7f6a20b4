"""The unary call `put()`: `PutAttempts` decides, `Put` and `SyncPut` do the I/O.

An attempt that ends with UNAVAILABLE, INTERNAL or CANCELLED (not by the client) is repeated with the same
tokens. A new connection is probed before the list is sent, so an unreachable gateway leaves no request in
doubt. If an attempt fails after the list was sent, its requests are in doubt: the gateway may have sent them
to Amazon Connect before the connection broke.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from dialgateway import _wire
from dialgateway._call_context import CallContext
from dialgateway._channels import Channels, Lease
from dialgateway._in_doubt import InDoubtTokens, match_results
from dialgateway._probe import being_cancelled, failure_of, probe, stub_of, sync_probe, sync_stub_of
from dialgateway.errors import CallFailed, ClientClosed, DialGatewayError
from dialgateway.retry import NOTHING_TAKEN, RECONNECT_STATUSES, RetryPolicy
from dialgateway.values import DialRequest, DialResult

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb


LONGEST_ATTEMPT_S = 1e9
"""The longest timeout of a call: 31 years. grpcio ends a call at once if its deadline is after 2262."""


class PutAttempts:
    """The attempts of one unary call, without I/O. Raises ValueError for a list that is too large.

    Args:
        context: campaign, priority, metadata and clock.
        requests: the list.
        seconds: the time for all attempts together.
        policy: whether an attempt is repeated, and after which pause.
        jitter: returns numbers from 0 to 1.

    """

    def __init__(
        self,
        context: CallContext,
        requests: list[DialRequest],
        seconds: float,
        policy: RetryPolicy,
        jitter: Callable[[], float],
    ) -> None:
        self.context = context
        self.message = _wire.put_message(context.campaign_id, requests, context.priority)
        _wire.check_size(self.message)
        self._requests = requests
        self._clock = context.clock
        self._began = context.clock()
        self._deadline = self._began + seconds
        self._policy = policy
        self._jitter = jitter
        self._tries = 0
        self._in_doubt = InDoubtTokens(len(requests))

    @property
    def seconds_left(self) -> float:
        """How long the next attempt may take."""
        return min(max(self._deadline - self._clock(), 0.0), LONGEST_ATTEMPT_S)

    def results(self, response: pb.PutDialRequestsResponse) -> list[DialResult]:
        """Return the results, in the order of the requests. Raises ProtocolError if they do not match."""
        return match_results(_wire.results(response.results), self._requests, self._in_doubt)

    def pause_after(self, failure: CallFailed, *, sent: bool) -> float:
        """Return the seconds to wait before the next attempt; raises `failure` if there is none.

        `sent`: whether the list had been sent when the attempt failed.
        """
        if sent and failure.reason not in NOTHING_TAKEN:
            self.mark_in_doubt()
        asked_s = 0.0 if failure.retry_after is None else failure.retry_after.total_seconds()
        pause_s = asked_s + self._policy.pause_s(self._tries, self._jitter())
        self._tries += 1
        next_at, give_up_after = self._clock() + pause_s, self._policy.give_up_after
        given_up = give_up_after is not None and next_at >= self._began + give_up_after.total_seconds()
        may_repeat = self._policy.reconnect and failure.code in RECONNECT_STATUSES
        if not may_repeat or given_up or next_at >= self._deadline:
            raise self.with_unanswered(failure)
        return pause_s

    def mark_in_doubt(self) -> None:
        """Note that the list was sent, so that Amazon Connect may have its requests."""
        for request in self._requests:
            self._in_doubt.add(request.client_token)
        for dial_request in self.message.dial_requests:
            dial_request.in_doubt = True

    def with_unanswered(self, error: DialGatewayError) -> DialGatewayError:
        """Add the tokens without an answer to an error, and return it."""
        error.unanswered = tuple(request.client_token for request in self._requests)
        in_doubt = [request for request in self._requests if self._in_doubt.includes(request)]
        error.in_doubt = tuple(request.client_token for request in in_doubt)
        return error


class Put:
    """One `put()` of the asynchronous client."""

    def __init__(self, channels: Channels[grpc.aio.Channel], attempts: PutAttempts) -> None:
        self._channels = channels
        self._attempts = attempts
        self._task: asyncio.Task[list[DialResult]] | None = None

    async def run(self) -> list[DialResult]:
        """Repeat the call until there is an answer, or an error that a further attempt would not change."""
        self._task = asyncio.create_task(self._run(), name="dial-put")
        try:
            return await self._task
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            raise self._attempts.with_unanswered(ClientClosed("the client was closed")) from None

    def abort(self) -> None:
        """Make `run()` raise ClientClosed."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Wait until its task has ended."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> list[DialResult]:
        while True:
            lease = self._channels.acquire()
            try:
                outcome = await self._try(lease)
            finally:
                for channel in self._channels.release(lease):
                    await channel.close()
            if not isinstance(outcome, float):
                return self._attempts.results(outcome)
            await asyncio.sleep(outcome)

    async def _try(self, lease: Lease[grpc.aio.Channel]) -> pb.PutDialRequestsResponse | float:
        """Make one attempt. Return the answer, or the pause before the next attempt in seconds."""
        attempts = self._attempts
        failure, sent = await probe(lease, attempts.context, attempts.seconds_left), False
        if failure is None:
            sent, outcome = True, await self._send(lease)
            if not isinstance(outcome, CallFailed):
                return outcome
            failure = outcome
        self._channels.retire(lease)
        return attempts.pause_after(failure, sent=sent)

    async def _send(self, lease: Lease[grpc.aio.Channel]) -> pb.PutDialRequestsResponse | CallFailed:
        attempts = self._attempts
        try:
            return await stub_of(lease).PutDialRequests(
                attempts.message, timeout=attempts.seconds_left, metadata=attempts.context.metadata
            )
        except grpc.aio.AioRpcError as error:
            return failure_of(error, error.code(), error.details())
        except asyncio.CancelledError:  # the client was closed meanwhile, or the caller has cancelled
            attempts.mark_in_doubt()
            raise


class SyncPut:
    """One `put()` of the synchronous client."""

    def __init__(self, channels: Channels[grpc.Channel], attempts: PutAttempts) -> None:
        self._channels = channels
        self._attempts = attempts
        self._changed = threading.Condition()
        self._aborted = False
        self._cancel: Callable[[], object] | None = None

    def run(self) -> list[DialResult]:
        """Repeat the call until there is an answer, or an error that a further attempt would not change."""
        try:
            return self._run()
        except ClientClosed as closed:
            raise self._attempts.with_unanswered(closed) from closed.__cause__

    def abort(self) -> None:
        """Make `run()`, in another thread, raise ClientClosed."""
        with self._changed:
            self._aborted = True
            cancel = self._cancel
            self._changed.notify_all()
        if cancel is not None:
            cancel()

    def _run(self) -> list[DialResult]:
        while True:
            lease = self._channels.acquire()
            try:
                outcome = self._try(lease)
            finally:
                for channel in self._channels.release(lease):
                    channel.close()
            if not isinstance(outcome, float):
                return self._attempts.results(outcome)
            with self._changed:
                if self._changed.wait_for(lambda: self._aborted, outcome):
                    raise ClientClosed("the client was closed")

    def _try(self, lease: Lease[grpc.Channel]) -> pb.PutDialRequestsResponse | float:
        """Make one attempt. Return the answer, or the pause before the next attempt in seconds."""
        attempts = self._attempts
        failure, sent = sync_probe(lease, attempts.context, self._set_cancel, attempts.seconds_left), False
        if failure is None:
            sent, outcome = True, self._send(lease)
            if not isinstance(outcome, CallFailed):
                return outcome
            failure = outcome
        self._channels.retire(lease)
        return attempts.pause_after(failure, sent=sent)

    def _send(self, lease: Lease[grpc.Channel]) -> pb.PutDialRequestsResponse | CallFailed:
        attempts = self._attempts
        call = sync_stub_of(lease).PutDialRequests.future(
            attempts.message, timeout=attempts.seconds_left, metadata=tuple(attempts.context.metadata)
        )
        try:
            self._set_cancel(call.cancel)
            return call.result()
        except grpc.FutureCancelledError as error:
            attempts.mark_in_doubt()
            raise ClientClosed("the client was closed") from error
        except grpc.RpcError as error:
            return failure_of(error, call.code(), call.details())
        finally:
            call.cancel()  # has no effect after the end of the call; otherwise the caller was interrupted

    def _set_cancel(self, cancel: Callable[[], object]) -> None:
        with self._changed:
            self._cancel = cancel
            aborted = self._aborted
        if aborted:
            cancel()
