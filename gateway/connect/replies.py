"""Reads the replies of Amazon Connect as untrusted input.

A member may be missing or have another type, a token may be unknown, a text may hold anything. An entry that
does not fit botocore's models is ignored, so its dial request is in neither list, and in doubt. A text of a
reply reaches the log, a caller or a span only if it has the form of Connect's own words.
"""

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway.connect.port import PutReply
from gateway.core.model import BATCH_LIMIT, ItemFailure

log = logging.getLogger(__name__)

NOT_FOUND = "NotFound"
"""The port's name for the state of a campaign that Connect does not know."""
UNKNOWN_STATE = "in an unknown state"
"""Replaces the state of a campaign if that is not a word."""
UNREADABLE = "unreadable"
"""Replaces a failure code of Connect's that is not a word."""
LONGEST_REPLY_BYTES = 1 << 20
"""Bytes of a reply that are read, at most. A reply to 25 items takes a few thousand; a longer one is not
Connect's."""
ENTRIES_READ = 4 * BATCH_LIMIT
"""Entries of one list that are read, at most; a call asks about 25."""
CODES_LOGGED = 20
"""Unknown failure codes that a process logs, at most, each once."""

LONGEST_WORD = 32
_is_word = re.compile(r"[A-Za-z]+").fullmatch
LONGEST_ID = 256
"""The form of an id. The models allow fewer kinds of characters; other printable ASCII does no harm."""
_is_request_id = re.compile(r"[A-Za-z0-9._=+/-]{1,128}").fullmatch
_logged: set[str] = set()


def word(value: object, longest: int = LONGEST_WORD) -> str:
    """Return a word of AWS's (a state, a code) if it consists of letters; otherwise a fixed word."""
    return value if isinstance(value, str) and len(value) <= longest and _is_word(value) else UNREADABLE


def state(value: object) -> str:
    """Return the state of a campaign, in the words that follow "the campaign is"."""
    name = word(value)
    return UNKNOWN_STATE if name is UNREADABLE else name


def member(structure: object, name: str) -> object:
    """Return a member of a structure, None if it is missing or there is no structure."""
    return structure.get(name) if isinstance(structure, Mapping) else None


def put_reply(
    response: object, asked: Collection[str], failures: Mapping[str, ItemFailure], operation: str
) -> PutReply:
    """Return the answer to a put call by token, about the tokens that were `asked` about.

    A token in both lists is accepted. One whose acceptance cannot be read is left out of both.
    """
    accepted: dict[str, str] = {}
    doubtful: set[str] = set()
    for entry in _list(response, "successfulRequests"):  # inlined, since it runs for every request
        if type(entry) is dict:
            token, id_ = entry.get("clientToken"), entry.get("id")
            if type(token) is not str or token not in asked:
                continue
            if type(id_) is str and len(id_) <= LONGEST_ID and id_.isascii() and id_.isprintable():
                accepted.setdefault(token, id_)
            else:
                doubtful.add(token)
    failed: dict[str, ItemFailure] = {}
    for token, entry in _entries(response, "failedRequests", "clientToken", asked):
        if token not in accepted and token not in doubtful:
            failure = _failure(entry.get("failureCode"), failures, operation)
            known = failed.setdefault(token, failure)
            if known is not failure:  # two codes that contradict each other
                failed[token] = ItemFailure.UNKNOWN_ERROR
    return PutReply(accepted, failed, _request_id(response))


def states(response: object, asked: Collection[str]) -> dict[str, str]:
    """Return the states in an answer to GetCampaignStateBatch, for the campaigns in `asked`.

    A campaign that failed with `ResourceNotFound` is `NotFound`. Other failed campaigns are left out.
    """
    states = {
        campaign_id: NOT_FOUND
        for campaign_id, entry in _entries(response, "failedRequests", "campaignId", asked)
        if entry.get("failureCode") == "ResourceNotFound"
    }
    for campaign_id, entry in _entries(response, "successfulRequests", "campaignId", asked):
        if isinstance(entry.get("state"), str):
            states[campaign_id] = state(entry["state"])
    return states


def _entries(
    response: object, name: str, key: str, asked: Collection[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each entry of a list whose key is in `asked`, with the key."""
    for entry in _list(response, name):
        if isinstance(entry, Mapping):
            about = entry.get(key)
            if isinstance(about, str) and about in asked:
                yield about, entry


def _list(response: object, name: str) -> Sequence[object]:
    """Return the first entries of a list of a reply; nothing if it is not a list."""
    listed = member(response, name)
    return listed[:ENTRIES_READ] if isinstance(listed, list) else ()


def _failure(code: object, failures: Mapping[str, ItemFailure], operation: str) -> ItemFailure:
    known = failures.get(code) if isinstance(code, str) else None
    if known is None:
        _log_unknown(operation, word(code))
    return known or ItemFailure.UNKNOWN_ERROR


def _log_unknown(operation: str, code: str) -> None:
    if code not in _logged and len(_logged) < CODES_LOGGED:
        _logged.add(code)
        log.warning("%s failed an item with a code that this version does not know: %s", operation, code)


def _request_id(response: object) -> str:
    id_ = member(member(response, "ResponseMetadata"), "RequestId")
    return id_ if isinstance(id_, str) and _is_request_id(id_) else ""
