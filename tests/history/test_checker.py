"""The checker itself: a history that breaks no rule, and for each rule one that breaks it and no other."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.simulator import AcceptedItem, CallRecord
from tests.history.checker import RULES, judge
from tests.history.history import Answer, History, Hold, Request

CAMPAIGN, TOKEN, ID = "campaign-a", "token-1", "id-1"
SENT, CALLED, HEARD, EXPIRES = 100.0, 101.0, 102.0, 400.0


def request(position: int = 0, **changes: Any) -> Request:
    usual = Request("caller", position, CAMPAIGN, TOKEN, dial=1, expires_at=EXPIRES, sent_at=SENT)
    return usual._replace(**changes)


def answer(outcome: str = "ACCEPTED", reason: str = "", position: int = 0, **changes: Any) -> Answer:
    id_ = ID if outcome == "ACCEPTED" else ""
    return Answer("caller", position, TOKEN, outcome, reason, id_, replayed=False, heard_at=HEARD)._replace(
        **changes
    )


def call(
    *tokens: str, at: float = CALLED, id_: str = ID, replayed: bool = False, **changes: Any
) -> CallRecord:
    """Make a call with which Connect took what it carried."""
    record = CallRecord(request_id="r", at=at, operation="PutDialRequestBatch", campaign=CAMPAIGN)
    record.tokens, record.items, record.carried_out = tokens, len(tokens), True
    record.accepted = [AcceptedItem(token, id_, replayed) for token in tokens]
    for name, value in changes.items():
        setattr(record, name, value)
    return record


def history(*what: Request | Answer | CallRecord | Hold, left: dict[str, float] | None = None) -> History:
    """Put a history together from requests, answers, calls and holds."""
    return History(
        [each for each in what if isinstance(each, Request)],
        [each for each in what if isinstance(each, Answer)],
        left or {},
        [each for each in what if isinstance(each, CallRecord)],
        [each for each in what if isinstance(each, Hold)],
    )


def denied(outcome: str, reason: str, *more: Request | Answer | CallRecord, **changes: Any) -> History:
    """Make a history of a request that is denied, and of whatever else."""
    return history(request(), answer(outcome, reason, **changes), *more)


BROKEN: dict[str, list[Callable[[], History]]] = {
    "every_request_is_answered": [lambda: history(request(), call(TOKEN))],
    "no_request_is_answered_twice": [lambda: history(request(), answer(), answer(), call(TOKEN))],
    "every_answer_is_to_a_request": [
        lambda: history(request(), answer(), answer("UNKNOWN", position=1), call(TOKEN)),
        lambda: history(request(), answer(token="token-2"), call(TOKEN)),
        lambda: history(request(), answer("UNKNOWN", heard_at=SENT - 1)),
    ],
    "accepted_means_that_connect_has_it": [
        lambda: history(request(), answer()),
        lambda: history(request(), answer(id="id-2"), call(TOKEN)),
        lambda: history(request(), answer(), call(TOKEN, at=HEARD + 1)),
        lambda: history(
            request(), answer(), request(1, campaign="campaign-b"), answer("UNKNOWN", position=1),
            call(TOKEN, campaign="campaign-b"),
        ),
    ],
    "what_is_in_doubt_is_not_denied": [
        lambda: history(request(in_doubt=True), answer("NOT_ACCEPTED", "HELD")),
    ],
    "what_connect_has_is_not_denied": [
        lambda: denied("REJECTED", "INVALID_INPUT", call(TOKEN)),
        lambda: denied("NOT_ACCEPTED", "DRAINING", call(TOKEN)),
        lambda: denied("EXPIRED", "EXPIRATION_PASSED", call(TOKEN), heard_at=EXPIRES),
        # Connect had it before the request was sent: the answer should have known.
        lambda: history(
            request(sent_at=SENT - 9), answer("UNKNOWN", heard_at=SENT - 1), call(TOKEN, at=SENT - 5),
            request(1), answer("NOT_ACCEPTED", position=1),
        ),
        # A call that was given up is carried out long after all was said.
        lambda: denied("NOT_ACCEPTED", "CONNECT_ERROR", call(TOKEN, at=HEARD + 60)),
        lambda: history(
            request(), request(1), answer("NOT_ACCEPTED"), answer("NOT_ACCEPTED", position=1),
            call(TOKEN, at=HEARD + 60),
        ),
        lambda: history(
            request(sent_at=SENT - 9), answer("UNKNOWN", heard_at=SENT - 1),
            request(1), answer("NOT_ACCEPTED", position=1), call(TOKEN, at=HEARD + 60),
        ),
        lambda: history(
            request(stream="gone", sent_at=SENT - 9),
            request(), answer("NOT_ACCEPTED"), call(TOKEN, at=HEARD + 60),
            left={"gone": SENT - 1},
        ),
    ],
    "a_token_is_dialed_once": [
        lambda: history(request(), answer(), call(TOKEN), call(TOKEN, at=CALLED + 0.5, id_="id-2"))
    ],
    "a_token_stands_for_one_dial": [
        lambda: history(request(), answer(), call(TOKEN), request(1, dial=2), answer(position=1)),
        lambda: history(request(), answer("REJECTED", "TOKEN_CONFLICT")),
    ],
    "connect_has_only_what_was_sent": [
        lambda: history(call("token-2")),
        lambda: history(request(), answer(), call(TOKEN), call(TOKEN, at=SENT - 1, accepted=[])),
    ],
    "calls_are_legal": [
        lambda: history(call(illegal=True, result="ValidationException")),
        lambda: history(request(), answer("UNKNOWN"), call(TOKEN, TOKEN, accepted=[])),
        lambda: history(request(), answer(), call(TOKEN, items=26)),
    ],
    "nothing_comes_late": [
        lambda: history(request(), answer("UNKNOWN", heard_at=EXPIRES), call(TOKEN, at=EXPIRES - 3)),
    ],
    "nothing_comes_under_a_hold": [
        lambda: history(request(), answer(), call(TOKEN), Hold(CAMPAIGN, CALLED - 1.1)),
        lambda: history(
            request(), answer(), call(TOKEN, access_key="replica-2"),
            Hold(CAMPAIGN, CALLED - 2, replica="replica-2"),
        ),
    ],
    "expired_means_that_its_time_is_up": [lambda: denied("EXPIRED", "THROTTLED")],
    "every_word_is_of_the_contract": [lambda: history(request(), answer("MAYBE"))],
}  # fmt: skip

EXAMPLES = [
    pytest.param(rule, make, id=f"{rule}-{n}") for rule, many in BROKEN.items() for n, make in enumerate(many)
]


@pytest.mark.parametrize(("rule", "make"), EXAMPLES)
def test_a_broken_rule_is_named_alone(rule: str, make: Callable[[], History]) -> None:
    """A broken rule is named alone, and no other rule would notice it."""
    verdict = judge(make())
    assert verdict.violations.keys() == {rule}
    assert verdict.shown
    others = {name: one for name, one in RULES.items() if name != rule}
    assert judge(make(), rules=others).holds


def test_every_rule_has_an_example() -> None:
    """For each rule there is a history that breaks it."""
    assert BROKEN.keys() == RULES.keys()


GOOD: dict[str, Callable[[], History]] = {
    "accepted": lambda: history(request(), answer(), call(TOKEN)),
    "answer lost and asked again": lambda: history(
        request(), answer(), call(TOKEN), call(TOKEN, at=CALLED + 0.5, replayed=True)
    ),
    "in doubt, whatever Connect has": lambda: history(
        request(), answer("UNKNOWN", "DRAINING"), call(TOKEN, at=HEARD + 60)
    ),
    "in doubt for nothing": lambda: history(request(), answer("UNKNOWN", "CONNECT_ERROR")),
    "denied, then sent again and accepted": lambda: history(
        request(), answer("NOT_ACCEPTED", "DRAINING"),
        request(1, sent_at=HEARD + 1), call(TOKEN, at=HEARD + 2), answer(position=1, heard_at=HEARD + 3),
    ),
    "denied, and another caller of the same token goes on": lambda: history(
        request(), answer("NOT_ACCEPTED", "DRAINING"),
        request(1, sent_at=SENT + 0.5), call(TOKEN), answer(position=1, heard_at=HEARD + 3),
    ),
    "another dial under its token": lambda: history(
        request(), answer(), call(TOKEN), request(1, dial=2), answer("REJECTED", "TOKEN_CONFLICT", position=1)
    ),
    "the caller left, and its call went on": lambda: history(
        request(), call(TOKEN), left={"caller": SENT + 0.5}
    ),
    "replayed": lambda: history(
        request(), answer(), call(TOKEN), request(1, sent_at=HEARD), answer(position=1, replayed=True)
    ),
    "expired": lambda: denied("EXPIRED", "EXPIRATION_PASSED", heard_at=EXPIRES - 5),
    "in flight when it was held": lambda: history(
        request(), answer(), call(TOKEN), Hold(CAMPAIGN, CALLED - 0.9)
    ),
    "released, or another campaign or replica held": lambda: history(
        request(), answer(), call(TOKEN, access_key="replica-1"), Hold(CAMPAIGN, CALLED - 3, CALLED - 0.1),
        Hold("campaign-b", CALLED - 3), Hold(CAMPAIGN, CALLED - 3, replica="replica-2"),
    ),
    "would expire": lambda: denied("EXPIRED", "WOULD_EXPIRE"),
    "rejected": lambda: denied("REJECTED", "INVALID_REQUEST"),
    "sent again with more time": lambda: history(
        request(), answer("EXPIRED", "EXPIRATION_PASSED", heard_at=EXPIRES - 5),
        request(1, sent_at=EXPIRES, expires_at=EXPIRES + 300), call(TOKEN, at=EXPIRES + 1),
        answer(position=1, heard_at=EXPIRES + 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_legitimate_histories_break_no_rule(make: Callable[[], History]) -> None:
    """Whatever may happen to a dial request is no violation."""
    verdict = judge(make())
    assert verdict.holds, str(verdict)
    assert (verdict.untrue, verdict.unanswered) == (0, 0)


def test_the_verdict_counts() -> None:
    """The verdict counts all violations of each rule and shows the first ones."""
    everything = history(
        *(request(index, token=f"t-{index}") for index in range(30)),
        *(answer(position=index, token=f"t-{index}", id=f"id-{index}") for index in range(20)),
        *(answer("UNKNOWN", "DRAINING", position=index, token=f"t-{index}") for index in range(20, 22)),
        request(0, stream="gone"),
        call(TOKEN),
        left={"gone": HEARD},
    )
    verdict = judge(everything, shown=3)
    assert (verdict.requests, verdict.calls, verdict.dials) == (31, 1, 1)
    assert verdict.answers == {"ACCEPTED": 20, "UNKNOWN DRAINING": 2}
    assert (verdict.accepted, verdict.unanswered, verdict.left, verdict.untrue) == (20, 8, 1, 20)
    assert verdict.violations == {
        "every_request_is_answered": 8,
        "accepted_means_that_connect_has_it": 20,
    }
    assert len(verdict.shown) == 6
    assert "accepted means that connect has it: 20" in str(verdict)


def test_calls_are_counted_by_replica() -> None:
    """Calls are counted by replica and over the quota, and tokens that are sent after they were accepted."""
    verdict = judge(
        history(
            request(),
            answer(),
            call(TOKEN, access_key="replica-1"),
            call(TOKEN, at=HEARD + 1, replayed=True, access_key="replica-2"),
            call(result="ThrottlingException", access_key="replica-2"),
        )
    )
    assert verdict.by_replica == {"replica-1": 1, "replica-2": 2}
    assert (verdict.throttled, verdict.sent_again) == (1, 1)
    assert "replica-1 1, replica-2 2; 1 over the quota, 1 tokens sent again" in str(verdict)
