"""The ledger's commands: claims, settlements and look-ups of client tokens.

The record of a token is a text: `S FINGERPRINT IN_DOUBT AT_MS NUMBER MEMBER` while a replica sends it,
`A FINGERPRINT TRACE_ID DIAL_REQUEST_ID` once Connect has accepted it, and `U FINGERPRINT` if it is unknown
whether Connect has it. Any other value was not written by a gateway, and counts as unknown.
"""

import re
from collections.abc import Mapping, Sequence

from gateway.core.fleet.messages import Claim, Claimed, ClaimVerdict, Settlement, TokenRecord, TokenState
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Argument, Reply, ScriptCall
from gateway.shared_state.store_watch import Marks

RECENT_MS, STALE_MS = 1_500, 60_000
"""A claim younger than the first belongs to a live replica, even if the asking replica does not know that
replica yet. A claim older than the second belongs to a dead one, since a call with all its attempts takes
less time."""
FINGERPRINT_KEY, DOUBT = "fingerprint-key", "doubt"
MARKS = 3
"""How many values the marks of the store have in a reply."""
_SETTLED_AS = {TokenState.ACCEPTED: "A", TokenState.UNKNOWN: "U", None: "F"}
_UNKNOWN = re.compile(r"U ([^ ]+)").fullmatch
_ACCEPTED = re.compile(r"A ([^ ]+) ([^ ]*) (.*)", re.DOTALL).fullmatch
_SENDING = re.compile(r"S ([^ ]+) ([01]) ([0-9]+) [0-9]+ (.*)", re.DOTALL).fullmatch


def is_alive(now_ms: int, at_ms: int, *, known: bool) -> bool:
    """Whether a claim made at `at_ms` belongs to a live replica; `known`: the asking replica knows it."""
    age_ms = abs(now_ms - at_ms)  # a server's clock may be set back
    return age_ms <= (STALE_MS if known else RECENT_MS)


def claim_call(
    keys: Keys,
    window_ms: int,
    campaign_id: str,
    member: str,
    live: Sequence[str],
    claims: Sequence[Claim],
    *,
    in_cluster: bool = False,
) -> ScriptCall:
    """Return the call that claims the tokens of one call to Connect; records last for `window_ms`.

    In a cluster `marks_call` must follow, since a script can read keys of one slot only.
    """
    marked = [] if in_cluster else marked_keys(keys)
    args: list[Argument] = [len(marked), member, window_ms, RECENT_MS, STALE_MS, len(live), *live]
    for claim in claims:
        args += (claim.fingerprint, claim.number)
    places = _places(keys, campaign_id, [one.client_token for one in claims])
    return ScriptCall("claim", marked + places, args)


def settle_call(
    keys: Keys, window_ms: int, campaign_id: str, member: str, settlements: Sequence[Settlement]
) -> ScriptCall:
    """Return the call that records how claims have ended; records last for `window_ms`."""
    args: list[Argument] = [member, window_ms]
    for one in settlements:
        state = _SETTLED_AS[one.state]
        args += (one.fingerprint, one.number, state, one.trace_id, one.dial_request_id)
    return ScriptCall("settle", _places(keys, campaign_id, [one.client_token for one in settlements]), args)


def look_up_call(
    keys: Keys, campaign_id: str, tokens: Sequence[str], *, in_cluster: bool = False
) -> ScriptCall:
    """Return the call that reads the records of tokens; in a cluster `marks_call` must follow."""
    marked = [] if in_cluster else marked_keys(keys)
    return ScriptCall("look_up", marked + _places(keys, campaign_id, tokens), [len(marked)])


def marks_call(keys: Keys) -> ScriptCall:
    """Return the call that reads the marks of the store."""
    return ScriptCall("marks", marked_keys(keys))


def doubt_call(keys: Keys, for_ms: int) -> ScriptCall:
    """Return the call that notes that tokens without a record may have been sent."""
    return ScriptCall("doubt", [keys.of_fleet(DOUBT)], [for_ms])


def keep_key_call(keys: Keys, new: bytes) -> ScriptCall:
    """Return the call that keeps a new key of fingerprints if there is none, and reads the key."""
    return ScriptCall("keep_key", [keys.of_fleet(FINGERPRINT_KEY)], [new])


def claim_reply(reply: Reply) -> list[Claimed]:
    """Return the verdicts of a claim. Raises `ValueError` for a reply that none of our scripts gives."""
    return [_verdict(text) for text in _texts(_list(reply)[MARKS:])]


def marks_reply(reply: Reply) -> Marks:
    """Return the marks of the store, from the reply to any script of the ledger that returns them.

    Raises `ValueError`.
    """
    key, doubt_ms, history = _list(reply)[:MARKS]
    if not isinstance(key, bytes) or not isinstance(doubt_ms, int) or not isinstance(history, bytes):
        raise ValueError("a script of the ledger has returned no marks")  # noqa: TRY004
    return Marks(key, history.decode(errors="replace"), doubt_ms > 0)


def look_up_reply(reply: Reply, live: Sequence[str], tokens: Sequence[str]) -> Mapping[str, TokenRecord]:
    """Return the records that a look-up has found, by token. Raises `ValueError`."""
    values = _list(reply)[MARKS:]
    if len(values) != len(tokens) + 1:
        raise ValueError("a look-up has returned another number of records")
    (now,) = _texts(values[:1])
    found = zip(tokens, values[1:], strict=True)
    return {token: _record(value, int(now), live) for token, value in found if isinstance(value, bytes)}


def keep_key_reply(reply: Reply) -> bytes:
    """Return the key that is kept. Raises `ValueError`."""
    if not isinstance(reply, bytes) or not reply:
        raise ValueError("the store keeps no key of fingerprints")
    return reply


def _verdict(text: str) -> Claimed:
    verdict, _, ids = text.partition(" ") if text.startswith("accepted ") else (text, "", "")
    trace_id, _, dial_request_id = ids.partition(" ")
    return Claimed(ClaimVerdict(verdict), dial_request_id, trace_id)


def _record(value: bytes, now_ms: int, live: Sequence[str]) -> TokenRecord:
    text = value.decode(errors="replace")
    if accepted := _ACCEPTED(text):
        fingerprint, trace_id, dial_request_id = accepted.groups()
        return TokenRecord(
            TokenState.ACCEPTED, fingerprint, dial_request_id=dial_request_id, trace_id=trace_id
        )
    if sending := _SENDING(text):
        fingerprint, in_doubt, at_ms, member = sending.groups()
        alive = is_alive(now_ms, int(at_ms), known=member in live)
        return TokenRecord(TokenState.SENDING, fingerprint, member, alive, in_doubt == "1")
    unknown = _UNKNOWN(text)
    return TokenRecord(TokenState.UNKNOWN, unknown[1] if unknown else "")


def _list(reply: Reply) -> Sequence[Reply]:
    if isinstance(reply, bytes | int) or reply is None or len(reply) < MARKS:
        raise ValueError("a script of the ledger has returned no list")
    return reply


def _texts(reply: Sequence[Reply]) -> list[str]:
    if not all(isinstance(one, bytes) for one in reply):
        raise ValueError("a script of the ledger has returned something other than texts")
    return [one.decode(errors="replace") for one in reply if isinstance(one, bytes)]


def marked_keys(keys: Keys) -> list[str]:
    """Return the keys from which scripts read the marks of the store."""
    return [keys.of_fleet(FINGERPRINT_KEY), keys.of_fleet(DOUBT)]


def _places(keys: Keys, campaign_id: str, tokens: Sequence[str]) -> list[str]:
    beginning = keys.tokens(campaign_id)
    return [beginning + token for token in tokens]
