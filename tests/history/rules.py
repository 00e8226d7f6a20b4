"""The rules of a history: what holds for the answers of callers and for the calls that Connect got.

They stand in `RULES`, each a function that yields its violations in words. An answer is judged by all
that Connect had or got at any time, so that a call carried out long after it was given up counts as well.
What cannot be told apart from outside is taken as true: a verdict of UNTRUE is never a false alarm.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.history.history import Answer, History, Key, Request

MAY_DIAL = frozenset({"ACCEPTED", "UNKNOWN"})
DENIALS = frozenset({"REJECTED", "EXPIRED", "NOT_ACCEPTED"})
BATCH_LIMIT = 25


class Told(NamedTuple):
    """A request with its first answer. `ended_at`: when its caller got it or left, else infinity."""

    request: Request
    answer: Answer | None
    ended_at: float

    @property
    def denied(self) -> bool:
        return self.answer is not None and self.answer.outcome in DENIALS


class Had(NamedTuple):
    """What Connect has under a token: since when, and under which id. `replayed`: it had it before."""

    at: float
    id: str
    replayed: bool


@dataclass(slots=True)
class Case:
    """A history, put in order for the rules. Allowances are in seconds."""

    history: History
    headroom_s: float
    travel_s: float
    answers: dict[tuple[str, int], list[Answer]] = field(default_factory=lambda: defaultdict(list))
    told: dict[Key, list[Told]] = field(default_factory=lambda: defaultdict(list))
    had: dict[Key, list[Had]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for answer in self.history.answers:
            self.answers[answer.stream, answer.position].append(answer)
        for request in self.history.requests:
            answers = self.answers.get((request.stream, request.position))
            first = answers[0] if answers else None
            ended_at = first.heard_at if first else self.history.left.get(request.stream, math.inf)
            self.told[request.key].append(Told(request, first, ended_at))
        for call in self.history.calls:
            for item in call.accepted:
                self.had[call.campaign or "", item.token].append(Had(call.at, item.id, item.replayed))


Rule = Callable[[Case], Iterator[str]]


def every_request_is_answered(case: Case) -> Iterator[str]:
    """A request has an answer, unless its caller went away."""
    for request in case.history.requests:
        unanswered = (request.stream, request.position) not in case.answers
        if unanswered and request.stream not in case.history.left:
            yield f"{_name(request)} has no answer"


def no_request_is_answered_twice(case: Case) -> Iterator[str]:
    """A request has at most one answer."""
    for (stream, position), answers in case.answers.items():
        if len(answers) > 1:
            outcomes = " and ".join(answer.outcome for answer in answers)
            yield f"{stream}[{position}] is answered {len(answers)} times: {outcomes}"


def every_answer_is_to_a_request(case: Case) -> Iterator[str]:
    """An answer belongs to a request of its stream, with its token, that was sent before."""
    sent = {(request.stream, request.position): request for request in case.history.requests}
    for answer in case.history.answers:
        request = sent.get((answer.stream, answer.position))
        if request is None:
            yield f"{answer.stream}[{answer.position}] is answered and was never sent"
        elif request.token != answer.token:
            yield f"{_name(request)} is answered for another token, {answer.token}"
        elif answer.heard_at < request.sent_at:
            yield f"{_name(request)} is answered before it was sent"


def accepted_means_that_connect_has_it(case: Case) -> Iterator[str]:
    """ACCEPTED: Connect has the dial, under that id, and had it when the caller heard so."""
    for key, told in case.told.items():
        had = {each.id: each.at for each in reversed(case.had.get(key, ()))}
        for each in told:
            if each.answer is None or each.answer.outcome != "ACCEPTED":
                continue
            at = had.get(each.answer.id)
            if at is None:
                known = "Connect has it under another id" if had else "Connect does not have it"
                yield f"{_name(each.request)} is ACCEPTED and {known}"
            elif at > each.answer.heard_at:
                yield f"{_name(each.request)} is ACCEPTED before Connect had it"


def what_connect_has_is_not_denied(case: Case) -> Iterator[str]:
    """A dial that Connect has, or gets later, is ACCEPTED or UNKNOWN: never denied."""
    for key, had in case.had.items():
        told = case.told.get(key, [])
        dialed_at = [each.at for each in had if not each.replayed]
        for each in told:
            if not each.denied or each.answer is None:
                continue
            at = next((at for at in dialed_at if not any(_explains(r, at, each) for r in told)), None)
            if at is not None:
                when = "had it" if at <= each.answer.heard_at else "got it later"
                yield f"{_name(each.request)} is {in_words(each.answer)} and Connect {when}"


def what_is_in_doubt_is_not_denied(case: Case) -> Iterator[str]:
    """A request marked as in doubt is ACCEPTED or UNKNOWN, whatever Connect has."""
    for told in case.told.values():
        for each in told:
            if each.request.in_doubt and each.denied and each.answer is not None:
                yield f"{_name(each.request)} is {in_words(each.answer)} though it was in doubt"


def _explains(other: Told, dialed_at: float, denied: Told) -> bool:
    """Whether Connect may have the token because of another request than the denied one."""
    if other is denied or other.request.sent_at > dialed_at:
        return False
    if other.request.dial != denied.request.dial:
        return True
    # What was dialed, or over, before the denied one was sent excuses nothing: the answer should have known.
    both_out = other.ended_at > denied.request.sent_at and dialed_at > denied.request.sent_at
    return both_out and not (other.denied and other.ended_at < dialed_at)


def a_token_is_dialed_once(case: Case) -> Iterator[str]:
    """Connect dials at most once for a campaign and token."""
    for (campaign, token), had in case.had.items():
        dials = sum(not each.replayed for each in had)
        if dials > 1:
            yield f"{campaign}/{token} is dialed {dials} times"


def a_token_stands_for_one_dial(case: Case) -> Iterator[str]:
    """Under one token one dial at most is ACCEPTED; TOKEN_CONFLICT is told only where there are two."""
    for (campaign, token), told in case.told.items():
        accepted = {r.request.dial for r in told if r.answer is not None and r.answer.outcome == "ACCEPTED"}
        if len(accepted) > 1:
            yield f"{campaign}/{token} is ACCEPTED for {len(accepted)} different dials"
        for each in told:
            conflict = each.answer is not None and each.answer.reason == "TOKEN_CONFLICT"
            if conflict and not _is_another_dial(each, told):
                yield f"{_name(each.request)} is TOKEN_CONFLICT and no other dial has its token"


def _is_another_dial(each: Told, told: list[Told]) -> bool:
    return any(r.request.dial != each.request.dial and r.request.sent_at <= each.ended_at for r in told)


def connect_has_only_what_was_sent(case: Case) -> Iterator[str]:
    """A caller has sent everything that Connect gets before, for that campaign and token."""
    sent = {key: min(each.request.sent_at for each in told) for key, told in case.told.items()}
    for call in case.history.calls:
        for token in call.tokens:
            at = sent.get((call.campaign or "", token))
            if at is None or at > call.at:
                yield f"{call.campaign}/{token} came to Connect and was not sent by then"


def calls_are_legal(case: Case) -> Iterator[str]:
    """A call keeps Connect's contract: a known campaign, at most 25 items, no token twice."""
    for call in case.history.calls:
        if call.illegal:
            yield f"call {call.request_id} for {call.campaign} is illegal: {call.result}"
        elif call.items > BATCH_LIMIT or len(set(call.tokens)) != len(call.tokens):
            yield f"call {call.request_id} for {call.campaign} has {call.items} items, or a token twice"


def nothing_comes_late(case: Case) -> Iterator[str]:
    """No call arrives with an item whose expiration is closer than the headroom, apart from its travel."""
    for call in case.history.calls:
        latest = call.at + case.headroom_s - case.travel_s
        for token in call.tokens:
            told = case.told.get((call.campaign or "", token), ())
            expires = [each.request.expires_at for each in told if each.request.sent_at <= call.at]
            if expires and max(expires) < latest:
                yield f"{call.campaign}/{token} came to Connect {latest - max(expires):.2f} s too late"


def nothing_comes_under_a_hold(case: Case) -> Iterator[str]:
    """While a hold is in force, no call for its campaign arrives from any replica to which it applies."""
    for hold in case.history.holds:
        for call in case.history.calls:
            late_s = call.at - hold.asked_at - hold.within_s
            held = call.campaign == hold.campaign and hold.replica in {"", call.access_key}
            if held and late_s > 0 and call.at < hold.released_at:
                yield f"{hold.campaign} was held and {call.access_key} called {late_s:.2f} s too late"


def expired_means_that_its_time_is_up(case: Case) -> Iterator[str]:
    """EXPIRED is answered at the headroom before the expiration, or as WOULD_EXPIRE."""
    for told in case.told.values():
        for each in told:
            answer = each.answer
            if answer is None or answer.outcome != "EXPIRED" or answer.reason == "WOULD_EXPIRE":
                continue
            early_s = each.request.expires_at - case.headroom_s - case.travel_s - answer.heard_at
            if early_s > 0:
                yield f"{_name(each.request)} is EXPIRED {early_s:.2f} s before its time"


def every_word_is_of_the_contract(case: Case) -> Iterator[str]:
    """Each outcome is one of the contract's five."""
    for answer in case.history.answers:
        if answer.outcome not in MAY_DIAL | DENIALS:
            yield f"{answer.stream}[{answer.position}] is answered {answer.outcome or 'nothing'}"


def _name(request: Request) -> str:
    return f"{request.stream}[{request.position}] {request.campaign}/{request.token}"


def in_words(answer: Answer) -> str:
    """Return outcome and reason of an answer."""
    return f"{answer.outcome} {answer.reason}".rstrip()


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        every_request_is_answered,
        no_request_is_answered_twice,
        every_answer_is_to_a_request,
        accepted_means_that_connect_has_it,
        what_connect_has_is_not_denied,
        what_is_in_doubt_is_not_denied,
        a_token_is_dialed_once,
        a_token_stands_for_one_dial,
        connect_has_only_what_was_sent,
        calls_are_legal,
        nothing_comes_late,
        nothing_comes_under_a_hold,
        expired_means_that_its_time_is_up,
        every_word_is_of_the_contract,
    )
}
