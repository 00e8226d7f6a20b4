"""The boto3 adapter: `connectcampaigns` (V1) or `connectcampaignsv2` (V2), in threads of its own.

`api_versions.py` has what differs between the versions. Region, credentials and
endpoint come from boto3's ordinary chain. Its own retries are off, since they would multiply with
tenacity's. Its validation of parameters is off too: it takes a quarter of the time of a call and checks less
than `core/intake/validation.py` does.

boto3 makes, signs and parses a call; `transport.py` sends it. A call ends after its time-out whatever
it waits for: a thread, a name, a connection or a reply. Its socket is reset then, which frees its thread.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import boto3
import botocore.session

from gateway.connect.api_versions import STATES_OPERATION, ApiName, expiration_for_boto3
from gateway.connect.aws_sender import AwsSender
from gateway.connect.credentials import FIRST_CREDENTIALS_S, AccessKeys
from gateway.connect.exchange import Exchange
from gateway.connect.failures import failing, translated
from gateway.connect.port import PutReply
from gateway.connect.replies import states
from gateway.connect.resolver import LookUp, Resolver, system_lookup
from gateway.connect.signing import sign_by
from gateway.connect.thread_pool import Job, Threads
from gateway.connect.ticket import Ticket
from gateway.connect.timeouts import connect_timeout_s
from gateway.connect.transport import Transport, using
from gateway.core import errors
from gateway.core.attributes import unpacked
from gateway.core.model import DialRequest

T = TypeVar("T")

STATE_THREADS = 1
"""Threads for reading campaign states. They are separate, so that state reads and dial requests never wait
for each other."""
SPARE = 3
"""Threads that may hang in abandoned calls, for each thread in use."""


class BotoConnect(AwsSender):
    """Amazon Connect over boto3, with one client for all threads.

    `timeout_s` is the time limit of one call in seconds, `threads` the number of concurrent put calls, `api`
    the version of Connect's API. `endpoint_url` and `credentials` (access key, secret key) are for the
    simulator. Without them the credentials come from `keys`, which its owner starts, or from boto3's own
    chain. `look_up` resolves host names. `wall` returns the local time in seconds since the epoch. Calls are
    signed by AWS's clock if the two clocks differ much. Raises botocore's `NoRegionError` if no region is
    configured, and ValueError if the endpoint is not a URL.
    """

    def __init__(
        self,
        *,
        threads: int,
        timeout_s: float,
        endpoint_url: str | None = None,
        region: str | None = None,
        credentials: tuple[str, str] | None = None,
        api: ApiName = "v1",
        keys: AccessKeys | None = None,
        look_up: LookUp = system_lookup,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            api,
            region=region,
            endpoint_url=endpoint_url,
            credentials=credentials,
            keys=keys,
            wall=wall,
            create=by_boto3,
        )
        self._client = self._aws.client
        sign_by(self._clock, self._client, self._aws.credentials)
        self._put_call = getattr(self._client, self._api.put_method)
        self._resolver = Resolver(look_up)
        self._transport = self._new_transport(threads, timeout_s)
        for operation in (self._api.put_operation, STATES_OPERATION):
            event = f"before-send.{self._api.service}.{operation}"
            self._client.meta.events.register(event, self._transport.send)
        self._threads = Threads(threads, SPARE * threads, "connect")
        self._state_threads = Threads(STATE_THREADS, SPARE * STATE_THREADS, "connect-states")
        self._timeout_s = timeout_s
        if keys is None:  # others are started by their owner, once nothing else can prevent the start
            self._keys.start(FIRST_CREDENTIALS_S)

    def _new_transport(self, threads: int, timeout_s: float) -> Transport:
        return Transport(
            self.endpoint,
            ca_bundle=self._aws.ca_bundle,
            connect_timeout_s=connect_timeout_s(timeout_s),
            read_timeout_s=timeout_s,
            connections=(1 + SPARE) * threads + STATE_THREADS,
        )

    @property
    def hanging_threads(self) -> int:
        """How many threads hang in calls that were given up."""
        return self._threads.hanging

    @property
    def stalled(self) -> bool:
        """Whether every thread hangs, so that no call can be made."""
        return self._threads.stalled

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Send one call in a thread and wait for it at most as long as a call may take."""
        if not self._keys.usable:
            raise errors.NoCredentials
        call = partial(self._put, campaign_id, requests)
        return await self._called(self._threads, ticket or Ticket(), call)

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Ask after states in a thread of their own, which never keeps a dial request waiting."""
        return await self._called(self._state_threads, Ticket(), partial(self._states, campaign_ids))

    async def close(self) -> None:
        """Stop the threads and close the kept connections; calls in flight end with their connections."""
        for threads in (self._threads, self._state_threads):
            threads.close()
        self._keys.close()
        self._transport.close()

    async def _called(self, threads: Threads, ticket: Ticket, call: Callable[[], T]) -> T:
        exchange = Exchange(ticket, self._resolver)
        job = threads.submit(partial(_in_exchange, exchange, call))
        ticket.on_revoke(partial(_revoked, job, ticket))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await job.answer
        except TimeoutError:
            unsent = ticket.revoke()
            raise (errors.ConnectUnreachable() if unsent else errors.AnswerLost()) from None
        finally:
            ticket.revoke()
            if not job.ended:  # abandoned: revoked, out of time or cancelled
                exchange.cut()
                threads.give_up(job)

    def _put(self, campaign_id: str, requests: Sequence[DialRequest]) -> PutReply:
        items = [
            self._api.item(request, expiration_for_boto3(request), unpacked(request.attributes))
            for request in requests
        ]
        response = self._put_call(id=campaign_id, **{self._api.items: items})
        return self._api.reply(response, {request.client_token for request in requests})

    def _states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        return states(self._client.get_campaign_state_batch(campaignIds=list(campaign_ids)), campaign_ids)


def by_boto3(
    session: botocore.session.Session, service: str, *, region_name: str | None, **options: Any
) -> Any:
    """Make a client with boto3 from a session of botocore."""
    made: Any = boto3.Session(region_name=region_name, botocore_session=session)
    return made.client(service, **options)


def _in_exchange(exchange: Exchange, call: Callable[[], T]) -> T:
    with failing(exchange.ticket, translated), using(exchange):
        return call()


def _revoked(job: Job[T], ticket: Ticket) -> None:
    if not job.answer.done():
        job.answer.set_exception(errors.AnswerLost() if ticket.may_have_left else errors.CallRevoked())
