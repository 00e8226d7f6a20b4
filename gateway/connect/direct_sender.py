"""The direct sender: calls Connect on the event loop, without boto3's client and without threads.

botocore still provides region, endpoint, credentials, service models and the parser of errors. This module
writes the body, `signature.py` signs it, and `http_client.py` sends it. One time-out covers the whole call.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
import orjson
from botocore.exceptions import NoCredentialsError
from botocore.parsers import create_parser
from botocore.utils import percent_encode

from gateway.connect.api_versions import STATES_OPERATION, ApiName, expiration_of
from gateway.connect.attempt import attempt
from gateway.connect.aws_client import USER_AGENT
from gateway.connect.aws_sender import AwsSender
from gateway.connect.credentials import FIRST_CREDENTIALS_S, AccessKeys
from gateway.connect.failures import failing, of_answer, unforeseen
from gateway.connect.http_client import HttpClient
from gateway.connect.http_connection import Reply
from gateway.connect.port import PutReply
from gateway.connect.replies import states
from gateway.connect.resolver import LookUp, Resolver, system_lookup
from gateway.connect.signature import Signer, host_of
from gateway.connect.ticket import Ticket
from gateway.connect.timeouts import connect_timeout_s
from gateway.core import errors
from gateway.core.model import DialRequest

STATE_CONNECTIONS = 1
"""Connections for reading campaign states. They are separate, so that state reads and dial requests never
wait for each other."""


_NOT_CONNECTED = aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | aiohttp.ConnectionTimeoutError


class _Call(NamedTuple):
    """An operation of the service model: its HTTP method, and its path before and after the campaign."""

    name: str
    method: str
    before: str
    after: str


class DirectConnect(AwsSender):
    """Amazon Connect, called on the event loop.

    `calls` is the number of concurrent put calls, `timeout_s` the time limit of one in seconds, `api` the
    version of Connect's API. `endpoint_url` and `credentials` (access key, secret key) are for the simulator.
    Without them the credentials come from `keys`, which its owner starts, or from boto3's own chain.
    `look_up` resolves host names. `wall` returns the local time in seconds since the epoch; calls are signed
    by AWS's clock if the two differ much.
    `client` makes the HTTP clients. Raises botocore's `NoRegionError` if no region is configured, and
    ValueError if the endpoint is not a URL.
    """

    def __init__(
        self,
        *,
        calls: int,
        timeout_s: float,
        endpoint_url: str | None = None,
        region: str | None = None,
        credentials: tuple[str, str] | None = None,
        api: ApiName = "v1",
        keys: AccessKeys | None = None,
        look_up: LookUp = system_lookup,
        wall: Callable[[], float] = time.time,
        client: Callable[..., HttpClient] = HttpClient,
    ) -> None:
        super().__init__(
            api,
            region=region,
            endpoint_url=endpoint_url,
            credentials=credentials,
            keys=keys,
            wall=wall,
        )
        region_name = self._aws.client.meta.region_name
        self._signer = Signer(self.service_model.signing_name, region_name, host_of(self._endpoint))
        self._parser = create_parser(self.service_model.protocol)
        self._put_call, self._states_call = self._call(self._api.put_operation), self._call(STATES_OPERATION)
        self._timeout_s, self._resolver = timeout_s, Resolver(look_up)
        self._http = self._http_client(client, calls)
        self._states_http = self._http_client(client, STATE_CONNECTIONS)
        if keys is None:  # others are started by their owner, once nothing else can prevent the start
            self._keys.start(FIRST_CREDENTIALS_S)

    @property
    def stalled(self) -> bool:
        """False: there is no thread that could hang."""
        return False

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Send one call, and wait for it at most as long as a call may take."""
        item = self._api.item
        items = [item(request, expiration_of(request), _attributes(request)) for request in requests]
        body, path = {self._api.items: items}, self.path_of(campaign_id)
        response = await self._called(self._http, self._put_call, path, body, ticket or Ticket())
        return self._api.reply(response, {request.client_token for request in requests})

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Ask for states."""
        body = {"campaignIds": list(campaign_ids)}
        call = self._states_call
        response = await self._called(self._states_http, call, call.before, body, Ticket())
        return states(response, campaign_ids)

    def path_of(self, campaign_id: str) -> str:
        """Return the percent-encoded path of a put call for a campaign."""
        return f"{self._put_call.before}{percent_encode(campaign_id)}{self._put_call.after}"

    async def close(self) -> None:
        """Close the kept connections; calls in flight end with them."""
        self._keys.close()
        for http in (self._http, self._states_http):
            await http.close()

    async def _called(self, http: HttpClient, call: _Call, path: str, body: object, ticket: Ticket) -> Any:
        """Send a call and return its parsed reply. Raises `CallFailure` only."""
        with failing(ticket, _translated):
            content = orjson.dumps(body, option=orjson.OPT_UTC_Z)
            stamp, keys = self._clock.stamp(), self._keys.frozen()
            headers = self._signer.headers(call.method, path, content, keys, stamp)
            sent = http.send(ticket, call.method, path, content, headers)
            return self._read(call, await attempt(sent, ticket, self._timeout_s))

    def _read(self, call: _Call, reply: Reply) -> Any:
        """Return the content of a reply. Raises `CallFailure` for an error reply."""
        request_id = reply.headers.get("x-amzn-requestid")
        if request_id:  # otherwise a proxy may have answered, with its own clock
            self._clock.observe(reply.headers.get("date"))
        if reply.status >= 300:
            raise of_answer(self._error(call, reply))
        content = _json(reply.body)
        about = {"RequestId": request_id, "HTTPStatusCode": reply.status}
        return {**content, "ResponseMetadata": about} if isinstance(content, dict) else {}

    def _error(self, call: _Call, reply: Reply) -> Mapping[str, Any]:
        """Return an error reply as botocore parses it, with the members that the model gives the error."""
        raw = {"headers": reply.headers, "body": reply.body, "status_code": reply.status}
        try:
            shape = self.service_model.operation_model(call.name).output_shape
            parsed: dict[str, Any] = self._parser.parse(raw, shape)
            error_shape = self.service_model.shape_for_error_code(parsed.get("Error", {}).get("Code", ""))
            if error_shape is not None:
                parsed |= self._parser.parse(raw, error_shape)
        except Exception:  # noqa: BLE001 - an odd error reply may break the parser in any way
            return {"ResponseMetadata": {"HTTPStatusCode": reply.status}}
        return parsed

    def _http_client(self, client: Callable[..., HttpClient], connections: int) -> HttpClient:
        return client(
            endpoint_url=self._endpoint,
            ca_bundle=self._aws.ca_bundle,
            resolver=self._resolver,
            connect_timeout_s=connect_timeout_s(self._timeout_s),
            connections=connections,
            user_agent=USER_AGENT,
        )

    def _call(self, name: str) -> _Call:
        http = self.service_model.operation_model(name).http
        before, _, after = http["requestUri"].partition("{id}")
        return _Call(name, http["method"], before, after)


def _attributes(request: DialRequest) -> object:
    """Return the attributes of a dial request for orjson: the text that is there, if they are packed."""
    attributes = request.attributes
    return orjson.Fragment(attributes) if isinstance(attributes, bytes) else attributes


def _json(body: bytes) -> object:
    """Return the content of a reply; None if it is not JSON."""
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _translated(error: Exception) -> errors.CallFailure:
    """Return the failure of core/errors.py for an exception of aiohttp, botocore or a socket."""
    if isinstance(error, NoCredentialsError):
        return errors.NoCredentials()
    if isinstance(error, _NOT_CONNECTED):
        return errors.ConnectUnreachable()
    if isinstance(error, aiohttp.ClientError | OSError):
        return errors.AnswerLost()
    return unforeseen(error)
