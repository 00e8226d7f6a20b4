"""The client gives the true answers of conformance/truth.json, which scripts/truth.py describes."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from dialgateway import DialRequest, DialResult, Outcome, Reason, RetryAdvice, RetryPolicy
from dialgateway._link import Link
from tests.client.manual_stream import Stream
from tests.client.scripted import request

CASES = json.loads((Path(__file__).parents[2] / "conformance" / "truth.json").read_text())
LIFE_S = 600.0


class Attempts:
    """The attempts of one request, carried out on the state of a `dial()` without pauses."""

    def __init__(self, case: dict[str, Any]) -> None:
        self._stream = Stream(policy=RetryPolicy(), jitter=0.0)
        self._link: Link | None = None
        if case["attempts"][0]["event"] == "too_large":
            small = request("t")
            large = {"k": "v" * 300_000}
            dial = DialRequest("t", small.phone_number, small.expires_at, large, in_doubt=case["in_doubt"])
            self._stream.state.take(dial, 0.0, 0.0)
        else:
            self._stream.take("t", life_s=LIFE_S, in_doubt=case["in_doubt"])

    def carry_out(self, attempt: dict[str, Any]) -> None:
        match attempt["event"]:
            case "broken":
                if attempt["sent"]:
                    self._send(attempt)
                self._lose(attempt.get("reason", ""))
            case "answered":
                self._send(attempt)
                self._settle(attempt)
            case "expired":
                if self._link is not None:
                    self._lose()
                self._stream.lose(self._stream.connect())
                self._stream.later(LIFE_S + 1)

    def answers(self) -> list[DialResult]:
        return self._stream.state.take_answers()

    def _connected(self) -> Link:
        self._stream.state.advance(self._stream.now)  # a request that pauses waits again
        self._link = self._link or self._stream.connect()
        return self._link

    def _lose(self, reason: str = "") -> None:
        self._stream.lose(self._connected(), reason=reason)
        self._link = None

    def _send(self, attempt: dict[str, Any]) -> None:
        (sent,) = self._stream.state.next_chunk(self._connected())
        assert sent.in_doubt is attempt["marked"]

    def _settle(self, attempt: dict[str, Any]) -> None:
        link = self._connected()
        result = DialResult(
            "t",
            link.count - 1,
            Outcome(attempt["outcome"]),
            reason=Reason(attempt["reason"] or "UNSPECIFIED"),
            retry_advice=RetryAdvice(attempt["retry_advice"] or "UNSPECIFIED"),
            retry_after=timedelta(seconds=attempt["retry_after_s"]),
        )
        self._stream.settle(link, result)
        assert self._stream.state.has_answers is not attempt["sent_again"]


def answer_to(case: dict[str, Any]) -> dict[str, str]:
    """Carry out the attempts of a case; return the answer that the caller gets."""
    attempts = Attempts(case)
    for attempt in case["attempts"]:
        attempts.carry_out(attempt)
    (result,) = attempts.answers()
    told = {"outcome": result.outcome, "reason": result.reason, "retry_advice": result.retry_advice}
    return {name: value.removeprefix("UNSPECIFIED") for name, value in told.items()}


def test_answers_are_true_for_all_attempts_together() -> None:
    assert len(CASES) > 400
    assert [case["name"] for case in CASES if answer_to(case) != case["answer"]] == []
