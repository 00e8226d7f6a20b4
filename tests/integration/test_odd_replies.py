"""Invalid replies of Connect, over real sockets through each sender's parser: all requests are answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.connect.port import PutReply
from gateway.core.errors import CallFailure
from gateway.core.model import DialRequest
from gateway.settings import SenderName
from tests.cases import cases
from tests.integration.world import WorldOptions, dials, verdicts, world_of
from tests.senders import EACH_SENDER, Sender, sender_of

PHONE = "+12065550177"
Say = Callable[[list[str]], tuple[int, dict[str, str], bytes]]


class OddConnect:
    """A server that answers each call with the status, headers and body that `say` returns."""

    def __init__(self) -> None:
        self.say: Say = lambda _: (200, {}, b"{}")
        self.url = ""
        self.calls = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection one after the other."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                asked = json.loads(await reader.readexactly(length))
                tokens = [item["clientToken"] for item in asked.get("dialRequests", ())]
                self.calls += 1
                status, headers, body = self.say(tokens)
                lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def odd_connect() -> AsyncIterator[OddConnect]:
    """Serve on a port of its own."""
    odd = OddConnect()
    server = await asyncio.start_server(odd.serve, "127.0.0.1", 0)
    odd.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield odd
    finally:
        server.close()


def accepted(tokens: list[str], id_: Any) -> bytes:
    """Return a reply that accepts all under an id."""
    return json.dumps(
        {"successfulRequests": [{"clientToken": token, "id": id_} for token in tokens]}
    ).encode()


@pytest.mark.parametrize("id_", [7, None, ["x"], {"a": 1}, "\ud800", "a\nb", "x" * 10_000], ids=ascii)
@EACH_SENDER
async def test_an_unreadable_id(sender: SenderName, id_: Any) -> None:
    """An acceptance with an unreadable id is in doubt, and accepted once a valid reply comes."""
    async with odd_connect() as odd, world_of(WorldOptions(endpoint=odd.url), sender=sender) as world:
        odd.say = lambda tokens: (200, {}, accepted(tokens, id_ if odd.calls == 1 else "id"))
        assert verdicts(await world.ask(*dials(30))) == ["ACCEPTED"] * 30
        odd.say = lambda tokens: (200, {}, accepted(tokens, id_))
        results = await world.ask(*dials(3, "doubt"))
        assert verdicts(results) == ["UNKNOWN CONNECT_ERROR SAME_TOKEN"] * 3


@pytest.mark.parametrize("state", [7, None, ["x"], "\ud800", "Ada\n" * 100, "Novel"], ids=ascii)
@EACH_SENDER
async def test_an_unreadable_state(sender: SenderName, state: Any) -> None:
    """A campaign with an unreadable state is parked; notices name the state by a fixed word."""
    async with odd_connect() as odd, world_of(WorldOptions(endpoint=odd.url), sender=sender) as world:
        error = {"x-amzn-ErrorType": "InvalidCampaignStateException"}
        odd.say = lambda _: (409, error, json.dumps({"message": "m", "state": state}).encode())
        (result,) = await world.ask(*dials(1, expires_in=8.0))
        assert verdicts([result]) == ["EXPIRED CAMPAIGN_NOT_RUNNING SAME_TOKEN"]


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, b""),
        (200, {}, b"null"),
        (200, {}, b"[]"),
        (200, {}, b"7"),
        (200, {}, b'"x"'),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"{" * 5_000),
        (200, {}, b'{"successfulRequests": 7, "failedRequests": "x"}'),
        (200, {}, b'{"successfulRequests": [7, null, [], "x"]}'),
        (200, {"x-amzn-RequestId": "\x01\x7f"}, b"{}"),
        (400, {"x-amzn-ErrorType": "\x7f"}, b"[]"),
        (403, {}, b'{"code": ["x"], "message": {"a": 1}}'),
        (500, {}, b"<html>"),
        (599, {}, b"\x00"),
    ],
)
@EACH_SENDER
async def test_an_unreadable_reply(
    sender: SenderName, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Whatever the reply is, every request has one answer, and the gateway serves later requests."""
    async with odd_connect() as odd, world_of(WorldOptions(endpoint=odd.url), sender=sender) as world:
        odd.say = lambda _: (status, headers, body)
        results = await world.ask(*dials(30))
        assert len(results) == 30
        odd.say = lambda tokens: (200, {}, accepted(tokens, "id"))
        assert verdicts(await world.ask(*dials(30, "next"))) == ["ACCEPTED"] * 30


names = st.sampled_from(
    ["successfulRequests", "failedRequests", "clientToken", "id", "failureCode", "state", "__type"]
)
texts = st.text(st.characters()) | st.sampled_from(["t-0", "t-1", "InvalidInput", "UnknownError", "Running"])
scalars = st.none() | st.booleans() | st.integers() | texts
entries = st.lists(
    st.dictionaries(names, scalars | st.lists(scalars, max_size=2), max_size=4) | scalars, max_size=4
)
bodies = st.dictionaries(names, entries | scalars, max_size=4)
codes = st.sampled_from(
    [
        "ValidationException",
        "InvalidCampaignStateException",
        "ExpiredTokenException",
        "ThrottlingException",
        "Odd",
    ]
)


@EACH_SENDER
def test_any_reply(sender: SenderName) -> None:
    """Any JSON with any status becomes a reply about the requested tokens, or a known failure."""
    with asyncio.Runner() as runner:
        context = odd_connect()
        odd = runner.run(context.__aenter__())
        connect = runner.run(_adapter(odd.url, sender))

        @settings(max_examples=cases(50, 200), deadline=None, suppress_health_check=list(HealthCheck))
        @given(status=st.sampled_from([200, 200, 200, 400, 403, 409, 500]), code=codes, body=bodies)
        def ask(status: int, code: str, body: Any) -> None:
            headers = {"x-amzn-ErrorType": code} if status >= 400 else {}
            odd.say = lambda _: (status, headers, json.dumps(body).encode())
            runner.run(_asked(connect))

        ask()
        runner.run(connect.close())
        runner.run(context.__aexit__(None, None, None))


async def _adapter(url: str, sender: SenderName) -> Sender:
    return sender_of(
        sender,
        calls=1,
        timeout_s=5.0,
        endpoint_url=url,
        region="us-east-1",
        credentials=("simulator", "simulator"),
    )


async def _asked(connect: Sender) -> None:
    requests = [DialRequest("c", f"t-{number}", PHONE, {}, 1.9e9, 0) for number in range(2)]
    try:
        reply: PutReply = await connect.put_dial_requests("c", requests)
    except CallFailure as failure:
        str(failure).encode()
        return
    assert reply.accepted.keys() | reply.failed.keys() <= {"t-0", "t-1"}
    for text in (*reply.accepted.values(), reply.request_id):
        assert text.isascii()
        assert text.isprintable()
