"""What Connect does with the dial requests of one call: accept, answer again, or fail each by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.simulator.campaigns import Campaign
from gateway.simulator.faults import Fault, FaultBoard, FaultKind
from gateway.simulator.journal import AcceptedItem, CallRecord, FailedItem

INVALID_INPUT = "InvalidInput"
TELEPHONY, EMAIL = "telephony", "email"
"""The model's name of the channel that V1 has, and of the one whose address is no phone number."""

ItemResult = AcceptedItem | FailedItem

# The service model also lets hyphens through.
_E164_LIKE = re.compile(r"\+[1-9](-?\d){1,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """One dial request, from either version of the API. `expires_at` is in Unix seconds.

    `address` is a phone number, or the address of an e-mail. `channel` is the model's name of it.
    """

    token: str
    address: str = field(repr=False)
    expires_at: float
    channel: str = TELEPHONY


@dataclass(frozen=True, slots=True)
class Outcome:
    """The two lists of the answer. An injected fault may put an item into both, or neither."""

    accepted: list[AcceptedItem] = field(default_factory=list)
    failed: list[FailedItem] = field(default_factory=list)


class AcceptedTokens:
    """The ids of accepted dial requests by campaign and client token; at the limit the oldest are removed."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._ids: dict[tuple[str, str], str] = {}

    def get(self, campaign: str, token: str) -> str | None:
        """Return the id under which this token was accepted before, None if it was not."""
        return self._ids.get((campaign, token))

    def add(self, campaign: str, token: str, request_id: str) -> None:
        """Remember an accepted token."""
        self._ids[campaign, token] = request_id
        if self._limit is not None and len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]

    def clear(self) -> None:
        """Forget every token."""
        self._ids.clear()


class Dialer:
    """Takes dial requests into campaigns, one by one, as Connect's answer to a batch describes it."""

    def __init__(
        self,
        faults: FaultBoard,
        tokens: AcceptedTokens,
        new_id: Callable[[], str],
        max_expiration_ahead_s: float | None,
    ) -> None:
        self._faults = faults
        self._tokens = tokens
        self._new_id = new_id
        self._max_ahead_s = max_expiration_ahead_s

    def put(self, campaign: Campaign, items: Sequence[Item], record: CallRecord, buffer_full: str) -> Outcome:
        """Carry out one call, and note in the record what was really done.

        `buffer_full` is the failure code of an item for which the campaign has no room.
        """
        record.carried_out = True
        record.channels = {item.token: item.channel for item in items if item.channel != TELEPHONY}
        answer = Outcome()
        for item in items:
            fault = self._faults.for_item(record.operation, campaign.id, item.token)
            take = partial(self._accept, campaign, item, record.at, buffer_full)
            if fault is None:
                done = take()
                _note(done, record)
                _note(done, answer)
            else:
                _inject(fault, item, take, record, answer)
        return answer

    def _accept(self, campaign: Campaign, item: Item, now: float, buffer_full: str) -> ItemResult:
        # The token comes first: a repeated submission gets the first answer, whatever the time is now.
        known = self._tokens.get(campaign.id, item.token)
        if known is not None:
            return AcceptedItem(item.token, known, replayed=True)
        if not (self._is_valid(item, now) and _has_channel(campaign, item.channel)):
            return FailedItem(item.token, INVALID_INPUT)
        if not campaign.buffered(now):
            return FailedItem(item.token, buffer_full)
        accepted = AcceptedItem(item.token, self._new_id(), replayed=False)
        self._tokens.add(campaign.id, item.token, accepted.id)
        return accepted

    def _is_valid(self, item: Item, now: float) -> bool:
        # The check of the service model has found an e-mail address to be one.
        if item.expires_at <= now or not (item.channel == EMAIL or _E164_LIKE.fullmatch(item.address)):
            return False
        return self._max_ahead_s is None or item.expires_at - now <= self._max_ahead_s


def _has_channel(campaign: Campaign, channel: str) -> bool:
    """Whether a campaign has a channel; one without details has all.

    AWS does not document what happens to items of other channels, so this is the simulator's choice.
    """
    config = campaign.details.get("channelSubtypeConfig")
    return config is None or channel in config


def _inject(
    fault: Fault, item: Item, take: Callable[[], ItemResult], record: CallRecord, answer: Outcome
) -> None:
    failure = FailedItem(item.token, fault.code or "UnknownError")
    if fault.kind in (FaultKind.ITEM_FAILURE, FaultKind.RATE):
        _note(failure, record)
        _note(failure, answer)
    elif fault.kind is FaultKind.ITEM_IN_BOTH:
        done = take()
        _note(done, record)
        _note(done, answer)
        if isinstance(done, AcceptedItem):
            _note(failure, answer)
    elif fault.after_work:
        _note(take(), record)


def _note(done: ItemResult, book: CallRecord | Outcome) -> None:
    if isinstance(done, AcceptedItem):
        book.accepted.append(done)
    else:
        book.failed.append(done)
