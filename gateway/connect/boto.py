"""The boto3 adapter: `connectcampaigns` (V1) or `connectcampaignsv2` (V2), in threads of its own.

The only importer of boto3; `apis.py` has what differs between the versions. Region, credentials and
endpoint come from boto3's ordinary chain. Its own retries are off, since tenacity's would multiply
with them; so is its validation of parameters, which costs a quarter of a call and checks less than
`core/validate.py` does.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import boto3
import botocore
from botocore.config import Config

from gateway.connect.apis import APIS, ApiName
from gateway.connect.aws_clock import AwsClock
from gateway.connect.failures import translated
from gateway.connect.port import Operation, PutReply
from gateway.connect.replies import states
from gateway.connect.signing import sign_by
from gateway.connect.ticket import Ticket
from gateway.core import errors
from gateway.core.model import DialRequest

T = TypeVar("T")

LONGEST_CONNECT_S = 3.0
"""Seconds to wait for a connection, at most: shorter than the call's own time-out, so that a host
that does not answer is told from an answer that is lost."""

STATE_THREADS = 1
"""Threads for asking after states, beside those for dial requests: neither ever waits for the other."""


class BotoConnect:
    """Amazon Connect over boto3. One client for all threads, made once.

    `timeout_s` is the time for one call in seconds, `threads` how many put calls are made at the same
    time, `api` the version of Connect's API that carries them. `endpoint_url` and `credentials` (access
    key, secret key) are for the embedded simulator; without them boto3's own chain decides. `wall` is the
    local clock, in seconds since the epoch; calls are signed by AWS's where the two are far apart. Raises
    botocore's `NoRegionError` where no region is configured, and ValueError where the endpoint is no URL.
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
        wall: Callable[[], float] = time.time,
    ) -> None:
        access_key, secret_key = credentials or (None, None)
        session: Any = boto3.Session(access_key, secret_key, region_name=region)
        self._has_credentials = session.get_credentials() is not None
        self._api = APIS[api]
        self._client = session.client(
            self._api.service, config=_config(threads, timeout_s), endpoint_url=endpoint_url
        )
        self._clock = AwsClock(wall)
        sign_by(self._clock, self._client, session.get_credentials)
        self._put_call = getattr(self._client, self._api.put_method)
        # The last word before bytes leave: signing or fetching credentials may have taken long.
        event = f"before-send.{self._api.service}.{self._api.put_operation}"
        self._client.meta.events.register(event, self._refuse_late)
        self._sending = threading.local()
        # Twice as many as calls: a thread may still hang in a call that was given up.
        self._threads = ThreadPoolExecutor(2 * threads, thread_name_prefix="connect")
        self._state_threads = ThreadPoolExecutor(STATE_THREADS, thread_name_prefix="connect-states")
        self._timeout_s = timeout_s

    def operation(self, campaign_id: str) -> Operation:
        """Return the name of the call, which is the same for all campaigns."""
        return Operation(self._client.meta.service_model.service_id, self._api.put_operation)

    def campaign_problem(self, campaign_id: str) -> str | None:
        """Return the rule of this API that a campaign id breaks, if any."""
        return self._api.campaign_problem(campaign_id)

    @property
    def endpoint(self) -> str:
        """The address that calls go to."""
        return str(self._client.meta.endpoint_url)

    @property
    def clock_behind_s(self) -> float:
        """Seconds by which the local clock is behind AWS's, where the last replies agree that it is wrong."""
        return self._clock.surely_behind_s

    @property
    def has_credentials(self) -> bool:
        """Whether boto3's chain found credentials; its clients look for them once only."""
        return self._has_credentials

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Send one call in a thread and wait for it at most as long as a call may take."""
        ticket = ticket or Ticket()
        return await self._within_time(
            self._threads, ticket, lambda: self._put(campaign_id, requests, ticket)
        )

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Ask after states in a thread of their own, which never keeps a dial request waiting."""
        return await self._within_time(self._state_threads, Ticket(), lambda: self._states(campaign_ids))

    async def close(self) -> None:
        """Let go of the threads; those in a call end with it."""
        for threads in (self._threads, self._state_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _within_time(self, threads: ThreadPoolExecutor, ticket: Ticket, call: Callable[[], T]) -> T:
        thread = threads.submit(_translating, call)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.wrap_future(thread)
        except TimeoutError as late:
            thread.cancel()
            unsent = ticket.revoke()
            raise (errors.ConnectUnreachable() if unsent else errors.AnswerLost()) from late

    def _put(self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket) -> PutReply:
        self._sending.ticket = ticket
        items = [self._api.item(request) for request in requests]
        response = self._put_call(id=campaign_id, **{self._api.items: items})
        return self._api.reply(response, {request.client_token for request in requests})

    def _refuse_late(self, **_: object) -> None:
        self._sending.ticket.leave()

    def _states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        return states(self._client.get_campaign_state_batch(campaignIds=list(campaign_ids)), campaign_ids)


def _config(threads: int, timeout_s: float) -> Config:
    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(LONGEST_CONNECT_S, timeout_s / 2),
        read_timeout=timeout_s,
        max_pool_connections=threads + STATE_THREADS,
        parameter_validation=False,
        tcp_keepalive=True,
        # Said once: botocore else puts together its own, twice for each call, at a tenth of its cost.
        user_agent=f"Boto3/{boto3.__version__} Botocore/{botocore.__version__} dial-gateway",
    )


def _translating(call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever a library raises must settle the batch
        # From None: what botocore raised may hold what was sent.
        raise translated(error) from None
