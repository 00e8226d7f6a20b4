"""A whole gateway inside a test's process, with a simulated Connect and callers."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import dialgateway
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub
from gateway.api.server import Keepalive
from gateway.app import Gateway
from gateway.cli.serve import SIMULATOR_KEYS, connect_for, listers_for
from gateway.composition.part_settings import directory_of
from gateway.connect.boto_sender import BotoConnect
from gateway.connect.credentials import AccessKeys
from gateway.connect.port import ConnectPort
from gateway.directory.directory import CampaignDirectory
from gateway.runtime.clock import SystemClock
from gateway.settings import Settings
from gateway.simulator import CallRecord, Fault, FaultKind, Simulator, SimulatorSettings
from gateway.telemetry import telemetry_with

if TYPE_CHECKING:
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceAsyncStub

    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

CAMPAIGN = "campaign-a"
PHONE = "+12065550123"
PATIENCE_S = 60.0
"""How long a test waits for anything before it fails; far longer than anything takes."""


SMALL_BUFFERS = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
"""Options of a channel with 64 KB for unread messages, which gRPC would enlarge for a fast connection."""


class SmallestJitter(random.Random):
    """A random source with the smallest jitter, so that pauses between attempts take no time."""

    def uniform(self, a: float, b: float) -> float:
        """Return the lower bound."""
        return min(a, b)


def dial(token: str, *, expires_in: float = 120.0, **changes: Any) -> pb.DialRequest:
    """Make a dial request, valid by default."""
    message = pb.DialRequest(client_token=token, phone_number=PHONE)
    at = time.time() + expires_in
    message.expiration_time.seconds, message.expiration_time.nanos = int(at), int(at % 1 * 1e9)
    for name, value in changes.items():
        if name == "attributes":
            message.attributes.update(value)
        else:
            setattr(message, name, value)
    return message


def dials(count: int, prefix: str = "t", **changes: Any) -> list[pb.DialRequest]:
    """Make dial requests with distinct tokens."""
    return [dial(f"{prefix}-{number}", **changes) for number in range(count)]


def client_dial(token: str, phone: str = PHONE) -> dialgateway.DialRequest:
    """Make a dial request of the Python client."""
    return dialgateway.DialRequest(token, phone, datetime.now(UTC) + timedelta(minutes=2))


def verdict(result: pb.DialResult) -> str:
    """Return the names of outcome, reason and advice, without unset ones."""
    words = [
        pb.Outcome.Name(result.outcome).removeprefix("OUTCOME_"),
        pb.Reason.Name(result.reason).removeprefix("REASON_"),
        pb.RetryAdvice.Name(result.retry_advice).removeprefix("RETRY_ADVICE_"),
    ]
    return " ".join(word for word in words if word != "UNSPECIFIED")


def verdicts(results: Sequence[pb.DialResult]) -> list[str]:
    """Return the verdict of each result, in the order of the requests."""
    return [verdict(result) for result in sorted(results, key=lambda result: result.index)]


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds. Tasks that the test has just started begin in any case."""
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.sleep(0)
        while not condition():  # noqa: ASYNC110 - whatever it is, it need not tell
            await asyncio.sleep(0.005)


@dataclass
class Caller:
    """One stream that a test controls."""

    call: "StreamCall"
    notices: list[pb.Notice] = field(default_factory=list)

    async def send(self, *requests: pb.DialRequest, campaign: str = CAMPAIGN, priority: int = 0) -> None:
        """Send one message; its priority may be a number that the contract does not define."""
        message = pb.StreamDialRequestsRequest(
            campaign_id=campaign,
            dial_requests=requests,
            priority=priority,  # type: ignore[arg-type]
        )
        async with asyncio.timeout(PATIENCE_S):
            await self.call.write(message)

    async def finish(self) -> None:
        """Half-close."""
        await self.call.done_writing()

    async def message(self) -> pb.StreamDialRequestsResponse | None:
        """Read one message; None at the end of the stream."""
        async with asyncio.timeout(PATIENCE_S):
            message = await self.call.read()
        if message is grpc.aio.EOF:
            return None
        response = cast("pb.StreamDialRequestsResponse", message)
        if response.HasField("notice"):
            self.notices.append(response.notice)
        return response

    async def read(self, count: int) -> list[pb.DialResult]:
        """Read until there are `count` results."""
        results: list[pb.DialResult] = []
        while len(results) < count and (message := await self.message()) is not None:
            results.extend(message.results)
        return results

    async def rest(self) -> list[pb.DialResult]:
        """Read to the end of the stream; `status` returns how it ended."""
        results: list[pb.DialResult] = []
        try:
            while (message := await self.message()) is not None:
                results.extend(message.results)
        except grpc.aio.AioRpcError:
            pass
        return results

    async def ask(self, *requests: pb.DialRequest, campaign: str = CAMPAIGN) -> list[pb.DialResult]:
        """Send, half-close, and read to the end. A stream that ends before that is read as well."""
        with suppress(grpc.aio.AioRpcError):
            await self.send(*requests, campaign=campaign)
            await self.finish()
        return await self.rest()

    async def status(self) -> grpc.StatusCode:
        """Wait for the end of the stream, and return its status code."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.call.code()


@dataclass
class World:
    """A running gateway, its Connect, and its spans."""

    simulator: Simulator
    gateway: Gateway
    port: int
    exporter: InMemorySpanExporter
    channel: grpc.aio.Channel

    @property
    def stub(self) -> "DialRequestServiceAsyncStub":
        """The generated stub."""
        return stub_of(self.channel)

    @property
    def target(self) -> str:
        """Where the gateway listens."""
        return f"127.0.0.1:{self.port}"

    def stream(self, **options: Any) -> Caller:
        """Open a stream."""
        return Caller(self.stub.StreamDialRequests(**options))

    async def ask(self, *requests: pb.DialRequest, campaign: str = CAMPAIGN) -> list[pb.DialResult]:
        """Send requests on a new stream; return their results in the order of the requests."""
        results = await self.stream().ask(*requests, campaign=campaign)
        return sorted(results, key=lambda result: result.index)

    async def put(
        self, *requests: pb.DialRequest, campaign: str = CAMPAIGN, timeout_s: float = PATIENCE_S
    ) -> list[pb.DialResult]:
        """Send requests in a unary call; return their results."""
        message = pb.PutDialRequestsRequest(campaign_id=campaign, dial_requests=requests)
        return list((await self.stub.PutDialRequests(message, timeout=timeout_s)).results)

    def fault(self, kind: FaultKind, **values: Any) -> None:
        """Inject a fault at Connect."""
        self.simulator.connect.add_fault(Fault(kind=kind, **values))

    def hang(self, **values: Any) -> None:
        """Let Connect receive calls and never answer."""
        self.fault(FaultKind.NO_ANSWER, **values)

    def calls(self, campaign: str | None = None) -> list[CallRecord]:
        """Return the calls for dial requests that Connect received, for one campaign or all."""
        return [call for call in self.simulator.connect.journal if campaign in (None, call.campaign)]

    def state_calls(self) -> int:
        """Return how often Connect was asked for the states of campaigns."""
        return sum(self.simulator.connect.stats().calls.get("GetCampaignStateBatch", {}).values())

    def dialed(self, token: str, campaign: str = CAMPAIGN) -> int:
        """Return how often Connect dialed a token."""
        return self.simulator.connect.journal.dials(campaign)[campaign, token]

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Return the ended spans whose name contains `name`."""
        return [span for span in self.exporter.get_finished_spans() if name in span.name]


def stub_of(channel: grpc.aio.Channel) -> "DialRequestServiceAsyncStub":
    """Return the generated stub of a channel."""
    return cast("DialRequestServiceAsyncStub", DialRequestServiceStub(channel))


@dataclass(frozen=True, kw_only=True)
class WorldOptions:
    """Options of a world, next to the gateway's settings."""

    simulator: SimulatorSettings = field(default_factory=lambda: SimulatorSettings(call_rate=0))
    endpoint: str | None = None
    keys: tuple[str, str] | None = None
    no_keys: bool = False
    rng: random.Random = field(default_factory=SmallestJitter)
    tracing: bool = True
    wall: Callable[[], float] = time.time
    aws: Callable[[], float] = time.time
    keepalive: Keepalive | None = None
    faults: Sequence[Fault] = ()


def _connect(chosen: Settings, url: str, options: WorldOptions, directory: CampaignDirectory) -> ConnectPort:
    """Return the Connect adapter as the command makes it, with other keys, or with keys that boto3 finds."""
    keys = options.keys
    if keys is None and not options.no_keys:
        return connect_for(chosen, url, AccessKeys.fixed(*SIMULATOR_KEYS), directory)
    return BotoConnect(
        threads=chosen.max_concurrent_calls,
        timeout_s=chosen.call_timeout,
        endpoint_url=url,
        region="us-east-1",
        credentials=keys,
    )


@asynccontextmanager
async def world_of(options: WorldOptions | None = None, **settings: Any) -> AsyncIterator[World]:
    """Run a world, by default without a call limit, with a short linger and time-out."""
    options = options or WorldOptions()
    chosen = Settings(
        **{
            "listen": "127.0.0.1:0",
            "admin_listen": "127.0.0.1:0",
            "call_rate": 0.0,
            "linger": 0.02,
            "call_timeout": 5.0,
            **settings,
        }
    )
    async with Simulator(options.simulator, clock=options.aws) as simulator:
        for fault in options.faults:
            simulator.connect.add_fault(fault)
        directory, url = directory_of(chosen), options.endpoint or simulator.url
        connect = _connect(chosen, url, options, directory)
        listers = listers_for(chosen, url, AccessKeys.fixed(*(options.keys or SIMULATOR_KEYS)))
        exporter = InMemorySpanExporter()
        telemetry = telemetry_with(*([SimpleSpanProcessor(exporter)] if options.tracing else []))
        clock = SystemClock(wall=options.wall)
        gateway = Gateway(
            chosen,
            connect,
            telemetry,
            options.rng,
            clock=clock,
            keepalive=options.keepalive,
            directory=directory,
            listers=listers,
        )
        port = await gateway.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield World(simulator, gateway, port, exporter, channel)
        finally:
            await gateway.stop(0.2)
