"""The ledger's commands: claims, settlements and look-ups of client tokens.

The record of a token is a text: `S FINGERPRINT TAINTED AT_MS NUMBER MEMBER` while a replica sends it,
`A FINGERPRINT TRACE_ID DIAL_REQUEST_ID` once Connect has accepted it, and `U FINGERPRINT` if it is unknown
whether Connect has it. Any other value was not written by a gateway, and counts as unknown.
"""

import re
from collections.abc import Mapping, Sequence

from gateway.core.fleet.messages import Claim, Claimed, ClaimVerdict, Settlement, TokenRecord, TokenState
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Argument, Reply, ScriptCall

RECENT_MS, STALE_MS = 1_500, 60_000
"""A claim that is younger than the first belongs to a live replica, even if the replica that asks does not
know that one yet. A claim that is older than the second belongs to a dead one: a call with all its attempts
is shorter."""
_SETTLED_AS = {TokenState.ACCEPTED: "A", TokenState.UNKNOWN: "U", None: "F"}
_UNKNOWN = re.compile(r"U ([^ ]+)").fullmatch
_ACCEPTED = re.compile(r"A ([^ ]+) ([^ ]*) (.*)", re.DOTALL).fullmatch
_SENDING = re.compile(r"S ([^ ]+) ([01]) ([0-9]+) [0-9]+ (.*)", re.DOTALL).fullmatch


def is_alive(now_ms: int, at_ms: int, *, known: bool) -> bool:
    """Whether a claim made at `at_ms` belongs to a live replica; `known`: that replica is known to be."""
    age_ms = abs(now_ms - at_ms)  # a server's clock may be set back
    return age_ms <= (STALE_MS if known else RECENT_MS)


def claim_call(
    keys: Keys, window_ms: int, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
) -> ScriptCall:
    """Return the call that claims the tokens of one call to Connect; records last for `window_ms`."""
    args: list[Argument] = [member, window_ms, RECENT_MS, STALE_MS, len(live), *live]
    for claim in claims:
        args += (claim.fingerprint, claim.number)
    return ScriptCall("claim", _places(keys, campaign_id, [one.client_token for one in claims]), args)


def settle_call(
    keys: Keys, window_ms: int, campaign_id: str, member: str, settlements: Sequence[Settlement]
) -> ScriptCall:
    """Return the call that records how claims have ended; records last for `window_ms`."""
    args: list[Argument] = [member, window_ms]
    for one in settlements:
        state = _SETTLED_AS[one.state]
        args += (one.fingerprint, one.number, state, one.trace_id, one.dial_request_id)
    return ScriptCall("settle", _places(keys, campaign_id, [one.client_token for one in settlements]), args)


def look_up_call(keys: Keys, campaign_id: str, tokens: Sequence[str]) -> ScriptCall:
    """Return the call that reads the records of tokens."""
    return ScriptCall("look_up", _places(keys, campaign_id, tokens))


def keep_key_call(keys: Keys, new: bytes) -> ScriptCall:
    """Return the call that keeps a new key of fingerprints if there is none, and reads the key."""
    return ScriptCall("keep_key", [keys.of_fleet("fingerprint-key")], [new])


def claim_reply(reply: Reply) -> list[Claimed]:
    """Return the verdicts of a claim. Raises `ValueError` for a reply that no script of ours gives."""
    return [_verdict(text) for text in _texts(reply)]


def look_up_reply(reply: Reply, live: Sequence[str], tokens: Sequence[str]) -> Mapping[str, TokenRecord]:
    """Return the records that a look-up has found, by token. Raises `ValueError`."""
    if not isinstance(reply, Sequence) or isinstance(reply, bytes) or len(reply) != len(tokens) + 1:
        raise ValueError("a look-up has returned another number of records")
    (now,) = _texts(reply[:1])
    found = zip(tokens, reply[1:], strict=True)
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
        fingerprint, tainted, at_ms, member = sending.groups()
        alive = is_alive(now_ms, int(at_ms), known=member in live)
        return TokenRecord(TokenState.SENDING, fingerprint, member, alive, tainted == "1")
    unknown = _UNKNOWN(text)
    return TokenRecord(TokenState.UNKNOWN, unknown[1] if unknown else "")


def _texts(reply: Reply) -> list[str]:
    if isinstance(reply, bytes | int) or reply is None:
        raise ValueError("a script of the ledger has returned no list")
    if not all(isinstance(one, bytes) for one in reply):
        raise ValueError("a script of the ledger has returned something other than texts")
    return [one.decode(errors="replace") for one in reply if isinstance(one, bytes)]


def _places(keys: Keys, campaign_id: str, tokens: Sequence[str]) -> list[str]:
    beginning = keys.tokens(campaign_id)
    return [beginning + token for token in tokens]
