"""The real boto3 client gets the simulator's answers over a real socket."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from gateway.simulator import CampaignState, Fault, FaultKind, Simulator, SimulatorSettings
from tests.stopwatch import Stopwatch

if TYPE_CHECKING:
    from mypy_boto3_connectcampaigns import ConnectCampaignServiceClient

    from tests.simulator.conftest import DialRequests, MakeClient

PUT = "PutDialRequestBatch"


async def put(client: ConnectCampaignServiceClient, requests: Any, campaign: str = "campaign") -> Any:
    return await asyncio.to_thread(client.put_dial_request_batch, id=campaign, dialRequests=requests)


async def refusal(client: ConnectCampaignServiceClient, requests: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        await put(client, requests)
    return caught.value


async def test_a_full_batch(
    simulator: Simulator, client: ConnectCampaignServiceClient, dial_requests: DialRequests
) -> None:
    """25 dial requests are accepted by their tokens, and the answer names its request id."""
    tokens = [f"token-{index}" for index in range(25)]
    answer = await put(client, dial_requests(*tokens))
    assert {item["clientToken"] for item in answer["successfulRequests"]} == set(tokens)
    assert answer["failedRequests"] == []
    (call,) = simulator.connect.journal
    assert answer["ResponseMetadata"]["RequestId"] == call.request_id
    assert call.access_key == "simulator"
    assert {item["clientToken"]: item["id"] for item in answer["successfulRequests"]} == {
        item.token: item.id for item in call.accepted
    }


async def test_failed_items_have_their_codes(
    client: ConnectCampaignServiceClient, dial_requests: DialRequests
) -> None:
    """An item with a bad phone number is in failedRequests with its token and code."""
    bad, good = dial_requests("bad", "good")
    answer = await put(client, [{**bad, "phoneNumber": "0"}, good])
    (failed,) = answer["failedRequests"]
    assert (failed["clientToken"], failed["failureCode"]) == ("bad", "InvalidInput")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 403),
        ("ConflictException", 409),
        ("InternalServerException", 500),
        ("ResourceNotFoundException", 404),
        ("ThrottlingException", 429),
        ("ValidationException", 400),
    ],
)
async def test_each_exception_arrives_as_its_own_class(
    simulator: Simulator,
    client: ConnectCampaignServiceClient,
    dial_requests: DialRequests,
    code: str,
    status: int,
) -> None:
    """Each modeled exception is raised as its own class, with its status, message and request id."""
    simulator.connect.add_fault(Fault(kind=FaultKind.EXCEPTION, code=code, message="as injected"))
    error = await refusal(client, dial_requests("a"))
    assert type(error) is getattr(client.exceptions, code)
    assert error.response["Error"] == {"Code": code, "Message": "as injected"}
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.response["ResponseMetadata"]["RequestId"]


async def test_the_campaigns_state_arrives(
    simulator: Simulator, client: ConnectCampaignServiceClient, dial_requests: DialRequests
) -> None:
    """InvalidCampaignStateException arrives as its own class, with the state."""
    simulator.connect.set_state("campaign", CampaignState.STOPPED)
    error = await refusal(client, dial_requests("a"))
    assert type(error) is client.exceptions.InvalidCampaignStateException
    assert dict(error.response)["state"] == "Stopped"


async def test_a_code_that_the_model_does_not_know(
    simulator: Simulator, client: ConnectCampaignServiceClient, dial_requests: DialRequests
) -> None:
    """A 503 with an unknown code is a plain ClientError with that code."""
    simulator.connect.add_fault(Fault(kind=FaultKind.EXCEPTION, code="ServiceUnavailable", status=503))
    error = await refusal(client, dial_requests("a"))
    assert type(error) is ClientError
    assert error.response["Error"]["Code"] == "ServiceUnavailable"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503


async def test_violations_that_botocore_does_not_check_are_refused(
    simulator: Simulator, client: ConnectCampaignServiceClient, dial_requests: DialRequests
) -> None:
    """26 items, a bad token and a duplicate token are ValidationExceptions, and counted as illegal."""
    good = dial_requests(*(str(index) for index in range(26)))
    for requests in (good, dial_requests("a b"), dial_requests("a", "a")):
        assert type(await refusal(client, requests)) is client.exceptions.ValidationException
    assert simulator.connect.stats().illegal_calls == 3
    assert simulator.connect.journal.dials() == {}


@pytest.mark.timed
async def test_throttling_at_the_rate(make_client: MakeClient, dial_requests: DialRequests) -> None:
    """Calls beyond the burst are ThrottlingExceptions, and pass again when the bucket has refilled."""
    now = time.time()
    async with Simulator(SimulatorSettings(call_rate=10, call_burst=2), clock=lambda: now) as simulator:
        client = make_client(simulator.url)
        for token in ("a", "b"):
            await put(client, dial_requests(token))
        assert type(await refusal(client, dial_requests("c"))) is client.exceptions.ThrottlingException
        now += 0.1
        await put(client, dial_requests("c"))
        assert simulator.connect.stats().calls[PUT] == {"OK": 3, "ThrottlingException": 1}


@pytest.mark.parametrize("after_work", [False, True])
async def test_a_reset_connection(
    simulator: Simulator,
    client: ConnectCampaignServiceClient,
    dial_requests: DialRequests,
    *,
    after_work: bool,
) -> None:
    """A reset looks the same to the client before and after the work; the journal records which it was."""
    simulator.connect.add_fault(Fault(kind=FaultKind.RESET, after_work=after_work, count=1))
    with pytest.raises(ConnectionClosedError):
        await put(client, dial_requests("a"))
    assert len(simulator.connect.journal.dials()) == after_work
    await put(client, dial_requests("a"))
    assert simulator.connect.journal.dials() == {("campaign", "a"): 1}
    assert simulator.connect.stats().items.get("replayed", 0) == after_work


async def test_a_reset_is_a_tcp_reset(simulator: Simulator) -> None:
    """The connection ends with a TCP reset, not with an orderly end that a client may take for an answer."""
    simulator.connect.add_fault(Fault(kind=FaultKind.RESET, operation="GetCampaignState"))
    request = AWSRequest("GET", f"{simulator.url}/campaigns/a/state", headers={"Host": simulator.url[7:]})
    SigV4Auth(Credentials("test", "test"), "connect-campaigns", "us-east-1").add_auth(request)
    head = "".join(f"{name}: {text}\r\n" for name, text in request.headers.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))
    writer.write(f"GET /campaigns/a/state HTTP/1.1\r\n{head}\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


@pytest.mark.timed
async def test_no_answer(simulator: Simulator, make_client: MakeClient, dial_requests: DialRequests) -> None:
    """Without an answer the client reaches its own time-out, and the simulator keeps serving."""
    simulator.connect.add_fault(Fault(kind=FaultKind.NO_ANSWER, after_work=True, count=1))
    client = make_client(simulator.url, read_timeout_s=2.0)
    with pytest.raises(ReadTimeoutError):
        await put(client, dial_requests("a"))
    answer = await put(client, dial_requests("a"))
    assert len(answer["successfulRequests"]) == 1
    assert simulator.connect.journal.dials() == {("campaign", "a"): 1}


@pytest.mark.timed
async def test_an_answer_after_the_time_out(
    simulator: Simulator, make_client: MakeClient, dial_requests: DialRequests
) -> None:
    """The work is done when the request arrives; nothing keeps waiting for a client that has given up."""
    simulator.connect.add_fault(Fault(kind=FaultKind.LATENCY, latency_s=60))
    before = len(asyncio.all_tasks())
    client = make_client(simulator.url, read_timeout_s=1.0)
    with pytest.raises(ReadTimeoutError):
        await put(client, dial_requests("a"))
    client.close()
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - a task that ends sets no event
            await asyncio.sleep(0.001)
    assert simulator.connect.journal.dials() == {("campaign", "a"): 1}


@pytest.mark.parametrize("kind", [FaultKind.NO_ANSWER, FaultKind.LATENCY])
@pytest.mark.timed
async def test_closing_does_not_wait_for_hanging_requests(
    make_client: MakeClient, dial_requests: DialRequests, kind: FaultKind
) -> None:
    """Closing is prompt and ends hanging requests; afterwards the port is closed."""
    simulator = Simulator(SimulatorSettings())
    await simulator.start()
    simulator.connect.add_fault(Fault(kind=kind, latency_s=60))
    client = make_client(simulator.url)
    hanging = asyncio.create_task(put(client, dial_requests("a")))
    while not len(simulator.connect.journal):  # noqa: ASYNC110 - the journal is plain data
        await asyncio.sleep(0.001)
    watch = Stopwatch()
    await simulator.close()
    with pytest.raises(ConnectionClosedError):
        await hanging
    assert watch.took_s < 1.0
    with pytest.raises(EndpointConnectionError):
        await put(client, dial_requests("a"))
    await simulator.close()


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [
        ("simulator", "wrong", "InvalidSignatureException"),
        ("AKIDSTRANGER", "wrong", "UnrecognizedClientException"),
    ],
)
async def test_wrong_credentials(
    simulator: Simulator,
    make_client: MakeClient,
    dial_requests: DialRequests,
    key: str,
    secret: str,
    code: str,
) -> None:
    """A wrong secret and an unknown key are refused with AWS's codes, before any operation."""
    error = await refusal(make_client(simulator.url, key=key, secret=secret), dial_requests("a"))
    assert error.response["Error"]["Code"] == code
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert simulator.connect.stats().refused == {code: 1}
    assert simulator.connect.stats().calls == {}


async def test_skewed_clock(make_client: MakeClient, dial_requests: DialRequests) -> None:
    """A client whose clock is six minutes off gets an invalid-signature error that states the reason."""
    async with Simulator(SimulatorSettings(), clock=lambda: time.time() + 360) as simulator:
        error = await refusal(make_client(simulator.url), dial_requests("a"))
    assert error.response["Error"]["Code"] == "InvalidSignatureException"
    assert "Signature expired" in error.response["Error"]["Message"]


async def test_credentials_of_the_settings_and_verification_off(
    make_client: MakeClient, dial_requests: DialRequests
) -> None:
    """Credentials from the settings are accepted; with verification off any are."""
    async with Simulator(SimulatorSettings(credentials={"AKIDOWN": "mine"})) as simulator:
        await put(make_client(simulator.url, key="AKIDOWN", secret="mine"), dial_requests("a"))
    async with Simulator(SimulatorSettings(verify_signatures=False)) as simulator:
        await put(make_client(simulator.url, key="AKIDOWN", secret="other"), dial_requests("a"))


async def test_unsigned(simulator: Simulator) -> None:
    """A request without a signature is refused with a missing token; the control endpoint needs none."""
    async with aiohttp.ClientSession(simulator.url) as session:
        async with session.get("/campaigns/a/state") as response:
            assert response.status == 403
            assert response.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
            assert response.headers["x-amzn-RequestId"]
        async with session.post("/_control/faults", json={"kind": "reset"}) as response:
            assert await response.json() == {"id": 1}
        async with session.get("/_control/stats") as response:
            assert (await response.json())["refused"] == {"MissingAuthenticationTokenException": 1}
        async with session.delete("/_control/nothing") as response:
            assert response.status == 404


def _live(client: ConnectCampaignServiceClient) -> None:
    campaign = client.create_campaign(
        name="autumn",
        connectInstanceId="instance",
        dialerConfig={"progressiveDialerConfig": {"bandwidthAllocation": 0.5}},
        outboundCallConfig={"connectContactFlowId": "flow"},
    )["id"]
    states = [client.get_campaign_state(id=campaign)["state"]]
    for move in (
        client.start_campaign, client.pause_campaign, client.resume_campaign, client.stop_campaign
    ):  # fmt: skip
        move(id=campaign)
        states.append(client.get_campaign_state(id=campaign)["state"])
    assert states == ["Initialized", "Running", "Paused", "Running", "Stopped"]
    with pytest.raises(client.exceptions.InvalidCampaignStateException) as caught:
        client.resume_campaign(id=campaign)
    assert dict(caught.value.response)["state"] == "Stopped"
    assert client.describe_campaign(id=campaign)["campaign"]["name"] == "autumn"
    assert [each["id"] for each in client.list_campaigns()["campaignSummaryList"]] == [campaign]
    client.delete_campaign(id=campaign)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_campaign(id=campaign)
    answer = client.get_campaign_state_batch(campaignIds=["any", campaign])
    assert answer["successfulRequests"] == [{"campaignId": "any", "state": "Running"}]
    assert answer["failedRequests"] == [{"campaignId": campaign, "failureCode": "ResourceNotFound"}]


async def test_the_life_of_a_campaign(client: ConnectCampaignServiceClient) -> None:
    """A campaign is created, started, paused, resumed, stopped, described, listed and deleted."""
    await asyncio.to_thread(_live, client)


@pytest.mark.parametrize("campaign", ["a/b", "arn:aws:x:campaign/1", "a%2Fb", "ü", "a?b#c", "-._~"])
async def test_odd_campaign_ids(
    simulator: Simulator, client: ConnectCampaignServiceClient, dial_requests: DialRequests, campaign: str
) -> None:
    """An id that must be percent-encoded in the path is signed, routed and decoded correctly."""
    await put(client, dial_requests("a"), campaign)
    assert simulator.connect.journal.dials() == {(campaign, "a"): 1}


async def test_a_body_over_a_mebibyte(
    client: ConnectCampaignServiceClient, dial_requests: DialRequests
) -> None:
    """A legal call with long attributes is accepted, though it is larger than aiohttp's default limit."""
    long = {f"key-{index}": "x" * 32767 for index in range(3)}
    requests = [
        {**request, "attributes": long} for request in dial_requests(*(str(index) for index in range(25)))
    ]
    assert len((await put(client, requests))["successfulRequests"]) == 25


async def test_a_body_over_the_limit(make_client: MakeClient, dial_requests: DialRequests) -> None:
    """A body over the limit is refused with 413, and the simulator keeps serving."""
    async with Simulator(SimulatorSettings(max_body_bytes=1000)) as simulator:
        client = make_client(simulator.url)
        error = await refusal(client, dial_requests(*(str(index) for index in range(25))))
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        await put(client, dial_requests("a"))


async def test_an_address_in_use(simulator: Simulator) -> None:
    """An address in use is an OSError, and nothing stays open; starting twice is an error."""
    port = int(simulator.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await Simulator(SimulatorSettings(port=port)).start()
    with pytest.raises(RuntimeError, match="already started"):
        await simulator.start()


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_that_is_accepted_as_the_simulator_closes(turns: int) -> None:
    """It is closed too, however many turns of the event loop it was there before."""
    async with Simulator(SimulatorSettings()) as simulator:
        _, _, port = simulator.url.rpartition(":")
        caller = socket.create_connection(("127.0.0.1", int(port)))
        for _ in range(turns):
            await asyncio.sleep(0)
    with caller, suppress(ConnectionResetError):
        caller.settimeout(5.0)
        assert caller.recv(1) == b""
