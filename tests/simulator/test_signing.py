from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict

from gateway.simulator.errors import CallError
from gateway.simulator.signing import HttpRequest, SignatureChecker, access_key_of

URL = "http://127.0.0.1:4570"
CHECKER = SignatureChecker({"AKIDEXAMPLE": "open sesame"}, "connect-campaigns")


def sign(
    key: str = "AKIDEXAMPLE",
    secret: str = "open sesame",  # noqa: S107
    service: str = "connect-campaigns",
    path: str = "/campaigns/a/state",
    headers: dict[str, str] | None = None,
) -> HttpRequest:
    request = AWSRequest(
        "PUT", f"{URL}{path}", data=b"{}", headers={"Host": "127.0.0.1:4570", **(headers or {})}
    )
    SigV4Auth(Credentials(key, secret), service, "eu-central-1").add_auth(request)
    return HttpRequest("PUT", path, CIMultiDict(request.headers.items()), b"{}")


def change(request: HttpRequest, **headers: str) -> HttpRequest:
    changed = CIMultiDict(request.headers)
    for name, text in headers.items():
        changed[name.replace("_", "-")] = text
    return HttpRequest(request.method, request.target, changed, request.body)


def refusal(request: HttpRequest, after_s: float = 0.0) -> str:
    with pytest.raises(CallError) as caught:
        CHECKER.check(request, datetime.now(UTC).timestamp() + after_s)
    assert "open sesame" not in str(caught.value)
    return caught.value.code


def test_the_accounts_credentials() -> None:
    """A request signed with the credentials passed in is accepted, up to five minutes early or late."""
    for after_s in (-290.0, 0.0, 290.0):
        CHECKER.check(sign(), datetime.now(UTC).timestamp() + after_s)


@pytest.mark.parametrize("key", ["simulator", "test", "testing", "whoever"])
def test_a_key_whose_secret_is_the_key(key: str) -> None:
    """Any access key whose secret equals the key is accepted."""
    CHECKER.check(sign(key, key), datetime.now(UTC).timestamp())


@pytest.mark.parametrize(
    "path", ["/campaigns/a%2Fb%3Ac%20d/state", "/campaigns/a/state?b=2&a=%20", "/a//b/../c"]
)
def test_odd_paths(path: str) -> None:
    """Encoded ids, queries and paths to normalize are signed as botocore signs them."""
    CHECKER.check(sign(path=path), datetime.now(UTC).timestamp())


def test_other_headers_may_be_signed() -> None:
    """A session token and a body hash are included in the signature."""
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    headers = {"X-Amz-Security-Token": "session", "X-Amz-Content-SHA256": digest}
    CHECKER.check(sign(headers=headers), datetime.now(UTC).timestamp())


def test_wrong_secret() -> None:
    """A known key with a wrong secret is an invalid signature."""
    assert refusal(sign(secret="close sesame")) == "InvalidSignatureException"
    assert refusal(sign("simulator", "wrong")) == "InvalidSignatureException"


def test_unknown_key() -> None:
    """An unknown key is an unrecognized client."""
    assert refusal(sign("AKIDSTRANGER", "some secret")) == "UnrecognizedClientException"


def test_no_signature() -> None:
    """A request without an Authorization header is refused with a missing token."""
    assert refusal(HttpRequest("GET", "/", CIMultiDict(), b"")) == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("text", ["Bearer x", "AWS4-HMAC-SHA256 Credential=a/b", ""])
def test_malformed_header(text: str) -> None:
    """An Authorization header in another format is incomplete."""
    assert refusal(change(sign(), Authorization=text)) == "IncompleteSignatureException"


def test_malformed_date() -> None:
    """A date that cannot be parsed is an incomplete signature."""
    assert refusal(change(sign(), X_Amz_Date="today")) == "IncompleteSignatureException"


@pytest.mark.parametrize("after_s", [-310.0, 310.0])
def test_skewed_clock(after_s: float) -> None:
    """A request signed more than five minutes before or after now is an invalid signature."""
    assert refusal(sign(), after_s) == "InvalidSignatureException"


def test_a_signature_for_another_service() -> None:
    """A signature for another service is refused."""
    assert refusal(sign(service="connect")) == "InvalidSignatureException"


def test_tampering_is_detected() -> None:
    """A method, path, body or signed header that differs from the signed one is an invalid signature."""
    good = sign(headers={"X-Amz-Target": "one"})
    tampered = [
        HttpRequest("POST", good.target, good.headers, good.body),
        HttpRequest(good.method, "/campaigns/b/state", good.headers, good.body),
        HttpRequest(good.method, good.target, good.headers, b'{"a":1}'),
        change(good, X_Amz_Target="two"),
    ]
    assert {refusal(request) for request in tampered} == {"InvalidSignatureException"}


def test_a_signed_hash_of_another_body() -> None:
    """A hash of another body is an invalid signature even though it was signed."""
    assert refusal(sign(headers={"X-Amz-Content-SHA256": "0" * 64})) == "InvalidSignatureException"


def test_host_must_be_signed() -> None:
    """A signature that leaves out the host is refused, because it could be sent to any host."""
    good = sign()
    authorization = good.headers["Authorization"].replace("host;", "")
    assert refusal(change(good, Authorization=authorization)) == "InvalidSignatureException"


def test_the_access_key_names_the_client() -> None:
    """The access key of a signature is readable without checking it; there is none without a signature."""
    assert access_key_of(sign("replica-1", "whatever").headers) == "replica-1"
    assert access_key_of({}) == access_key_of({"Authorization": "Basic abc"}) == ""
