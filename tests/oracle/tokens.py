"""Idempotency by token: what is remembered of answered tokens, and what a new request may be told at once."""

import enum
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from gateway.core.answers import REFUSAL_S
from gateway.core.engine import Limits
from gateway.core.model import Answer, CallReport, DialRequest, Outcome, Reason
from gateway.core.scheduling.expiry import SEND_MARGIN_S
from tests.oracle.records import EXACT_S, Key, Outstanding


class Fate(enum.Enum):
    """What happens to a dial request at the moment it is submitted."""

    TAKEN = "taken in, or joined: the answer follows"
    REPLAYED = "answered again as ACCEPTED"
    INVALID = "rejected by the gateway's own validation"
    CONFLICT = "rejected, since the token belongs to another dial"
    WOULD_EXPIRE = "answered as EXPIRED by the forecast"
    EXPIRED = "answered as EXPIRED"
    REJECTED = "answered as REJECTED, since Connect has refused the campaign"
    NOT_ACCEPTED = "answered as NOT_ACCEPTED"
    UNKNOWN = "answered as UNKNOWN"


_BY_REASON = {
    Reason.INVALID_REQUEST: Fate.INVALID,
    Reason.TOKEN_CONFLICT: Fate.CONFLICT,
    Reason.WOULD_EXPIRE: Fate.WOULD_EXPIRE,
}
_BY_OUTCOME = {
    Outcome.ACCEPTED: Fate.REPLAYED,
    Outcome.REJECTED: Fate.REJECTED,
    Outcome.EXPIRED: Fate.EXPIRED,
    Outcome.NOT_ACCEPTED: Fate.NOT_ACCEPTED,
    Outcome.UNKNOWN: Fate.UNKNOWN,
}


def fate_of(answer: Answer | None) -> Fate:
    """Return what an answer, or none yet, says about a request that was just submitted."""
    if answer is None:
        return Fate.TAKEN
    return _BY_REASON.get(answer.reason, _BY_OUTCOME[answer.outcome])


class GroundTruth(Protocol):
    """What Connect itself knows, where the test has a model of it."""

    @property
    def journal(self) -> Mapping[Key, str]:
        """The dials that Connect has, with their ids."""

    @property
    def ids(self) -> Mapping[Key, set[str]]:
        """Every id that Connect ever gave to a token."""

    def forget(self, key: Key) -> None:
        """Drop a dial from the journal: so much time has passed that the gateway may deny it."""

    def refuses(self, client_token: str) -> bool:
        """Whether Connect refuses this item as invalid, alone or with its whole call."""


class Remembered(NamedTuple):
    """What a settled token must be remembered as; without an id Connect may have the dial."""

    request: DialRequest
    dial_request_id: str
    at: float
    sure: bool


class Tokens:
    """What the gateway must remember of settled tokens and of refused campaigns."""

    def __init__(self, limits: Limits, truth: GroundTruth | None = None) -> None:
        self._limits = limits
        self._truth = truth
        self._remembered: dict[Key, Remembered] = {}
        self._touched: dict[Key, float] = {}
        self._refused: dict[str, tuple[float, Fate]] = {}
        self._denied: set[Key] = set()
        self.being_refused: dict[str, Fate] = {}

    def give_up_at(self, request: DialRequest) -> float:
        """Return the instant from which a request may not be sent any more."""
        return request.expires_at - self._limits.expiry_headroom_s - SEND_MARGIN_S

    def fates(
        self,
        now: float,
        request: DialRequest,
        one: Outstanding | None,
        *,
        draining: bool,
        answering_hold: bool,
    ) -> set[Fate]:
        """Return what may happen to a valid request; `one` is outstanding under its token."""
        if one is not None:
            return {Fate.TAKEN if request.same_dial(one.request) else Fate.CONFLICT}
        key = (request.campaign_id, request.client_token)
        memory = self.remembered(now, key)
        doubt = request.in_doubt
        new = self._new(now, request, doubt, draining=draining, answering_hold=answering_hold)
        if memory is None:
            return new
        if not request.same_dial(memory.request):
            known = {Fate.CONFLICT}
        elif memory.dial_request_id:
            known = {Fate.REPLAYED}
        else:
            known = self._new(now, request, True, draining=draining, answering_hold=answering_hold)
        return known if self._is_sure(now, memory) else known | new

    def remembered(self, now: float, key: Key) -> Remembered | None:
        """Return what may still be remembered of a settled token: at most a quarter of the window longer."""
        memory = self._remembered.get(key)
        if memory is not None and now - memory.at > 1.25 * self._limits.replay_window_s + EXACT_S:
            del self._remembered[key]
            return None
        return memory

    def surely_accepted(self, now: float, key: Key) -> bool:
        """Whether a token must still be known as accepted, so that it must not be sent again."""
        memory = self._remembered.get(key)
        return memory is not None and bool(memory.dial_request_id) and self._is_sure(now, memory)

    def doubts(self, now: float, request: DialRequest) -> tuple[bool, bool]:
        """Return whether a new request must, and whether it may, be treated as one that Connect may have."""
        memory = self.remembered(now, (request.campaign_id, request.client_token))
        may = memory is not None and request.same_dial(memory.request)
        must = may and memory is not None and self._is_sure(now, memory)
        return request.in_doubt or must, request.in_doubt or may

    def remember(self, now: float, one: Outstanding, dial_request_id: str, *, sure: bool = True) -> None:
        """Note what is remembered of a request: accepted with an id, or without one perhaps accepted."""
        self._remembered[one.key] = Remembered(one.request, dial_request_id, now, sure)

    def forget(self, key: Key) -> None:
        """Note that nothing is remembered of a token any more."""
        self._remembered.pop(key, None)

    def refused(self, now: float, campaign_id: str, fate: Fate, *, lasting: bool) -> None:
        """Note how Connect refuses a campaign: for some seconds, or for the moment only."""
        self._refused.pop(campaign_id, None)
        self.being_refused[campaign_id] = fate
        if lasting:
            self._refused[campaign_id] = (now + REFUSAL_S, fate)

    # --- denials -----------------------------------------------------------------------------------

    def denied(self, key: Key) -> None:
        """Note that a caller was told that Connect does not have a request, or that it was dropped unsent."""
        self._denied.add(key)

    def taken_in(self, key: Key) -> None:
        """Note that a request with this token is outstanding from now on, so it may be sent."""
        self._denied.discard(key)

    def is_denied(self, key: Key) -> bool:
        """Whether a request with this token must not reach Connect."""
        return key in self._denied

    def touched(self, now: float, key: Key) -> None:
        """Note that the gateway knows of a call that carried this token."""
        self._touched[key] = now

    def excuse(self, now: float, key: Key) -> None:
        """Let the gateway deny what Connect has, if its last call was longer ago than the replay window."""
        old = now - self._touched.get(key, now) >= self._limits.replay_window_s
        if self._truth is not None and old:
            self._truth.forget(key)

    # --- how ---------------------------------------------------------------------------------------

    def _is_sure(self, now: float, memory: Remembered) -> bool:
        return memory.sure and now - memory.at < self._limits.replay_window_s

    def _new(
        self, now: float, request: DialRequest, doubt: bool, *, draining: bool, answering_hold: bool
    ) -> set[Fate]:
        """Return what may happen to a request of which nothing is remembered but perhaps a doubt."""
        if request.expires_at <= now:
            return {Fate.UNKNOWN if doubt else Fate.INVALID}
        until, refusal = self._refused.get(request.campaign_id, (0.0, Fate.REJECTED))
        # Not `give_up_at(request) <= now`: a life of exactly this long is rounded when it is added to `now`.
        late = request.expires_at <= now + (self._limits.expiry_headroom_s + SEND_MARGIN_S)
        if draining:
            fates = {Fate.NOT_ACCEPTED}
        elif now < until:
            fates = {refusal}
        elif answering_hold:
            fates = {Fate.NOT_ACCEPTED}
        else:
            fates = {Fate.EXPIRED if late else Fate.TAKEN}
        if request.campaign_id in self.being_refused and not draining:
            fates.add(self.being_refused[request.campaign_id])  # until all that waited has its answer
        if doubt and fates != {Fate.TAKEN}:
            fates = {Fate.UNKNOWN} | (fates & {Fate.TAKEN})
        return fates


def weigh(one: Outstanding, report: CallReport) -> None:
    """Note the doubt that the end of a call leaves about a request that it carried."""
    token = one.request.client_token
    one.called |= report.attempts > 0
    if token not in report.accepted:
        not_told = report.failure is None and token not in report.failed
        one.must_doubt |= report.uncertain or not_told
        one.may_doubt |= one.must_doubt
