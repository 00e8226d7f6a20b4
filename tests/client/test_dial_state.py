"""Which requests of one `dial()` are read, sent, sent again and answered, with a manual clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dialgateway import (
    DialResult,
    Outcome,
    ProtocolError,
    Reason,
    RetryAdvice,
    RetryPolicy,
)
from tests.client.manual_stream import AGAIN, Stream, answer, sent_once


class TestWindow:
    def test_at_most_a_window_of_requests_is_read(self) -> None:
        """Reading stops at a full window, and goes on when the caller has taken an answer."""
        stream = Stream(size=3)
        stream.take("a", "b", "c")
        assert not stream.has_room()
        link = stream.connect()
        assert stream.send(link) == ["a", "b", "c"]
        stream.settle(link, answer("b", 1, Outcome.ACCEPTED))
        assert not stream.has_room()  # an answer that nobody has taken is held as well
        assert stream.answers() == [("b", 1, Outcome.ACCEPTED)]
        assert stream.has_room()
        assert stream.state.unanswered == ("a", "c")

    def test_a_full_chunk_is_sent_before_more_is_read(self) -> None:
        """Reading pauses at a full chunk, so that the source is not read faster than requests are sent."""
        stream = Stream(size=100, chunk=2)
        stream.take("a", "b")
        assert not stream.has_room()
        link = stream.connect()
        assert stream.send(link) == ["a", "b"]
        assert stream.has_room()
        assert stream.send(link) == []

    def test_a_stream_is_finished_after_the_source_and_the_last_answer(self) -> None:
        """Neither the end of the source nor the last answer alone finishes a stream."""
        stream, link = sent_once("a")
        stream.state.end_source()
        stream.settle(link, answer("a", 0, Outcome.REJECTED))
        assert not stream.state.finished
        stream.answers()
        assert stream.state.finished

    def test_equal_tokens_have_their_own_answers(self) -> None:
        """An answer settles the request at its index; another request with the same token stays open."""
        stream, link = sent_once("same", "same")
        stream.settle(link, answer("same", 1, Outcome.ACCEPTED))
        with pytest.raises(ProtocolError):
            stream.settle(link, answer("same", 1, Outcome.ACCEPTED))
        stream.settle(link, answer("same", 0, Outcome.ACCEPTED))
        assert [index for _, index, _ in stream.answers()] == [1, 0]

    @pytest.mark.parametrize("index", [0, 7])
    def test_an_answer_to_no_request_is_an_error(self, index: int) -> None:
        """A result with a token or an index that was not sent on this link raises ProtocolError."""
        stream, link = sent_once("a")
        with pytest.raises(ProtocolError):
            stream.settle(link, answer("b" if index == 0 else "a", index, Outcome.ACCEPTED))


class TestResubmission:
    def test_a_stream_is_not_half_closed_while_a_request_is_to_be_sent_again(self) -> None:
        """Otherwise another connection would be needed for it."""
        stream, link = sent_once("a")
        stream.state.end_source()
        stream.settle(link, answer("a", 0, Outcome.NOT_ACCEPTED))
        assert not stream.state.may_send(link)
        assert not stream.state.half_close(link)
        stream.later(1)
        assert stream.send(link) == ["a"]
        assert stream.state.half_close(link)
        assert not stream.state.half_close(link)

    @pytest.mark.parametrize("outcome", [Outcome.NOT_ACCEPTED, Outcome.UNKNOWN])
    def test_a_request_is_sent_again_if_the_answer_advises_the_same_token(self, outcome: Outcome) -> None:
        """The caller gets the answer to the next attempt, under the index of the request."""
        stream, link = sent_once("a")
        stream.settle(link, answer("a", 0, outcome))
        assert stream.answers() == []
        assert stream.state.deadline() == 1
        stream.later(1)
        assert stream.send(link) == ["a"]
        stream.settle(link, answer("a", 1, Outcome.ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.ACCEPTED)]

    def test_the_pauses_between_attempts_of_a_request_grow(self) -> None:
        """A request that is refused again and again is sent less and less often."""
        stream, link = sent_once("a")
        for place, pause in enumerate([1, 2, 4, 8, 8]):
            stream.settle(link, answer("a", place, Outcome.NOT_ACCEPTED))
            assert stream.state.deadline() == stream.now + pause
            stream.later(pause)
            assert stream.send(link) == ["a"]

    def test_retry_after_is_waited_for(self) -> None:
        """The pause is at least what the gateway asks for, plus jitter."""
        stream, link = sent_once("a")
        result = DialResult(
            "a", 0, Outcome.NOT_ACCEPTED, retry_advice=AGAIN, retry_after=timedelta(seconds=30)
        )
        stream.settle(link, result)
        assert stream.state.deadline() == 31

    def test_a_request_is_not_sent_again_after_its_expiration(self) -> None:
        """The last answer is given to the caller instead."""
        stream = Stream()
        stream.take("a", life_s=1.0)
        link = stream.connect()
        stream.send(link)
        stream.settle(link, answer("a", 0, Outcome.NOT_ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.NOT_ACCEPTED)]

    @pytest.mark.parametrize(
        "result",
        [
            answer("a", 0, Outcome.REJECTED),
            answer("a", 0, Outcome.EXPIRED),
            answer("a", 0, Outcome.NOT_ACCEPTED, RetryAdvice.NEW_TOKEN),
            answer("a", 0, Outcome.NOT_ACCEPTED, RetryAdvice.NEVER),
            answer("a", 0, Outcome.UNKNOWN, RetryAdvice.UNSPECIFIED),
            DialResult("a", 0, Outcome.NOT_ACCEPTED, reason=Reason.PURGED, retry_advice=AGAIN),
            DialResult("a", 0, Outcome.NOT_ACCEPTED, reason=Reason.HELD, retry_advice=AGAIN),
        ],
    )
    def test_other_answers_are_given_to_the_caller(self, result: DialResult) -> None:
        """Permanent refusals, other advice and operator actions are not retried."""
        stream, link = sent_once("a")
        stream.settle(link, result)
        assert stream.state.take_answers() == [result]

    def test_resubmission_can_be_switched_off(self) -> None:
        """The caller gets the first answer to each request."""
        stream, link = sent_once("a", policy=RetryPolicy(resubmit=frozenset()))
        stream.settle(link, answer("a", 0, Outcome.NOT_ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.NOT_ACCEPTED)]

    def test_a_resubmission_after_the_half_close_opens_a_new_link(self) -> None:
        """A request that is sent again after the last one needs another stream."""
        stream, link = sent_once("a")
        stream.state.end_source()
        assert stream.state.half_close(link)
        stream.settle(link, answer("a", 0, Outcome.NOT_ACCEPTED))
        stream.state.lost(link, None, stream.now)
        assert stream.later(1)
        again = stream.connect()
        assert stream.send(again) == ["a"]
        assert stream.state.half_close(again)


@pytest.mark.parametrize(
    "wrong",
    [
        {"resubmit": frozenset({Outcome.REJECTED})},
        {"first_pause": timedelta(seconds=20)},
        {"give_up_after": timedelta(seconds=-1)},
    ],
)
def test_a_contradictory_policy_is_refused(wrong: dict[str, object]) -> None:
    """Resubmission of refusals, and pauses that contradict each other, raise ValueError."""
    with pytest.raises(ValueError):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
