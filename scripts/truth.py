"""Writes conformance/truth.json: the answer that a client gives after the attempts of one dial request.

The unit tests of every client run these cases. The rule is stated here and not taken from a client, so that
no client is its own judge: decisions 14 and 46, and the comments of dial_request_service.proto.

`python scripts/truth.py` writes the file; with `--check` it only compares.

A case has the `in_doubt` of the caller's request, its attempts in order, and the answer that the caller
gets. The request expires 600 seconds after the first attempt, and no time passes between attempts. The client
has its default retry policy. An attempt is one of:

    {"event": "broken", "sent": false}   the connection ended before the request was written to it
    {"event": "broken", "sent": true, "marked": M, "reason": R}
                                         the connection ended with UNAVAILABLE after the request was written;
                                         R is the gateway's reason for that status (`ErrorReason`), if any
    {"event": "answered", "marked": M, "outcome": O, "reason": R, "retry_advice": A, "retry_after_s": S,
     "sent_again": B}                    the gateway answered; B: the client sends the request again
    {"event": "expired"}                 no gateway could be reached until the request had expired
    {"event": "too_large"}               the request takes more than 256 KiB, so it is never written

M is the `in_doubt` of the request as the client wrote it. Names have no prefix, and "" is unspecified.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).resolve().parent.parent / "conformance" / "truth.json"
LIFE_S = 600
TOO_LATE_S = 1000
"""A wait after which the request has expired, so it is not sent again."""


class Answer(NamedTuple):
    """An answer: of a gateway, or of a client to its caller."""

    outcome: str
    reason: str = ""
    retry_advice: str = ""


class Answered(NamedTuple):
    """An attempt that a gateway answered."""

    answer: Answer
    retry_after_s: int = 0


class Broken(NamedTuple):
    """An attempt whose connection ended without an answer; `reason` is the gateway's, if it gave one."""

    sent: bool
    reason: str = ""


Attempt = Answered | Broken

LEFT_TO_THE_CALLER = {
    "HELD",  # an operator's decision, like the next one
    "PURGED",
    "INVALID_REQUEST",  # this and the others are refusals, also if a doubt makes them UNKNOWN
    "INVALID_INPUT",
    "TOKEN_CONFLICT",
    "CAMPAIGN_NOT_FOUND",
    "CAMPAIGN_NOT_RUNNING",
    "OUTSIDE_CALLING_HOURS",  # a rule of the gateway, like the next ones
    "SUPPRESSED",
    "CONTACT_LIMIT",
    "NUMBER_NOT_ALLOWED",
}
NOTHING_TAKEN = (
    "DRAINING",
    "STREAM_AGE",
    "STREAM_LIMIT",
    "LIST_TOO_LONG",
    "MESSAGE_TOO_LARGE",
    "OVERLOADED",
    "CALLER_WINDOW",
    "UNAUTHENTICATED",
    "UNKNOWN_CALLER",
    "DIALING_DENIED",
)
"""Reasons with which a gateway says that it has read none of the requests without an answer."""
OTHER_REASONS = ("INTERNAL", "UNREADABLE_MESSAGE", "UNREADABLE_STREAM", "A_LATER_REASON")
EXPIRED = Answer("EXPIRED", "EXPIRATION_PASSED", "SAME_TOKEN")
TOO_LARGE = Answer("REJECTED", "INVALID_REQUEST", "NEVER")
DENIED = Answered(Answer("NOT_ACCEPTED", "CONNECT_ERROR", "SAME_TOKEN"))
UNSURE = Answered(Answer("UNKNOWN", "CONNECT_UNREACHABLE", "SAME_TOKEN"))
ANSWERS = (
    Answer("ACCEPTED"),
    TOO_LARGE,
    Answer("REJECTED", "INVALID_INPUT", "NEVER"),
    Answer("REJECTED", "TOKEN_CONFLICT", "NEW_TOKEN"),
    Answer("REJECTED", "CAMPAIGN_NOT_FOUND", "NEVER"),
    Answer("REJECTED", "ACCESS_DENIED", "NEVER"),
    EXPIRED,
    Answer("EXPIRED", "WOULD_EXPIRE", "SAME_TOKEN"),
    Answer("EXPIRED", "HELD", "SAME_TOKEN"),
    Answer("REJECTED", "SUPPRESSED", "NEVER"),
    Answer("REJECTED", "NUMBER_NOT_ALLOWED", "NEVER"),
    *(
        Answer(outcome, reason, "SAME_TOKEN")
        for outcome in ("NOT_ACCEPTED", "UNKNOWN")
        for reason in ("OUTSIDE_CALLING_HOURS", "CONTACT_LIMIT")
    ),
    Answer("UNKNOWN", "SUPPRESSED", "SAME_TOKEN"),
    Answer("UNKNOWN", "NUMBER_NOT_ALLOWED", "SAME_TOKEN"),
    *(
        Answer(outcome, reason, "SAME_TOKEN")
        for outcome in ("NOT_ACCEPTED", "UNKNOWN")
        for reason in ("CONNECT_ERROR", "DRAINING", "OVERLOADED", "HELD", "PURGED", "CAMPAIGN_NOT_RUNNING")
    ),
    Answer("NOT_ACCEPTED", "CONNECT_ERROR", "NEVER"),
    UNSURE.answer,
    Answer("UNKNOWN", "INVALID_REQUEST", "SAME_TOKEN"),
    Answer("UNKNOWN", "TOKEN_CONFLICT", "SAME_TOKEN"),
)
HISTORIES: dict[str, Sequence[Attempt]] = {
    "at first": (),
    "after an unsent attempt": (Broken(sent=False),),
    "after a broken attempt": (Broken(sent=True),),
    "after a denial": (DENIED,),
    "after a doubt": (UNSURE,),
    "after a denial and a broken attempt": (DENIED, Broken(sent=True)),
    "after a broken attempt and a denial": (Broken(sent=True), DENIED),
    "after two unsent attempts and a doubt": (Broken(sent=False), Broken(sent=False), UNSURE),
    "after a broken attempt and a refused one": (Broken(sent=True), Broken(sent=True, reason="OVERLOADED")),
}
REASONED: dict[str, Sequence[Attempt]] = {
    f"after {reason}": (Broken(sent=True, reason=reason),) for reason in (*NOTHING_TAKEN, *OTHER_REASONS)
}
"""Attempts that the gateway itself has ended. One answer after each of them shows whether it left a doubt."""


def leaves_doubt(attempt: Attempt) -> bool:
    """Whether Amazon Connect may have the request after this attempt."""
    if isinstance(attempt, Broken):
        return attempt.sent and attempt.reason not in NOTHING_TAKEN
    return attempt.answer.outcome == "UNKNOWN"


def sent_again(attempt: Answered) -> bool:
    """Whether a client sends the request again instead of giving this answer to its caller."""
    answer = attempt.answer
    undecided = answer.outcome in {"NOT_ACCEPTED", "UNKNOWN"} and answer.retry_advice == "SAME_TOKEN"
    return undecided and answer.reason not in LEFT_TO_THE_CALLER and attempt.retry_after_s < LIFE_S


def truth(answer: Answer, *, in_doubt: bool) -> Answer:
    """Return what is true for all attempts together, if this is the answer to the last one."""
    if in_doubt and answer.outcome not in {"ACCEPTED", "UNKNOWN"}:
        return Answer("UNKNOWN", answer.reason, "SAME_TOKEN")
    return answer


def cases() -> Iterator[dict[str, Any]]:
    """Yield all cases."""
    for in_doubt in (False, True):
        mark = ", in doubt" if in_doubt else ""
        for before, history in HISTORIES.items():
            for answer in ANSWERS:
                last = Answered(answer)
                last = last._replace(retry_after_s=TOO_LATE_S if sent_again(last) else 0)
                attempts, doubt = _described([*history, last], in_doubt=in_doubt)
                words = " ".join(answer).rstrip()
                yield _case(f"{words} {before}{mark}", attempts, answer, in_doubt, doubt)
            attempts, doubt = _described(history, in_doubt=in_doubt)
            attempts.append({"event": "expired"})
            yield _case(f"no gateway {before}{mark}", attempts, EXPIRED, in_doubt, doubt)
        for before, history in REASONED.items():
            attempts, doubt = _described([*history, Answered(EXPIRED)], in_doubt=in_doubt)
            yield _case(f"{' '.join(EXPIRED)} {before}{mark}", attempts, EXPIRED, in_doubt, doubt)
        yield _case(f"too large{mark}", [{"event": "too_large"}], TOO_LARGE, in_doubt, in_doubt)


def _described(attempts: Sequence[Attempt], *, in_doubt: bool) -> tuple[list[dict[str, Any]], bool]:
    """Return the attempts as in the file, and whether the request is in doubt after them."""
    described: list[dict[str, Any]] = []
    for attempt in attempts:
        if isinstance(attempt, Answered):
            told = {**attempt.answer._asdict(), "retry_after_s": attempt.retry_after_s}
            described.append(
                {"event": "answered", "marked": in_doubt, **told, "sent_again": sent_again(attempt)}
            )
        else:
            written = {"marked": in_doubt, "reason": attempt.reason} if attempt.sent else {}
            described.append({"event": "broken", "sent": attempt.sent, **written})
        in_doubt = in_doubt or leaves_doubt(attempt)
    return described, in_doubt


def _case(
    name: str, attempts: list[dict[str, Any]], answer: Answer, in_doubt: bool, doubt: bool
) -> dict[str, Any]:
    told = truth(answer, in_doubt=doubt)._asdict()
    return {"name": name, "in_doubt": in_doubt, "attempts": attempts, "answer": told}


def text() -> str:
    """Return the content of the file: one case a line."""
    lines = ",\n".join(json.dumps(case) for case in cases())
    return f"[\n{lines}\n]\n"


def main(arguments: Sequence[str]) -> int:
    """Write or check the file; return 0 if it is up to date afterwards."""
    if "--check" not in arguments:
        FILE.write_text(text(), encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != text():
        print("conformance/truth.json differs from scripts/truth.py: run `make protos`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
