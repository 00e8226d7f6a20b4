"""The unary call: `PutTries` decides, `Put` and `SyncPut` act, each on its own kind of channel.

A try that is UNAVAILABLE, INTERNAL or CANCELLED by somebody else is made again with the same tokens. A new
connection is probed before the list is sent, so that an unreachable gateway leaves nothing in doubt. If a
try fails after the list was sent, its requests are in doubt: the connection may have broken after the
gateway sent them on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from dialgateway import _wire
from dialgateway._channels import Channels, Lease
from dialgateway._dial import Dial
from dialgateway._reach import being_cancelled, failure_of, reach, stub_of, sync_reach, sync_stub_of
from dialgateway._truth import Doubts, matched
from dialgateway.errors import CallFailed, ClientClosed, DialGatewayError
from dialgateway.retry import BROKEN, RetryPolicy
from dialgateway.values import DialRequest, DialResult

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb


class PutTries:
    """The tries of one unary call, without I/O.

    Args:
        dial: campaign, priority, metadata and clock.
        requests: the list.
        seconds: for all tries together.
        policy: whether a try is made again, and after which pause.
        jitter: gives numbers from 0 to 1.

    """

    def __init__(
        self,
        dial: Dial,
        requests: list[DialRequest],
        seconds: float,
        policy: RetryPolicy,
        jitter: Callable[[], float],
    ) -> None:
        self.dial = dial
        self.message = _wire.put_message(dial.campaign_id, requests, dial.priority)
        _wire.check_size(self.message)
        self._requests = requests
        self._clock = dial.clock
        self._began = dial.clock()
        self._deadline = self._began + seconds
        self._policy = policy
        self._jitter = jitter
        self._tries = 0
        self._doubts = Doubts(len(requests))

    @property
    def seconds_left(self) -> float:
        """How long the next try may take."""
        return max(self._deadline - self._clock(), 0.0)

    def results(self, response: pb.PutDialRequestsResponse) -> list[DialResult]:
        """Read the answers, in the order of the requests. Raises ProtocolError where they do not fit."""
        return matched(_wire.results(response.results), self._requests, self._doubts)

    def pause_after(self, failure: CallFailed, *, sent: bool) -> float:
        """Return the seconds to wait before the next try; raises `failure` where there is none.

        `sent`: whether the list had been sent when the try failed.
        """
        if sent:
            for request in self._requests:
                self._doubts.add(request.client_token)
            for dial_request in self.message.dial_requests:
                dial_request.in_doubt = True
        pause_s = self._policy.pause_s(self._tries, self._jitter())
        self._tries += 1
        again_at, patience = self._clock() + pause_s, self._policy.give_up_after
        given_up = patience is not None and again_at >= self._began + patience.total_seconds()
        again = self._policy.reconnect and failure.code in BROKEN
        if not again or given_up or again_at >= self._deadline:
            raise self.complete(failure)
        return pause_s

    def complete(self, error: DialGatewayError) -> DialGatewayError:
        """Name in an error what has no answer, and return it."""
        error.unanswered = tuple(request.client_token for request in self._requests)
        doubtful = [request for request in self._requests if self._doubts.about(request)]
        error.in_doubt = tuple(request.client_token for request in doubtful)
        return error


class Put:
    """One `put()` of the asynchronous client."""

    def __init__(self, channels: Channels[grpc.aio.Channel], tries: PutTries) -> None:
        self._channels = channels
        self._tries = tries
        self._task: asyncio.Task[list[DialResult]] | None = None

    async def run(self) -> list[DialResult]:
        """Try until there is an answer, or an error that another try does not mend."""
        self._task = asyncio.create_task(self._run(), name="dial-put")
        try:
            return await self._task
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            raise self._tries.complete(ClientClosed("the client was closed")) from None

    def abort(self) -> None:
        """Let `run()` raise ClientClosed."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Wait until nothing of it is left."""
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
                return self._tries.results(outcome)
            await asyncio.sleep(outcome)

    async def _try(self, lease: Lease[grpc.aio.Channel]) -> pb.PutDialRequestsResponse | float:
        """Return the answer, or the pause before the next try."""
        tries = self._tries
        failure, sent = await reach(lease, tries.dial, tries.seconds_left), False
        if failure is None:
            sent, outcome = True, await self._send(lease)
            if not isinstance(outcome, CallFailed):
                return outcome
            failure = outcome
        self._channels.retire(lease)
        return tries.pause_after(failure, sent=sent)

    async def _send(self, lease: Lease[grpc.aio.Channel]) -> pb.PutDialRequestsResponse | CallFailed:
        tries = self._tries
        try:
            return await stub_of(lease).PutDialRequests(
                tries.message, timeout=tries.seconds_left, metadata=tries.dial.metadata
            )
        except grpc.aio.AioRpcError as error:
            return failure_of(error, error.code(), error.details())


class SyncPut:
    """One `put()` of the synchronous client."""

    def __init__(self, channels: Channels[grpc.Channel], tries: PutTries) -> None:
        self._channels = channels
        self._tries = tries
        self._changed = threading.Condition()
        self._aborted = False
        self._cancel: Callable[[], object] | None = None

    def run(self) -> list[DialResult]:
        """Try until there is an answer, or an error that another try does not mend."""
        try:
            return self._run()
        except ClientClosed as closed:
            raise self._tries.complete(closed) from closed.__cause__

    def abort(self) -> None:
        """Let `run()`, in another thread, raise ClientClosed."""
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
                return self._tries.results(outcome)
            with self._changed:
                if self._changed.wait_for(lambda: self._aborted, outcome):
                    raise ClientClosed("the client was closed")

    def _try(self, lease: Lease[grpc.Channel]) -> pb.PutDialRequestsResponse | float:
        """Return the answer, or the pause before the next try."""
        tries = self._tries
        failure, sent = sync_reach(lease, tries.dial, self._under_way, tries.seconds_left), False
        if failure is None:
            sent, outcome = True, self._send(lease)
            if not isinstance(outcome, CallFailed):
                return outcome
            failure = outcome
        self._channels.retire(lease)
        return tries.pause_after(failure, sent=sent)

    def _send(self, lease: Lease[grpc.Channel]) -> pb.PutDialRequestsResponse | CallFailed:
        tries = self._tries
        call = sync_stub_of(lease).PutDialRequests.future(
            tries.message, timeout=tries.seconds_left, metadata=tuple(tries.dial.metadata)
        )
        try:
            self._under_way(call.cancel)
            return call.result()
        except grpc.FutureCancelledError as error:
            raise ClientClosed("the client was closed") from error
        except grpc.RpcError as error:
            return failure_of(error, call.code(), call.details())
        finally:
            call.cancel()  # nothing to cancel once it is done; else the caller was interrupted

    def _under_way(self, cancel: Callable[[], object]) -> None:
        with self._changed:
            self._cancel = cancel
            aborted = self._aborted
        if aborted:
            cancel()
