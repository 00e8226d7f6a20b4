"""Reads what Amazon Connect answers, of which nothing is taken on trust.

A reply comes from outside: a member may be missing or of another type, a token may be one that nobody asked
about, a text may hold anything. Whatever is not as botocore's models say is left out, so the dial request
that it was about is in neither list, and so in doubt. No text of a reply reaches the log, a caller or a
span unless it has the form that Connect's own have.
"""

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway.connect.port import PutReply
from gateway.core.model import BATCH_LIMIT, ItemFailure

log = logging.getLogger(__name__)

NOT_FOUND = "NotFound"
"""The state of a campaign that Connect does not know, as the port calls it."""
UNTOLD = "in a state that is not told"
"""What stands for the state of a campaign that is no word."""
UNREADABLE = "unreadable"
"""What stands for a word of Connect's that is none."""
ENTRIES_READ = 4 * BATCH_LIMIT
"""Entries of one list that are read at most; a call asks about 25."""
CODES_LOGGED = 20
"""Unknown failure codes that are logged in the life of a process at most, each once."""

LONGEST_WORD = 32
_is_word = re.compile(r"[A-Za-z]+").fullmatch
LONGEST_ID = 256
"""Characters of an id, as the models say. They allow fewer kinds; other printable ASCII does no harm."""
_is_request_id = re.compile(r"[A-Za-z0-9._=+/-]{1,128}").fullmatch
_logged: set[str] = set()


def word(value: object, longest: int = LONGEST_WORD) -> str:
    """Return a word of AWS's, such as a state or a code, where it is one of letters; else a fixed one."""
    return value if isinstance(value, str) and len(value) <= longest and _is_word(value) else UNREADABLE


def state(value: object) -> str:
    """Return the state of a campaign, as it is told after "the campaign is"."""
    told = word(value)
    return UNTOLD if told is UNREADABLE else told


def member(structure: object, name: str) -> object:
    """Return a member of a structure, None where that is missing or is no structure."""
    return structure.get(name) if isinstance(structure, Mapping) else None


def put_reply(
    response: object, asked: Collection[str], failures: Mapping[str, ItemFailure], operation: str
) -> PutReply:
    """Return the answer to a put call by token, about the tokens that were `asked` about.

    A token in both lists is accepted. One whose acceptance cannot be read is left out of both.
    """
    accepted: dict[str, str] = {}
    doubtful: set[str] = set()
    for entry in _list(response, "successfulRequests"):  # written out: on the way of every request
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
    """Return the states in an answer to GetCampaignStateBatch, about the campaigns that were `asked` about.

    A campaign that failed with `ResourceNotFound` is `NotFound`; one that failed otherwise is left out.
    """
    told = {
        campaign_id: NOT_FOUND
        for campaign_id, entry in _entries(response, "failedRequests", "campaignId", asked)
        if entry.get("failureCode") == "ResourceNotFound"
    }
    for campaign_id, entry in _entries(response, "successfulRequests", "campaignId", asked):
        if isinstance(entry.get("state"), str):
            told[campaign_id] = state(entry["state"])
    return told


def _entries(
    response: object, name: str, key: str, asked: Collection[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the entries of a list that are about something that was asked about, with what that is."""
    for entry in _list(response, name):
        if isinstance(entry, Mapping):
            about = entry.get(key)
            if isinstance(about, str) and about in asked:
                yield about, entry


def _list(response: object, name: str) -> Sequence[object]:
    """Return a list of a reply as far as it is read, empty where it is none."""
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
