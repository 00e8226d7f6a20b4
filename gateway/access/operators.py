"""Who may change things over the admin port: whoever shows the token, or an identity with the right.

A page of another site never gets as far as here: `gateway.admin.guard` refuses it by its origin.
"""

import hmac
import logging
from dataclasses import dataclass, field
from typing import Protocol

from gateway.access.actions import Action, Rights
from gateway.access.errors import TokenError
from gateway.access.files import WatchedFile

log = logging.getLogger(__name__)

SHORTEST_TOKEN = 16
"""Characters of the token, at least."""
BY_TOKEN = "admin token"  # noqa: S105 - no token, but a name for whoever shows it
"""No identity has a space in it: nobody can be taken for this one."""
SETTING = "DIAL_GATEWAY_ADMIN_TOKEN_FILE"
UNAUTHORIZED, FORBIDDEN = 401, 403

_NO_TOKEN = (
    f"this port changes nothing: {SETTING} is not set; let it name a file with a token of at least "
    f"{SHORTEST_TOKEN} characters, and send it as 'Authorization: Bearer TOKEN'"
)


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody asks for on the admin port, and what they show for it.

    `authorization` is the header of that name; it is in no repr. `identity` is that of the client's
    certificate, None where it showed none.
    """

    action: Action
    campaign_id: str
    method: str
    path: str
    authorization: str | None = field(default=None, repr=False)
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done, and `who` it was is logged and kept in the listing."""

    who: str


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not be done: the status of the HTTP answer, and why in words for whoever asked."""

    status: int
    text: str


class Operators(Protocol):
    """Decides about changes over the admin port."""

    def decide(self, change: Change) -> Allowed | Denied:
        """Return who does it, or why it may not be done."""
        ...


def decide(change: Change, token: str | None, rights: Rights | None = None) -> Allowed | Denied:
    """Return who makes a change, or why it may not be made.

    `token` is the one to show, None where there is none; `rights` are those of identities, None where
    no policy gives any.
    """
    if change.method != "POST" or change.action is Action.SEE:
        return Denied(405, "changes are made by POST")
    shown = _shown(change.authorization)
    if shown is not None and token is not None:
        if hmac.compare_digest(_bytes(shown), _bytes(token)):
            return Allowed(BY_TOKEN)
        return Denied(UNAUTHORIZED, "this token is not the one that changes things here")
    if change.identity is not None and rights is not None:
        if rights.may(change.identity, change.action, change.campaign_id):
            return Allowed(change.identity)
        return Denied(FORBIDDEN, f"the policy does not let this identity {change.action.value} this campaign")
    if token is None:
        return Denied(FORBIDDEN, _NO_TOKEN)
    return Denied(UNAUTHORIZED, "show the token of this port: 'Authorization: Bearer TOKEN'")


class TokenOperators:
    """Decides by the token in a file, which is read again when it changes, and by rights of identities.

    Raises `TokenError` where the file cannot be read or holds no token that is long enough. One that
    becomes so later lets nobody change anything: taking the token away takes the right away.
    """

    def __init__(self, token_file: str | None, rights: Rights | None = None) -> None:
        self._file = WatchedFile(token_file) if token_file else None
        self._rights = rights
        self._token: str | None = None
        self._broken: str | None = None
        if self._file is not None:
            self._file.changed()
            self._token = read_token(self._file)

    def decide(self, change: Change) -> Allowed | Denied:
        """Return who does it, or why it may not be done."""
        token = self._current()
        if self._broken is not None and token is None:
            return Denied(FORBIDDEN, f"this port changes nothing: {self._broken}")
        return decide(change, token, self._rights)

    def _current(self) -> str | None:
        if self._file is not None and self._file.changed():
            self._token, self._broken = None, None
            try:
                self._token = read_token(self._file)
                log.info("the token of the admin port is another now")
            except TokenError as error:
                self._broken = str(error)
                log.error("nobody can change anything over the admin port: %s", error)
        return self._token


def read_token(file: WatchedFile) -> str:
    """Return the token in a file, without the white space around it. Raises `TokenError`."""
    try:
        token = file.read().decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no text"
        raise TokenError(f"{SETTING}: cannot read {file.path}: {words}") from error
    if len(token) < SHORTEST_TOKEN:
        rule = f"must hold at least {SHORTEST_TOKEN} characters"
        raise TokenError(f"{SETTING}: {file.path} {rule}; it holds {len(token)}")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"{SETTING}: {file.path} must hold one token of printable ASCII without spaces")
    return token


def _shown(authorization: str | None) -> str | None:
    """Return the token that a header shows; None where it shows none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")  # as aiohttp reads bytes of a header that are no UTF-8
