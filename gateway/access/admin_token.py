"""The operator token of the admin port. A change needs the token; operators have no identity there.

Requests of other sites' pages never reach this module: `gateway.admin.request_filter` refuses them by origin.
"""

import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from gateway.access.errors import TokenError
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import QUIET_S, SYSTEM_CLOCKS, FileClocks
from gateway.access.token_guesses import GuessLimiter

SHORTEST_TOKEN = 16
"""Characters of the token, at least."""
SETTING = "DIAL_GATEWAY_ADMIN_TOKEN_FILE"
UNAUTHORIZED, FORBIDDEN, TOO_MANY = 401, 403, 429

_NO_TOKEN = (
    f"this port changes nothing: {SETTING} is not set; let it name a file with a token of at least "
    f"{SHORTEST_TOKEN} characters, and send it as 'Authorization: Bearer TOKEN'"
)


@dataclass(frozen=True, slots=True)
class Denied:
    """A refused change: the HTTP status and the reason for the caller.

    `guessed`: the token was wrong. `after_s`: the token was not checked, and the caller may try again after
    this number of seconds.
    """

    status: int
    text: str
    guessed: bool = False
    after_s: float | None = None


class OperatorAuthorizer(Protocol):
    """Decides about changes over the admin port."""

    def denied(self, authorization: str | None) -> Denied | None:
        """Return why a request with this header may not change anything, None if it may."""
        ...


def denied(authorization: str | None, token: str | None) -> Denied | None:
    """Return why a request with a header `Authorization` may not change anything, None if it may.

    `token` is the operator token, None if there is none.
    """
    if token is None:
        return Denied(FORBIDDEN, _NO_TOKEN)
    presented = _bearer_token(authorization)
    if presented is None:
        return Denied(UNAUTHORIZED, "show the token of this port: 'Authorization: Bearer TOKEN'")
    if not hmac.compare_digest(_bytes(presented), _bytes(token)):
        return Denied(UNAUTHORIZED, "this token is not the one that changes things here", guessed=True)
    return None


class GuessLimitedAuthorizer:
    """Asks `authorizer`, and makes sources of wrong tokens wait. `now` gives seconds on a steady clock."""

    def __init__(self, authorizer: OperatorAuthorizer, now: Callable[[], float] = time.monotonic) -> None:
        self._authorizer = authorizer
        self._limiter = GuessLimiter()
        self._now = now

    def denied(self, authorization: str | None, source: str) -> Denied | None:
        """Return why a request with this header from this address may change nothing; None if it may."""
        now = self._now()
        wait_s = self._limiter.wait_s(now, source)
        if wait_s > 0:
            text = f"too many wrong tokens from this address: try again in {math.ceil(wait_s)} s"
            return Denied(TOO_MANY, text, after_s=wait_s)
        denial = self._authorizer.denied(authorization)
        if denial is None:
            self._limiter.record_success(source)
        elif denial.guessed:
            self._limiter.record_failure(now, source)
        return denial


class TokenAuthorizer:
    """Decides by the token in a file, as it was read last.

    Raises `TokenError` if the file cannot be read or holds no token that is long enough. If that happens
    later, every change is refused, so removing the token removes the right. A shorter token counts as soon as
    any other, since somebody may know the former one who must not.
    """

    def __init__(self, token_file: str | None, clocks: FileClocks = SYSTEM_CLOCKS) -> None:
        self.file: Reloaded[str] | None = None
        if token_file is not None:
            read = partial(read_token, token_file)
            self.file = Reloaded(
                "the admin token",
                (token_file,),
                read,
                QUIET_S,
                clocks,
                then="the admin port changes nothing",
                may_be_removed=True,
            )

    def denied(self, authorization: str | None) -> Denied | None:
        """Return why a request with this header may change nothing; None if it may. Reads no file."""
        if self.file is None:
            return denied(authorization, None)
        if problem := self.file.complaint:
            return Denied(FORBIDDEN, f"this port changes nothing: {problem}")
        return denied(authorization, self.file.value)


def read_token(path: str) -> str:
    """Return the token in a file, without the white space around it. Raises `TokenError`."""
    try:
        token = Path(path).read_bytes().decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise TokenError(f"{SETTING}: cannot read {path}: {reason}") from error
    if len(token) < SHORTEST_TOKEN:
        rule = f"must contain a token of at least {SHORTEST_TOKEN} characters"
        raise TokenError(f"{SETTING}: {path} {rule}; it has {len(token)}")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"{SETTING}: {path} must contain one token of printable ASCII without spaces")
    return token


def _bearer_token(authorization: str | None) -> str | None:
    """Return the token in a header, None if there is none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")  # as aiohttp reads bytes of a header that are no UTF-8
