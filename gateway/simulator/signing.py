"""AWS Signature Version 4, checked by computing it again with botocore's own signer."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.simulator.errors import CallError

MAX_SKEW_S = 300.0
"""AWS accepts a signature within five minutes of its own clock (IAM user guide, signing elements)."""

WELL_KNOWN_KEYS = ("simulator", "test", "testing")
"""Access keys that always exist; the secret of each is the key itself."""

_TIME_FORMAT = "%Y%m%dT%H%M%SZ"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/, ]+)/(?P<date>\d{8})/(?P<region>[^/, ]+)/(?P<service>[^/, ]+)"
    r"/aws4_request, *SignedHeaders=(?P<signed>[^, ]+), *Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A received request: `target` is the raw path and query, `headers` ignore case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Authorization:
    key: str
    date: str
    region: str
    service: str
    signed: str
    signature: str

    @property
    def signed_headers(self) -> list[str]:
        return self.signed.split(";")


class SignatureChecker:
    """Checks signatures with the account's credentials.

    In addition to the credentials passed in, an access key is accepted if its secret is the key itself, so a
    developer needs no set-up. Session tokens are not checked.
    """

    def __init__(self, credentials: Mapping[str, str], signing_name: str) -> None:
        self._secrets = {key: key for key in WELL_KNOWN_KEYS} | dict(credentials)
        self._signing_name = signing_name

    def check(self, request: HttpRequest, now: float) -> None:
        """Return if the request is well signed at `now`, in Unix seconds.

        Raises:
            CallError: MissingAuthenticationTokenException, IncompleteSignatureException,
                UnrecognizedClientException or InvalidSignatureException, as AWS answers them.

        """
        authorization = _read_authorization(request.headers)
        stamp = _read_stamp(request.headers)
        self._check_scope(authorization, stamp)
        _check_signed_headers(authorization, request)
        _check_skew(stamp, now)
        secret = self._secrets.get(authorization.key)
        expected = _signature(request, authorization, stamp, secret or authorization.key)
        if hmac.compare_digest(expected, authorization.signature):
            return
        if secret is None:
            raise _refusal(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        raise _refusal("InvalidSignatureException", _MISMATCH)

    def _check_scope(self, authorization: _Authorization, stamp: str) -> None:
        if authorization.service != self._signing_name:
            message = f"Credential should be scoped to correct service: '{self._signing_name}'."
            raise _refusal("InvalidSignatureException", message)
        if authorization.date != stamp[:8]:
            message = (
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
            )
            raise _refusal("InvalidSignatureException", message)


def access_key_of(headers: Mapping[str, str]) -> str:
    """Return the access key id of a request's signature, which is not checked; "" without one."""
    found = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    return found["key"] if found else ""


def _read_authorization(headers: Mapping[str, str]) -> _Authorization:
    text = headers.get("Authorization")
    if text is None:
        raise _refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(text)
    if found is None:
        # The header's text stays out of the message: it identifies a caller.
        raise _refusal("IncompleteSignatureException", "The Authorization header is not well-formed.", 400)
    return _Authorization(**found.groupdict())


def _read_stamp(headers: Mapping[str, str]) -> str:
    stamp = headers.get("X-Amz-Date", "")
    # strptime alone would take a shorter text too.
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp, re.ASCII):
        message = "Authorization header requires existence of a well-formed 'X-Amz-Date' header."
        raise _refusal("IncompleteSignatureException", message, 400)
    return stamp


def _check_signed_headers(authorization: _Authorization, request: HttpRequest) -> None:
    for name in ("host", "x-amz-date"):
        if name not in authorization.signed_headers:
            raise _refusal("InvalidSignatureException", f"'{name}' must be a 'SignedHeader'.")
    digest = request.headers.get("X-Amz-Content-SHA256")
    if digest is not None and digest != sha256(request.body).hexdigest():
        raise _refusal("InvalidSignatureException", "'X-Amz-Content-SHA256' does not match the body.")


def _check_skew(stamp: str, now: float) -> None:
    try:
        signed_at = datetime.strptime(stamp, _TIME_FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _refusal("IncompleteSignatureException", "'X-Amz-Date' is not a date.", 400) from None
    if abs(now - signed_at) <= MAX_SKEW_S:
        return
    clock = f"{_stamp(now)} {'-' if signed_at < now else '+'} {MAX_SKEW_S / 60:.0f} min."
    if signed_at < now:
        limit = _stamp(now - MAX_SKEW_S)
        message = f"Signature expired: {stamp} is now earlier than {limit} ({clock})"
    else:
        limit = _stamp(now + MAX_SKEW_S)
        message = f"Signature not yet current: {stamp} is still later than {limit} ({clock})"
    raise _refusal("InvalidSignatureException", message)


def _signature(request: HttpRequest, authorization: _Authorization, stamp: str, secret: str) -> str:
    signer = SigV4Auth(Credentials(authorization.key, secret), authorization.service, authorization.region)
    signed = {name: request.headers[name] for name in authorization.signed_headers if name in request.headers}
    # botocore reads path and query from the address; the host it signs is the header's.
    again = AWSRequest(
        method=request.method, url=f"http://simulator{request.target}", headers=signed, data=request.body
    )
    again.context["timestamp"] = stamp
    to_sign = signer.string_to_sign(again, signer.canonical_request(again))
    return str(signer.signature(to_sign, again))


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime(_TIME_FORMAT)


def _refusal(code: str, message: str, status: int = 403) -> CallError:
    return CallError(code, message, status=status)
