"""What each failure of boto3 means to the gateway: the adapter's translation, without a socket."""

import logging
from typing import Any

import pytest
from botocore import exceptions as foreign
from botocore.parsers import ResponseParserError

from gateway.connect.api_versions import OPERATIONS, ApiName
from gateway.connect.boto_sender import BotoConnect
from gateway.connect.failures import translated
from gateway.core import errors

PHONE = "+12065550188"
URL = "http://connect.example"


def client_error(
    code: Any,
    status: Any,
    *,
    operation: str = "PutDialRequestBatch",
    text: Any = f"about {PHONE}",
    **members: Any,
) -> foreign.ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": text},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **members,
    }
    return foreign.ClientError(response, operation)


@pytest.mark.parametrize(
    ("code", "status", "failure"),
    [
        ("ThrottlingException", 429, errors.RateThrottled),
        ("ThrottlingException", 400, errors.RateThrottled),
        ("Throttling", 400, errors.RateThrottled),
        ("TooManyRequestsException", 400, errors.RateThrottled),
        ("RequestLimitExceeded", 503, errors.RateThrottled),
        ("SomethingThrottled", 429, errors.RateThrottled),
        ("ValidationException", 400, errors.CallInvalid),
        ("SerializationException", 400, errors.CallInvalid),
        ("413", 413, errors.CallInvalid),
        ("ResourceNotFoundException", 404, errors.CampaignNotFound),
        ("AccessDeniedException", 403, errors.AccessDenied),
        ("AccessDeniedException", 400, errors.AccessDenied),
        ("UnrecognizedClientException", 403, errors.CredentialsRefused),
        ("InvalidSignatureException", 403, errors.CredentialsRefused),
        ("SignatureDoesNotMatch", 400, errors.CredentialsRefused),
        ("InvalidClientTokenId", 403, errors.CredentialsRefused),
        ("IncompleteSignature", 400, errors.CredentialsRefused),
        ("ExpiredToken", 403, errors.CredentialsExpired),
        ("ExpiredTokenException", 400, errors.CredentialsExpired),
        ("RequestTimeTooSkewed", 403, errors.ClockSkewed),
        ("RequestExpired", 400, errors.ClockSkewed),
        ("NotAuthorized", 401, errors.AccessDenied),
        ("ConflictException", 409, errors.CallConflict),
        ("RequestTimeoutException", 408, errors.ConnectFailed),
        ("InternalServerException", 500, errors.ConnectFailed),
        ("ServiceUnavailable", 503, errors.ConnectFailed),
        ("BrandNewException", 599, errors.ConnectFailed),
        ("", 0, errors.ConnectFailed),
    ],
)
def test_an_error_that_connect_answers(code: str, status: int, failure: type[errors.CallFailure]) -> None:
    """Each error code, and else its HTTP status, has one meaning."""
    assert type(translated(client_error(code, status))) is failure


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 400),
        ("AccessDeniedException", 403),
        ("ForbiddenException", 403),
        ("NotAuthorized", 400),
        ("UnauthorizedOperation", 400),
        ("WhateverForbids", 403),
    ],
)
def test_a_right_that_is_missing(operation: str, code: str, status: int) -> None:
    """A missing right is AccessDenied, by whatever code and status, of each operation."""
    assert isinstance(translated(client_error(code, status, operation=operation)), errors.AccessDenied)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ExpiredTokenException", 400),
        ("InvalidIdentityToken", 400),
        ("Throttling", 400),
        ("AccessDenied", 403),
    ],
)
def test_an_error_of_another_call(code: str, status: int) -> None:
    """An error of a call that boto3 makes for credentials is not about dial requests: none was sent."""
    failure = translated(client_error(code, status, operation="AssumeRoleWithWebIdentity"))
    assert isinstance(failure, errors.AccessDenied | errors.ConnectUnreachable)
    assert not failure.uncertain


def test_a_server_error_of_another_call_leaves_no_doubt() -> None:
    """Where the call for credentials fails with a 5xx no dial request was sent, so none is in doubt."""
    assert not translated(client_error("InternalFailure", 500, operation="AssumeRole")).uncertain


@pytest.mark.parametrize("state", ["Paused", "Initialized", "Stopped", "Failed", "Completed"])
def test_the_state_of_a_campaign_that_does_not_run(state: str) -> None:
    """InvalidCampaignStateException is reported with the campaign's state, which is a member beside its
    error.
    """
    failure = translated(client_error("InvalidCampaignStateException", 409, state=state))
    assert isinstance(failure, errors.CampaignNotRunning)
    assert failure.state == state


@pytest.mark.parametrize(
    "text",
    [
        "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z",
        "Signature not yet current: 20260101T000000Z is still later than 20251231T230500Z",
    ],
)
def test_a_clock_that_is_off_is_no_wrong_key(text: str) -> None:
    """AWS reports a wrong clock in the text of InvalidSignatureException: other keys would not help."""
    assert type(translated(client_error("InvalidSignatureException", 403, text=text))) is errors.ClockSkewed


@pytest.mark.parametrize(
    ("where", "failure"),
    [
        ("id", errors.CampaignInvalid),
        ("outboundRequests.1.member.clientToken", errors.CallInvalid),
        ("dialRequests", errors.CallInvalid),
        ("identity", errors.CallInvalid),
    ],
)
def test_what_a_validation_is_about(where: str, failure: type[errors.CallFailure]) -> None:
    """A ValidationException that names the campaign id does not blame the items."""
    text = (
        f"1 validation error detected: Value at '{where}' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [-:/a-zA-Z0-9]+"
    )
    assert type(translated(client_error("ValidationException", 400, text=text))) is failure


@pytest.mark.parametrize(
    "odd", [None, 7, [], {}, "\ud800", "x" * 100_000, b"x"], ids=lambda odd: type(odd).__name__
)
def test_an_error_of_odd_members(odd: Any) -> None:
    """Members of another type than the model's, whichever they are, are a failure like others."""
    for error in (
        client_error(odd, 400),
        client_error("ValidationException", odd),
        client_error("ValidationException", 400, text=odd),
        client_error("InvalidSignatureException", 403, text=odd),
        client_error("InvalidCampaignStateException", 409, state=odd),
    ):
        failure = translated(error)
        assert isinstance(failure, errors.CallFailure)
        assert len(str(failure)) < 100
        str(failure).encode()


def test_a_state_that_is_not_told() -> None:
    """InvalidCampaignStateException without a state is still one."""
    failure = translated(client_error("InvalidCampaignStateException", 409))
    assert isinstance(failure, errors.CampaignNotRunning)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (foreign.NoCredentialsError(), errors.NoCredentials),
        (foreign.PartialCredentialsError(provider="env", cred_var="secret"), errors.NoCredentials),
        (foreign.CredentialRetrievalError(provider="role", error_msg=PHONE), errors.NoCredentials),
        (foreign.TokenRetrievalError(provider="sso", error_msg=PHONE), errors.NoCredentials),
        (foreign.UnauthorizedSSOTokenError(), errors.NoCredentials),
        (foreign.EndpointConnectionError(endpoint_url=URL), errors.ConnectUnreachable),
        (foreign.ConnectTimeoutError(endpoint_url=URL), errors.ConnectUnreachable),
        (foreign.ProxyConnectionError(proxy_url=URL), errors.ConnectUnreachable),
        (foreign.SSLError(endpoint_url=URL, error=OSError(PHONE)), errors.AnswerLost),
        (
            foreign.SSLError(endpoint_url=URL, error=OSError("[SSL: CERTIFICATE_VERIFY_FAILED]")),
            errors.ConnectUnreachable,
        ),
        (foreign.ReadTimeoutError(endpoint_url=URL), errors.AnswerLost),
        (foreign.ConnectionClosedError(endpoint_url=URL), errors.AnswerLost),
        (foreign.ResponseStreamingError(error=PHONE), errors.AnswerLost),
        (foreign.HTTPClientError(error=PHONE), errors.AnswerLost),
        (ResponseParserError(PHONE), errors.CallUnexpected),
        (foreign.ParamValidationError(report=PHONE), errors.CallUnexpected),
        (ValueError(PHONE), errors.CallUnexpected),
        (MemoryError(), errors.CallUnexpected),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_failure_without_an_answer(error: Exception, failure: type[errors.CallFailure]) -> None:
    """Each failure of botocore itself has one meaning. An unknown one leaves the call in doubt."""
    assert type(translated(error)) is failure


def test_only_calls_that_may_have_been_made_are_in_doubt() -> None:
    """A connection that never came about leaves no doubt; a lost answer and an unknown failure do."""
    assert not translated(foreign.EndpointConnectionError(endpoint_url=URL)).uncertain
    assert not translated(client_error("ValidationException", 400)).uncertain
    assert translated(foreign.ReadTimeoutError(endpoint_url=URL)).uncertain
    assert translated(client_error("InternalServerException", 500)).uncertain
    assert translated(KeyError(PHONE)).uncertain


def test_texts_of_libraries_are_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the log nor the failure repeats the text of a foreign exception."""
    with caplog.at_level(logging.DEBUG):
        failures = [translated(ValueError(PHONE)), translated(client_error("ValidationException", 400))]
        with pytest.raises(KeyError) as raised:
            dict[str, str]()[PHONE]
        failures.append(translated(raised.value))
    told = caplog.text + "".join(f"{failure!r} {failure}" for failure in failures)
    assert "ValueError" in told
    assert "test_boto_sender.py" in told
    assert PHONE not in told


def test_a_region_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region nothing is guessed: botocore's own error says what is missing."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(foreign.NoRegionError):
        BotoConnect(threads=1, timeout_s=1.0)


@pytest.mark.parametrize(
    ("api", "variable"),
    [("v1", "AWS_ENDPOINT_URL_CONNECTCAMPAIGNS"), ("v2", "AWS_ENDPOINT_URL_CONNECTCAMPAIGNSV2")],
)
async def test_the_endpoint_comes_from_the_standard_variable(
    monkeypatch: pytest.MonkeyPatch, api: ApiName, variable: str
) -> None:
    """The endpoint is the standard variable's of each API, unless one is given."""
    monkeypatch.setenv(variable, URL)
    connect = BotoConnect(threads=1, timeout_s=1.0, region="us-east-1", api=api)
    assert connect.endpoint == URL
    await connect.close()


async def test_the_default_is_v1() -> None:
    """Without a word about the API it is V1, at AWS's own address, which both versions share."""
    connect = BotoConnect(threads=1, timeout_s=1.0, region="us-east-1")
    assert connect.endpoint == "https://connect-campaigns.us-east-1.amazonaws.com"
    await connect.close()
