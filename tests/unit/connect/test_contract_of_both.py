"""One contract for both versions of Connect's API and both senders: real sockets, against the simulator."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.connect.api_versions import APIS, ApiName
from gateway.connect.port import ConnectPort
from gateway.core import errors
from gateway.core.channels import AnswerMachineDetection, Email, Sms, Telephony, WhatsApp
from gateway.core.model import DialRequest, ItemFailure
from gateway.settings import SenderName
from gateway.simulator import BufferSize, CampaignState, Fault, FaultKind, Quota, Simulator, SimulatorSettings
from tests.senders import SENDERS, Sender, sender_of

PHONE = "+12065550177"
CAMPAIGN = "campaign-1"
STATES = "GetCampaignStateBatch"


@dataclass
class Bench:
    """The adapter of one version of the API, and the simulator that it talks to."""

    api: ApiName
    simulator: Simulator
    connect: Sender

    @property
    def put_operation(self) -> str:
        return APIS[self.api].put_operation

    def fault(self, kind: FaultKind, **values: Any) -> None:
        self.simulator.connect.add_fault(Fault(kind=kind, **values))

    async def put(self, *tokens: str, phone: str = PHONE, campaign: str = CAMPAIGN) -> Any:
        expiration = time.time() + 300
        requests = [DialRequest(campaign, token, phone, {"k": "v"}, expiration, 0) for token in tokens]
        return await self.connect.put_dial_requests(campaign, requests)

    async def failure(self) -> errors.CallFailure:
        with pytest.raises(errors.CallFailure) as caught:
            await self.put("a")
        assert PHONE not in repr(caught.value)
        return caught.value


@asynccontextmanager
async def running(
    api: ApiName,
    sender: SenderName,
    *,
    key: str = "simulator",
    timeout_s: float = 5.0,
    calls: int = 2,
    endpoint_url: str | None = None,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """Run a simulator with an adapter that calls it, or calls `endpoint_url` instead."""
    async with Simulator(SimulatorSettings(**({"call_rate": 0} | settings))) as simulator:
        connect = sender_of(
            sender,
            calls=calls,
            timeout_s=timeout_s,
            endpoint_url=endpoint_url or simulator.url,
            region="us-east-1",
            credentials=(key, "simulator"),
            api=api,
        )
        try:
            yield Bench(api, simulator, connect)
        finally:
            await connect.close()


@pytest.fixture(params=["v1", "v2"])
def api(request: pytest.FixtureRequest) -> ApiName:
    chosen: ApiName = request.param
    return chosen


@pytest.fixture(params=SENDERS)
def sender(request: pytest.FixtureRequest) -> SenderName:
    chosen: SenderName = request.param
    return chosen


@pytest.fixture
async def bench(api: ApiName, sender: SenderName) -> AsyncIterator[Bench]:
    async with running(api, sender) as bench:
        yield bench


async def test_it_is_a_port(bench: Bench) -> None:
    """The sender implements the port."""
    port: ConnectPort = bench.connect
    assert bench.connect.endpoint == bench.simulator.url
    assert await port.campaign_states([CAMPAIGN]) == {CAMPAIGN: "Running"}


async def test_a_full_call_is_accepted(bench: Bench) -> None:
    """25 dial requests are accepted in one call of the API's own operation, each with its id."""
    tokens = [f"t-{number}" for number in range(25)]
    reply = await bench.put(*tokens)
    (call,) = bench.simulator.connect.journal
    assert reply.accepted == {item.token: item.id for item in call.accepted}
    assert (set(reply.accepted), reply.failed) == (set(tokens), {})
    assert (call.operation, call.campaign, call.items) == (bench.put_operation, CAMPAIGN, 25)
    assert reply.request_id == call.request_id


ODD_IDS = [
    "a/b",
    "%2e%2e",
    "a%2Fb",
    "a?b=c",
    "a#b",
    "a;b",
    "a+b",
    "a&b",
    "...",
    "\u00e4",
    "\U0001f600",
    "a\\b",
    "a\x00b",
]


@pytest.mark.parametrize("campaign", ODD_IDS, ids=ascii)
@pytest.mark.parametrize("api", ["v1"])
async def test_an_odd_campaign_id_arrives_as_it_is(bench: Bench, campaign: str) -> None:
    """Whatever V1 takes as an id is signed and arrives as that id, and changes no other part of the call."""
    assert APIS["v1"].campaign_problem(campaign) is None
    await bench.put("a", campaign=campaign)
    (call,) = bench.simulator.connect.journal
    assert (call.operation, call.campaign) == ("PutDialRequestBatch", campaign)
    assert await bench.connect.campaign_states([campaign]) == {campaign: "Running"}


@pytest.mark.parametrize("campaign", ["a/b", "a//b", "/", "a:b", "arn:aws:x:y/z"])
@pytest.mark.parametrize("api", ["v2"])
async def test_an_odd_campaign_id_of_v2(bench: Bench, campaign: str) -> None:
    """A valid id of V2 arrives unchanged. An invalid one is refused before any call."""
    assert APIS["v2"].campaign_problem(campaign) is None
    await bench.put("a", campaign=campaign)
    (call,) = bench.simulator.connect.journal
    assert (call.operation, call.campaign) == ("PutOutboundRequestBatch", campaign)


@pytest.mark.parametrize("api", ["v2"])
async def test_a_campaign_id_that_connect_refuses(bench: Bench) -> None:
    """A ValidationException about the campaign id is distinguished from one about an item."""
    with pytest.raises(errors.CampaignInvalid):
        await bench.put("a", campaign="summer_2026")
    with pytest.raises(errors.CallInvalid):
        await bench.put("a", phone="nonsense")


async def test_a_token_sent_again(bench: Bench) -> None:
    """An accepted token gets the same id again, and nobody is dialed twice."""
    first = await bench.put("a")
    assert (await bench.put("a")).accepted == first.accepted
    assert bench.simulator.connect.journal.dials() == {(CAMPAIGN, "a"): 1}


@pytest.mark.parametrize(
    ("api", "code", "failure"),
    [
        ("v1", "InvalidInput", ItemFailure.INVALID_INPUT),
        ("v1", "RequestThrottled", ItemFailure.CAPACITY),
        ("v1", "UnknownError", ItemFailure.UNKNOWN_ERROR),
        ("v1", "BufferLimitExceeded", ItemFailure.UNKNOWN_ERROR),
        ("v2", "InvalidInput", ItemFailure.INVALID_INPUT),
        ("v2", "RequestThrottled", ItemFailure.RATE),
        ("v2", "BufferLimitExceeded", ItemFailure.CAPACITY),
        ("v2", "UnknownError", ItemFailure.UNKNOWN_ERROR),
        ("v2", "Novelty", ItemFailure.UNKNOWN_ERROR),
    ],
)
async def test_each_failure_of_an_item(bench: Bench, code: str, failure: ItemFailure) -> None:
    """Each failure code has its meaning in its API, and does not affect the other items."""
    bench.fault(FaultKind.ITEM_FAILURE, code=code, token="b")
    reply = await bench.put("a", "b")
    assert (set(reply.accepted), reply.failed) == ({"a"}, {"b": failure})


async def test_a_campaign_without_room(bench: Bench) -> None:
    """What does not fit into a campaign's buffer fails for capacity in both, whatever the code."""
    bench.simulator.connect.set_buffer(CAMPAIGN, BufferSize(1))
    reply = await bench.put("a", "b")
    assert (set(reply.accepted), reply.failed) == ({"a"}, {"b": ItemFailure.CAPACITY})


async def test_a_number_that_connect_refuses(bench: Bench) -> None:
    """A phone number that passes the model but is not one is InvalidInput for its item."""
    assert (await bench.put("a", phone="0")).failed == {"a": ItemFailure.INVALID_INPUT}


@pytest.mark.parametrize("api", ["v2"])
async def test_excessive_usage_of_v2(bench: Bench) -> None:
    """V2's own throttle of items is about the rate."""
    bench.fault(FaultKind.RATE, count=1)
    reply = await bench.put("a", "b")
    assert reply.failed == {"a": ItemFailure.RATE}


async def test_items_in_no_list_and_in_both(bench: Bench) -> None:
    """An item that Connect forgets is in neither list. One that it reports twice counts as accepted."""
    bench.fault(FaultKind.ITEM_MISSING, token="a")
    bench.fault(FaultKind.ITEM_IN_BOTH, code="UnknownError", token="b")
    reply = await bench.put("a", "b", "c")
    assert (set(reply.accepted), reply.failed) == ({"b", "c"}, {})


@pytest.mark.parametrize(
    ("code", "status", "failure"),
    [
        ("ThrottlingException", None, errors.RateThrottled),
        ("ValidationException", None, errors.CallInvalid),
        ("ResourceNotFoundException", None, errors.CampaignNotFound),
        ("AccessDeniedException", None, errors.AccessDenied),
        ("ConflictException", None, errors.CallConflict),
        ("InternalServerException", None, errors.ConnectFailed),
        ("ServiceUnavailable", 503, errors.ConnectFailed),
        ("ExpiredTokenException", 400, errors.CredentialsExpired),
    ],
)
async def test_each_exception(
    bench: Bench, code: str, status: int | None, failure: type[errors.CallFailure]
) -> None:
    """Each exception has one meaning, in both APIs and for both operations; the next call is fine."""
    bench.fault(FaultKind.EXCEPTION, code=code, status=status, count=2)
    assert type(await bench.failure()) is failure
    with pytest.raises(failure):
        await bench.connect.campaign_states([CAMPAIGN])
    assert set((await bench.put("a")).accepted) == {"a"}


async def test_the_quota_is_one_for_both(bench: Bench) -> None:
    """A call beyond the account's quota is RateThrottled, whichever API spent it."""
    connect = bench.simulator.connect
    connect.set_quota("PutDialRequestBatch", Quota(0.001, 2))
    assert connect.consume_quota("PutOutboundRequestBatch", 1, time.time()) == 1
    await bench.put("a")
    assert type(await bench.failure()) is errors.RateThrottled


async def test_a_campaign_that_is_not_there(bench: Bench) -> None:
    """A campaign that Connect does not know is reported as not found."""
    bench.simulator.connect.forget_campaign(CAMPAIGN)
    assert type(await bench.failure()) is errors.CampaignNotFound


@pytest.mark.parametrize("state", sorted(set(CampaignState) - {CampaignState.RUNNING}))
async def test_a_campaign_that_does_not_run(bench: Bench, state: CampaignState) -> None:
    """A campaign in another state accepts nothing, and its state is reported in the words of the API."""
    bench.simulator.connect.set_state(CAMPAIGN, state)
    failure = await bench.failure()
    assert isinstance(failure, errors.CampaignNotRunning)
    # V1's model has no Completed.
    word = "Stopped" if (bench.api, state) == ("v1", "Completed") else state
    assert failure.state == word
    assert await bench.connect.campaign_states([CAMPAIGN]) == {CAMPAIGN: word}


async def test_the_states_of_25_campaigns(bench: Bench) -> None:
    """The states of 25 campaigns are read in one call. A campaign that does not exist is NotFound."""
    ids = [f"campaign-{number}" for number in range(25)]
    bench.simulator.connect.set_state(ids[3], CampaignState.PAUSED)
    bench.simulator.connect.set_state(ids[4], CampaignState.FAILED)
    bench.simulator.connect.forget_campaign(ids[5])
    odd = {ids[3]: "Paused", ids[4]: "Failed", ids[5]: "NotFound"}
    assert await bench.connect.campaign_states(ids) == dict.fromkeys(ids, "Running") | odd
    assert bench.simulator.connect.stats().calls == {STATES: {"OK": 1}}


async def test_the_states_of_26_campaigns(bench: Bench) -> None:
    """Connect refuses more than 25, and this is reported as an invalid call."""
    with pytest.raises(errors.CallInvalid):
        await bench.connect.campaign_states([str(number) for number in range(26)])


@pytest.mark.parametrize(
    ("kind", "after_work"), [(FaultKind.RESET, False), (FaultKind.RESET, True), (FaultKind.NO_ANSWER, True)]
)
async def test_an_answer_that_is_lost(
    api: ApiName, sender: SenderName, kind: FaultKind, *, after_work: bool
) -> None:
    """Without an answer the result is unknown. The same token reveals it."""
    async with running(api, sender, timeout_s=2.0) as bench:
        bench.fault(kind, after_work=after_work, count=1)
        failure = await bench.failure()
        assert type(failure) is errors.AnswerLost
        assert failure.uncertain
        assert set((await bench.put("a")).accepted) == {"a"}
        assert bench.simulator.connect.journal.dials() == {(CAMPAIGN, "a"): 1}


async def test_states_do_not_take_the_threads_of_dial_requests(api: ApiName, sender: SenderName) -> None:
    """While Connect leaves questions after states unanswered, dial requests go on."""
    async with running(api, sender, calls=1, timeout_s=1.0) as bench:
        bench.fault(FaultKind.NO_ANSWER, operation=STATES)
        asked = [asyncio.create_task(bench.connect.campaign_states([CAMPAIGN])) for _ in range(3)]
        await asyncio.sleep(0)
        # After one of those requests it would have run out of time.
        assert set((await bench.put("a")).accepted) == {"a"}
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(end, errors.CallTransient) for end in ends)


async def test_nobody_listens(api: ApiName, sender: SenderName, closed_port: int) -> None:
    """Without a listener nothing was sent, so nothing is in doubt."""
    async with running(api, sender, endpoint_url=f"http://127.0.0.1:{closed_port}") as bench:
        failure = await bench.failure()
        assert type(failure) is errors.ConnectUnreachable
        assert not failure.uncertain
        with pytest.raises(errors.ConnectUnreachable):
            await bench.connect.campaign_states([CAMPAIGN])


async def test_a_bug_before_the_first_byte_leaves_no_doubt(api: ApiName, sender: SenderName) -> None:
    """Whatever exception a sender meets while it makes a call, nothing was sent."""
    async with running(api, sender) as bench:
        attributes: Any = {"k": object()}  # which is not JSON
        request = DialRequest(CAMPAIGN, "a", PHONE, attributes, time.time() + 300, 0)
        with pytest.raises(errors.CallUnexpected) as caught:
            await bench.connect.put_dial_requests(CAMPAIGN, [request])
        assert not caught.value.uncertain


ARN = "arn:aws:connect:us-east-1:111122223333:instance/i/phone-number/p"
CHANNELS = {
    "telephony": Telephony("+12065550199", 30, AnswerMachineDetection(enabled=True, await_prompt=True)),
    "sms": Sms(ARN, ARN),
    "email": Email("ada@example.com", "news@example.com", ARN),
    "whatsApp": WhatsApp(ARN, ARN),
}


def by_channels() -> list[DialRequest]:
    """Make a dial request of each channel, named after it, and one without a channel."""
    expiration = time.time() + 300
    return [
        DialRequest(
            CAMPAIGN, name, "" if name == "email" else PHONE, b'{"k":"v"}', expiration, 0, False, channel
        )
        for name, channel in [*CHANNELS.items(), ("none", None)]
    ]


async def test_every_channel_is_sent_with_v2(sender: SenderName) -> None:
    """Requests of all channels go in one call that satisfies the service model, and are accepted."""
    async with running("v2", sender) as bench:
        assert bench.connect.takes_channels(CAMPAIGN)
        reply = await bench.connect.put_dial_requests(CAMPAIGN, by_channels())
        assert set(reply.accepted) == {*CHANNELS, "none"}
        (call,) = bench.simulator.connect.journal
        assert call.channels == {name: name for name in ("sms", "email", "whatsApp")}
        assert bench.simulator.connect.stats().illegal_calls == 0


async def test_no_channel_is_sent_with_v1(sender: SenderName) -> None:
    """If a campaign has V1 by the time of its call, a request with a channel is not sent as a plain call."""
    async with running("v1", sender) as bench:
        assert not bench.connect.takes_channels(CAMPAIGN)
        for request in by_channels()[:-1]:
            with pytest.raises(errors.ChannelNotCarried) as caught:
                await bench.connect.put_dial_requests(CAMPAIGN, [request])
            assert not caught.value.attempted
            assert not caught.value.uncertain
        assert bench.simulator.connect.stats().calls == {}


@pytest.mark.parametrize("key", ["AKIDSTRANGER", "testing"])
async def test_wrong_credentials(api: ApiName, sender: SenderName, key: str) -> None:
    """An unknown key and a wrong secret are CredentialsRefused, for either operation."""
    async with running(api, sender, key=key) as bench:
        assert type(await bench.failure()) is errors.CredentialsRefused
        with pytest.raises(errors.CredentialsRefused):
            await bench.connect.campaign_states([CAMPAIGN])
        assert bench.simulator.connect.stats().calls == {}
