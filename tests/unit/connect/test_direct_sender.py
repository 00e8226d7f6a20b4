"""The direct sender writes and signs calls as botocore does, and reads errors with botocore's parser."""

import datetime as dt
import functools
import json
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.connect.api_versions import APIS, ApiName, expiration_for_boto3
from gateway.connect.direct_sender import DirectConnect
from gateway.connect.http_connection import Reply
from gateway.connect.signature import Signer, host_of
from gateway.connect.ticket import Ticket
from gateway.core import errors
from gateway.core.channels import AnswerMachineDetection, Email, Sms, Telephony, WhatsApp
from gateway.core.model import DialRequest
from tests.cases import cases

CLOCK = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
STAMP = "20260304T050607Z"
PHONE = "+12065550177"


class Recorder:
    """Stands for the HTTP client: keeps what would be sent, and answers with a fixed reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.sent: list[tuple[str, str, bytes, dict[str, str]]] = []

    async def send(
        self, ticket: Ticket, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> Reply:
        self.sent.append((method, path, body, headers))
        return self.reply

    async def close(self) -> None:
        """Do nothing."""


NOTHING = Reply(200, {}, b"{}")


@functools.cache
def usual(api: ApiName) -> tuple[DirectConnect, Recorder]:
    """Return a direct sender that gets empty replies, made once for all examples."""
    return direct(api, NOTHING)


def direct(api: ApiName, reply: Reply) -> tuple[DirectConnect, Recorder]:
    """Return a direct sender whose HTTP client is a recorder."""
    recorder: Any = Recorder(reply)
    sender = DirectConnect(
        calls=1,
        timeout_s=1.0,
        region="eu-west-2",
        credentials=("AKID", "secret"),
        api=api,
        client=lambda **_: recorder,
    )
    return sender, recorder


paths = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, blacklist_characters="?#"), min_size=1)


@settings(max_examples=cases(30, 100))
@given(
    campaign=paths,
    body=st.binary(max_size=200),
    token=st.none() | st.from_regex(r"[A-Za-z0-9+/=]{1,40}", fullmatch=True),
    endpoint=st.sampled_from(["https://connect.example", "http://127.0.0.1:8080", "https://x.example:443"]),
)
def test_the_signature_is_botocores(campaign: str, body: bytes, token: str | None, endpoint: str) -> None:
    """Path, body, session token and port are signed as botocore signs them."""
    sender, _ = usual("v1")
    path = sender.path_of(campaign)
    keys = ReadOnlyCredentials("AKID", "secret", token)
    request = AWSRequest("PUT", endpoint + path, {"Content-Type": "application/json"}, body)
    with mock.patch("botocore.auth.get_current_datetime", return_value=CLOCK):
        SigV4Auth(keys, "connect-campaigns", "eu-west-2").add_auth(request)

    ours = Signer("connect-campaigns", "eu-west-2", host_of(endpoint)).headers("PUT", path, body, keys, STAMP)

    assert ours["Authorization"] == request.headers["Authorization"]
    assert ours.get("X-Amz-Security-Token") == token


@pytest.mark.parametrize("keys", [("AKID\r\nX: y", "s", None), ("AKID", "s", "token\n")])
def test_credentials_that_would_add_a_header(keys: tuple[str, str, str | None]) -> None:
    """Credentials with a line break are refused: a header of their own would be sent."""
    signer = Signer("connect-campaigns", "eu-west-2", "connect.example")
    with pytest.raises(ValueError, match="control characters"):
        signer.headers("PUT", "/", b"", ReadOnlyCredentials(*keys), STAMP)


requests = st.builds(
    DialRequest,
    campaign_id=st.just("c"),
    client_token=st.text(min_size=1, max_size=64),
    phone_number=st.just(PHONE),
    attributes=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
    expiration=st.floats(0, 4e9) | st.integers(0, 4_000_000_000).map(float),
    size_bytes=st.just(0),
)


@pytest.mark.parametrize("api", APIS)
@settings(max_examples=cases(30, 100))
@given(campaign=paths, items=st.lists(requests, min_size=1, max_size=3))
async def test_the_call_is_what_botocore_serializes(
    api: ApiName, campaign: str, items: list[DialRequest]
) -> None:
    """Method, path and content of a call are those of botocore's serializer for the service model."""
    await compare_with_botocore(api, campaign, items)


texts = st.just("") | st.text(min_size=20, max_size=40)  # botocore checks the shortest length
channels = (
    st.builds(
        Telephony,
        texts,
        st.none() | st.integers(15, 60),
        st.none() | st.builds(AnswerMachineDetection, st.booleans(), st.none() | st.booleans()),
    )
    | st.builds(Sms, texts, texts)
    | st.builds(Email, st.text(min_size=1), texts, texts)
    | st.builds(WhatsApp, texts, texts)
)


@settings(max_examples=cases(30, 100))
@given(items=st.lists(st.builds(replace, requests, channel=channels), min_size=1, max_size=3))
async def test_channels_are_what_botocore_serializes(items: list[DialRequest]) -> None:
    """A call with requests of any channels has the content that botocore's serializer makes of them."""
    await compare_with_botocore("v2", "c", items)


async def compare_with_botocore(api: ApiName, campaign: str, items: list[DialRequest]) -> None:
    """Check that the direct sender sends the call that botocore would send."""
    sender, recorder = usual(api)
    recorder.sent.clear()
    await sender.put_dial_requests(campaign, items)
    ((method, path, body, _),) = recorder.sent

    model = sender.service_model.operation_model(APIS[api].put_operation)
    members = [
        APIS[api].item(request, expiration_for_boto3(request), request.attributes) for request in items
    ]
    parameters = {"id": campaign, APIS[api].items: members}
    theirs = create_serializer("rest-json").serialize_to_request(parameters, model)

    assert (method, path) == (theirs["method"], theirs["url_path"])
    assert json.loads(body) == json.loads(theirs["body"])


@pytest.mark.parametrize(
    ("headers", "body", "failure"),
    [
        ({"x-amzn-ErrorType": "ThrottlingException"}, b"{}", errors.RateThrottled),
        ({"x-amzn-errortype": "com.aws#ValidationException:http://x"}, b"{}", errors.CallInvalid),
        ({}, b'{"__type": "ResourceNotFoundException"}', errors.CampaignNotFound),
        ({}, b'{"code": "AccessDeniedException"}', errors.AccessDenied),
        ({}, b"<html>", errors.CallRefused),
        ({}, b"\xff\xfe", errors.CallRefused),
        ({}, b"", errors.CallRefused),
    ],
)
async def test_each_form_of_an_error(
    headers: dict[str, str], body: bytes, failure: type[errors.CallFailure]
) -> None:
    """botocore finds the code of an error in a header or in the body; an unreadable error has its status."""
    sender, _ = direct("v1", Reply(400, CIMultiDict(headers), body))
    with pytest.raises(errors.CallFailure) as caught:
        await sender.put_dial_requests("c", [DialRequest("c", "t", PHONE, {}, 4e9, 0)])
    assert type(caught.value) is failure


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://connect.example", "connect.example"),
        ("https://CONNECT.example:443/", "connect.example"),
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_host_that_is_signed(url: str, host: str) -> None:
    """The header has the port unless it is the scheme's own."""
    assert host_of(url) == host
