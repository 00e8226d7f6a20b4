"""The published configurations of proxies: which callers they let through, and what they tell the gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from shutil import which
from typing import Any

import grpc
import grpc.aio
import pytest

from benchmarks.stub import async_stub
from dialgateway import AccessDenied, DialGatewayClient, DialRequest, StreamBroken
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.access.certificate import names_in
from gateway.access.identity import CallerEvidence, identify
from gateway.api.wire.status_details import ErrorReason, end_call
from tests.faults.any_proxy import always_ready
from tests.faults.callers import dial_requests
from tests.faults.certificates import CALLER, Certificates
from tests.faults.proxies import PROXIES, Upstream, absent, proxied

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent())
FORGED = (("x-forwarded-client-cert", "URI=spiffe://example.org/ns/billing/sa/boss"),)
SERVICE = "dialgateway.v1.DialRequestService"


async def _refuse(_: object, context: "grpc.aio.ServicerContext[object, object]") -> None:
    await end_call(context, ErrorReason.DIALING_DENIED, "this caller may not dial")


_REFUSED: "grpc.RpcMethodHandler[Any, Any]" = grpc.stream_stream_rpc_method_handler(_refuse)


class Listener:
    """Takes the place of a gateway, and records the caller's headers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def handler(self) -> grpc.GenericRpcHandler:
        put = grpc.unary_unary_rpc_method_handler(
            self._put,
            request_deserializer=pb.PutDialRequestsRequest.FromString,
            response_serializer=pb.PutDialRequestsResponse.SerializeToString,
        )
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "PutDialRequests": put,
            "StreamDialRequests": _REFUSED,
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _put(
        self, _: pb.PutDialRequestsRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.PutDialRequestsResponse:
        metadata = context.invocation_metadata() or ()
        self.told += [str(value) for key, value in metadata if key == FORGED[0][0]]
        return pb.PutDialRequestsResponse()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Listener, Upstream]]:
    listener, server = Listener(), grpc.aio.server()
    server.add_generic_rpc_handlers((listener.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with always_ready() as admin_port:
        yield listener, Upstream(f"127.0.0.1:{port}", admin_port)
        await server.stop(0)


@pytest.mark.parametrize("name", PROXIES)
async def test_the_gateway_gets_the_callers_identity(name: str, tmp_path: Path) -> None:
    """The caller's name comes from its certificate; a name in its own headers reaches no gateway."""
    certificates = Certificates.made_in(tmp_path / "tls")
    async with (
        listening() as (listener, upstream),
        proxied(name, tmp_path, [upstream], certificates=certificates) as proxy,
        grpc.aio.secure_channel(proxy.target, certificates.caller()) as secure,
        grpc.aio.insecure_channel(proxy.plain_target) as plain,
    ):
        for channel in (plain, secure):
            await async_stub(channel).PutDialRequests(
                pb.PutDialRequestsRequest(), metadata=FORGED, timeout=20, wait_for_ready=True
            )
        shown = CallerEvidence("ipv4:127.0.0.1:1", forwarded=listener.told)
        assert identify(shown, [ip_network("127.0.0.0/8")], names_in).identity == CALLER
        assert len(listener.told) == 1  # the port without TLS forwards no name


async def test_a_refused_stream_has_the_status_of_the_gateway(tmp_path: Path) -> None:
    """HAProxy resets a stream with CANCEL that its caller has not ended, after passing the status on."""

    async def without_end() -> AsyncIterator[DialRequest]:
        for request in dial_requests(1, "t"):
            yield request
        await asyncio.Event().wait()

    async with (
        listening() as (_, upstream),
        proxied("haproxy", tmp_path, [upstream]) as proxy,
        DialGatewayClient(proxy.target) as client,
        asyncio.timeout(30),
    ):
        with pytest.raises(AccessDenied, match="this caller may not dial") as refused:
            _ = [result async for result in client.dial("c", without_end())]
        assert refused.value.reason == "DIALING_DENIED"


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.timed
async def test_no_gateway_answers(name: str, tmp_path: Path) -> None:
    """If no gateway accepts connections, callers get UNAVAILABLE and reconnect."""
    nobody = Upstream("127.0.0.1:1", 1)
    async with (
        proxied(name, tmp_path, [nobody]) as proxy,
        grpc.aio.insecure_channel(proxy.plain_target) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await async_stub(channel).PutDialRequests(
                pb.PutDialRequestsRequest(), timeout=20, wait_for_ready=True
            )
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.skipif(which("curl") is None, reason="no curl here")
async def test_nginx_says_unavailable_as_grpc_demands(tmp_path: Path) -> None:
    """Its HTTP status is 200: Go, Java and Connect clients take any other for UNKNOWN."""
    async with proxied("nginx", tmp_path, [Upstream("127.0.0.1:1", 1)]) as proxy:
        url = f"http://{proxy.plain_target}/{SERVICE}/PutDialRequests"
        curl = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--include", "--http2-prior-knowledge", "--data-binary", ""),
            *("--header", "content-type: application/grpc", url),
            stdout=asyncio.subprocess.PIPE,
        )
        head, _, body = (await curl.communicate())[0].decode().partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    assert status.split() == ["HTTP/2", "200"]
    assert {"content-type: application/grpc", "grpc-status: 14", "content-length: 0"} <= set(headers)
    assert body == ""


@pytest.mark.timed
async def test_a_proxy_that_speaks_http_1_to_the_gateway(tmp_path: Path) -> None:
    """Such a proxy forwards no call; the client tries a few times, and then names every request as
    unanswered.
    """
    wrong = {"grpc_pass grpc://gateways": "proxy_pass http://gateways"}
    requests = dial_requests(3, "t")
    async with (
        listening() as (_, upstream),
        proxied("nginx", tmp_path, [upstream], more=wrong) as proxy,
        DialGatewayClient(proxy.target) as client,
        asyncio.timeout(30),
    ):
        with pytest.raises(StreamBroken) as told:
            _ = [result async for result in client.dial("c", requests)]
        assert list(told.value.unanswered) == [request.client_token for request in requests]
