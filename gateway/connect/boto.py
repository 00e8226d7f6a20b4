"""The boto3 adapter: PutDialRequestBatch of `connectcampaigns` (V1), in threads of its own.

The only importer of boto3. Region, credentials and endpoint come from boto3's ordinary chain. Its
own retries are off, since tenacity's would multiply with them; so is its validation of parameters,
which costs a quarter of a call and checks less than `core/validate.py` does.
"""

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import botocore
from botocore import exceptions as foreign
from botocore.config import Config

from gateway.clock import SystemClock
from gateway.connect.port import PutReply
from gateway.core import errors
from gateway.core.model import DialRequest, ItemFailure

if TYPE_CHECKING:
    from mypy_boto3_connectcampaigns.type_defs import DialRequestTypeDef, PutDialRequestBatchResponseTypeDef

log = logging.getLogger(__name__)

LONGEST_CONNECT_S = 3.0
"""Seconds to wait for a connection, at most: shorter than the call's own time-out, so that a host
that does not answer is told from an answer that is lost."""

OPERATION = "PutDialRequestBatch"
ITEM_FAILURES = {
    "InvalidInput": ItemFailure.INVALID_INPUT,
    "RequestThrottled": ItemFailure.CAPACITY,
    "UnknownError": ItemFailure.UNKNOWN_ERROR,
}

_BY_CODE: Mapping[str, type[errors.CallFailure]] = {
    "ThrottlingException": errors.RateThrottled,
    "ValidationException": errors.CallInvalid,
    "SerializationException": errors.CallInvalid,
    "ResourceNotFoundException": errors.CampaignNotFound,
    "AccessDeniedException": errors.AccessDenied,
    "ConflictException": errors.CallConflict,
}
_BY_STATUS: Mapping[int, type[errors.CallFailure]] = {
    401: errors.AccessDenied,
    403: errors.AccessDenied,
    408: errors.ConnectFailed,
    413: errors.CallInvalid,  # too large, so smaller ones may pass
    429: errors.RateThrottled,
}
_REFUSED_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)
"""AWS's common errors of credentials: some of them come with HTTP status 400."""
_NO_CREDENTIALS = (
    foreign.NoCredentialsError,
    foreign.PartialCredentialsError,
    foreign.CredentialRetrievalError,
    foreign.TokenRetrievalError,
    foreign.SSOError,
)
_NOTHING_SENT = (
    foreign.EndpointConnectionError,
    foreign.ConnectTimeoutError,
    foreign.ProxyConnectionError,
)
_NOT_VERIFIED = "CERTIFICATE_VERIFY_FAILED"
"""In the text of the one failure of TLS that certainly came before anything was sent."""


class BotoConnect:
    """Amazon Connect over boto3. One client for all threads, made once.

    `timeout_s` is the time for one call, `threads` how many are made at the same time.
    `endpoint_url` and `credentials` (access key, secret key) are for the embedded simulator; without
    them boto3's own chain decides. Raises botocore's `NoRegionError` where no region is configured.
    """

    def __init__(
        self,
        *,
        threads: int,
        timeout_s: float,
        endpoint_url: str | None = None,
        region: str | None = None,
        credentials: tuple[str, str] | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=min(LONGEST_CONNECT_S, timeout_s / 2),
            read_timeout=timeout_s,
            max_pool_connections=threads,
            parameter_validation=False,
            tcp_keepalive=True,
            # Said once: botocore else puts together its own, twice for each call, at a tenth of its cost.
            user_agent=f"Boto3/{boto3.__version__} Botocore/{botocore.__version__} dial-gateway",
        )
        access_key, secret_key = credentials or (None, None)
        session = boto3.Session(access_key, secret_key, region_name=region)
        self._client = session.client("connectcampaigns", config=config, endpoint_url=endpoint_url)
        # The last word before bytes leave: signing or fetching credentials may have taken long.
        self._client.meta.events.register(f"before-send.connectcampaigns.{OPERATION}", self._refuse_late)
        self._sending = threading.local()
        self._now = now or SystemClock().now
        # Twice as many as calls: a thread may still hang in a call that was given up.
        self._threads = ThreadPoolExecutor(2 * threads, thread_name_prefix="connect")
        self._timeout_s = timeout_s

    @property
    def endpoint(self) -> str:
        """The address that calls go to."""
        return self._client.meta.endpoint_url

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], send_by: float = math.inf
    ) -> PutReply:
        """Send one call in a thread and wait for it at most as long as a call may take."""
        thread = self._threads.submit(self._put, campaign_id, requests, send_by)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.wrap_future(thread)
        except TimeoutError as late:
            # A call that no thread had begun has certainly not been sent.
            sent = not thread.cancel()
            raise (errors.AnswerLost() if sent else errors.ConnectUnreachable()) from late

    async def close(self) -> None:
        """Let go of the threads; those in a call end with it."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _put(self, campaign_id: str, requests: Sequence[DialRequest], send_by: float) -> PutReply:
        self._sending.by = send_by
        try:
            items = [_item(request) for request in requests]
            return _reply(self._client.put_dial_request_batch(id=campaign_id, dialRequests=items))
        except Exception as error:  # noqa: BLE001 - whatever a library raises must settle the batch
            # From None: what botocore raised may hold what was sent.
            raise translated(error) from None

    def _refuse_late(self, **_: object) -> None:
        if self._now() > self._sending.by:
            raise errors.CallTooLate


def _item(request: DialRequest) -> "DialRequestTypeDef":
    return {
        "clientToken": request.client_token,
        "phoneNumber": request.phone_number,
        "expirationTime": datetime.fromtimestamp(request.expiration or 0.0, UTC),
        "attributes": request.attributes,
    }


def _reply(response: "PutDialRequestBatchResponseTypeDef") -> PutReply:
    failed: dict[str, ItemFailure] = {}
    for item in response.get("failedRequests", ()):
        code = item.get("failureCode", "UnknownError")
        if code not in ITEM_FAILURES:
            log.warning("Connect failed an item with a code that this version does not know: %.64s", code)
        failed[item["clientToken"]] = ITEM_FAILURES.get(code, ItemFailure.UNKNOWN_ERROR)
    accepted = {item["clientToken"]: item["id"] for item in response.get("successfulRequests", ())}
    return PutReply(accepted, failed, response["ResponseMetadata"].get("RequestId", ""))


def translated(error: BaseException) -> errors.CallFailure:
    """Return what a failure of boto3 means to the gateway, as the table in core/errors.py has it."""
    if isinstance(error, errors.CallFailure):
        return error
    if isinstance(error, foreign.ClientError):
        return _translated_answer(error)
    if isinstance(error, _NO_CREDENTIALS):
        return errors.NoCredentials()
    if isinstance(error, _NOTHING_SENT) or (
        isinstance(error, foreign.SSLError) and _NOT_VERIFIED in str(error)
    ):
        return errors.ConnectUnreachable()
    if isinstance(error, foreign.HTTPClientError | foreign.SSLError):
        return errors.AnswerLost()
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    file = where.tb_frame.f_code.co_filename if where else "?"
    if file.endswith("botocore/credentials.py"):  # credentials that are expired as soon as refreshed
        return errors.NoCredentials()
    line = f"{file}:{where.tb_lineno}" if where else "?"
    # The type and the place only: the text of a foreign error may hold what was sent.
    log.error("a call to Connect failed in a way that is not known: %s at %s", type(error).__name__, line)
    return errors.CallUnexpected()


def _translated_answer(error: foreign.ClientError) -> errors.CallFailure:
    response: Mapping[str, Any] = error.response
    code = response.get("Error", {}).get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if error.operation_name != OPERATION:  # boto3 asked for credentials, so nothing was sent to Connect
        return errors.ConnectUnreachable() if status >= 500 else errors.NoCredentials()
    if code in _REFUSED_CREDENTIALS:
        return errors.AccessDenied()
    if code == "InvalidCampaignStateException":
        return errors.CampaignNotRunning(str(response.get("state", "in a state that is not told"))[:32])
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is not None:
        return known()
    return errors.CallRefused() if 400 <= status < 500 else errors.ConnectFailed()
