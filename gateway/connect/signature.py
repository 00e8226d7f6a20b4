"""Signs calls of one service with AWS Signature Version 4, at a time that is given.

botocore's signer is general: for each call it sorts and joins the headers three times, and derives a key that
is the same all day. This one does that once for all calls of a second, and uses botocore's rules for the
path. A test compares the two.
"""

import functools
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.credentials import ReadOnlyCredentials

JSON = "application/json"
_ALGORITHM = "AWS4-HMAC-SHA256"
PATHS_KEPT = 4096
"""Paths whose form for the signature is remembered: one for each campaign."""


class _SigningContext(NamedTuple):
    """What the signatures of one second with the same credentials have in common.

    `shown` and `signed` are the headers and their names in the text that is signed, `before` is that text's
    begin without the hash, `key` the derived key. `headers` are sent, `authorization` without the signature.
    """

    shown: str
    signed: str
    before: str
    key: bytes
    headers: Mapping[str, str]
    authorization: str


class Signer:
    """Signs JSON requests to one host, for one service in one Region.

    `host` is the value of the header Host.
    """

    def __init__(self, service: str, region: str, host: str) -> None:
        self._service, self._region, self._host = service, region, host
        rules: Any = SigV4Auth(ReadOnlyCredentials("", "", None), service, region)
        self._path: Callable[[str], str] = functools.lru_cache(PATHS_KEPT)(rules._normalize_url_path)
        self._key: Callable[[str, str], bytes] = functools.lru_cache(4)(self._derived_key)
        self._moment: Callable[[ReadOnlyCredentials, str], _SigningContext] = functools.lru_cache(4)(
            self._moment_of
        )

    def headers(
        self, method: str, path: str, body: bytes, credentials: ReadOnlyCredentials, stamp: str
    ) -> dict[str, str]:
        """Return the headers of a signed request.

        `path` is percent-encoded, `stamp` the time as `%Y%m%dT%H%M%SZ`. Raises ValueError for credentials
        with control characters.
        """
        moment = self._moment(credentials, stamp)
        content = hashlib.sha256(body).hexdigest()
        canonical = f"{method}\n{self._path(path)}\n\n{moment.shown}\n{moment.signed}\n{content}"
        text = moment.before + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(moment.key, text.encode(), "sha256").hex()
        return {**moment.headers, "Authorization": moment.authorization + signature}

    def _moment_of(self, credentials: ReadOnlyCredentials, stamp: str) -> _SigningContext:
        token, date = credentials.token, stamp[:8]
        if not all(text.isprintable() for text in (credentials.access_key or "", token or "")):
            raise ValueError("credentials must not have control characters")
        sent = {"Host": self._host, "Content-Type": JSON, "X-Amz-Date": stamp}
        shown = f"content-type:{JSON}\nhost:{self._host}\nx-amz-date:{stamp}\n"
        signed = "content-type;host;x-amz-date"
        if token:
            sent["X-Amz-Security-Token"] = token
            shown += f"x-amz-security-token:{token}\n"
            signed += ";x-amz-security-token"
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        claimed = f"{_ALGORITHM} Credential={credentials.access_key}/{scope}"
        return _SigningContext(
            shown=shown,
            signed=signed,
            before=f"{_ALGORITHM}\n{stamp}\n{scope}\n",
            key=self._key(credentials.secret_key or "", date),
            headers=sent,
            authorization=f"{claimed}, SignedHeaders={signed}, Signature=",
        )

    def _derived_key(self, secret_key: str, date: str) -> bytes:
        key = f"AWS4{secret_key}".encode()
        for part in (date, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def host_of(endpoint_url: str) -> str:
    """Return the header Host for an endpoint: with the port, unless it is the scheme's own."""
    parts = urlsplit(endpoint_url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if parts.port in {None, usual} else f"{name}:{parts.port}"
