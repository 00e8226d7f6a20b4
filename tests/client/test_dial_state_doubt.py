"""Which requests of one `dial()` are in doubt, and what their answers become, with a manual clock."""

from __future__ import annotations

import pytest

from dialgateway import (
    Outcome,
    ProtocolError,
    Reason,
    RetryAdvice,
)
from dialgateway._link import CHECK_EVERY_S, OVERDUE_S
from tests.client.manual_stream import AGAIN, LIFE_S, Stream, answer, sent_once


class TestDoubt:
    @pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.EXPIRED])
    def test_a_refusal_after_a_broken_connection_becomes_unknown(self, outcome: Outcome) -> None:
        """Connect may have a request that was sent on the broken connection, whatever the next replica
        answers.
        """
        stream, link = sent_once("a")
        stream.take("b")
        stream.lose(link)
        stream.later(1)
        again = stream.connect()
        stream.send(again)
        stream.settle(
            again, answer("a", 0, outcome, RetryAdvice.NEVER), answer("b", 1, outcome, RetryAdvice.NEVER)
        )
        first, second = stream.state.take_answers()
        assert (first.outcome, first.retry_advice, first.reason) == (
            Outcome.UNKNOWN,
            AGAIN,
            Reason.CONNECT_ERROR,
        )
        assert outcome.value in first.detail
        assert "why" in first.detail
        assert (second.outcome, second.retry_advice) == (outcome, RetryAdvice.NEVER)  # b was sent once only

    @pytest.mark.parametrize("outcome", [Outcome.NOT_ACCEPTED, Outcome.EXPIRED, Outcome.REJECTED])
    def test_a_request_once_unknown_is_answered_accepted_or_unknown(self, outcome: Outcome) -> None:
        """A gateway that does not know the earlier call cannot refuse the request."""
        stream, link = sent_once("a")
        stream.settle(link, answer("a", 0, Outcome.UNKNOWN))
        stream.later(1)
        assert stream.send(link) == ["a"]
        stream.settle(link, answer("a", 1, outcome, RetryAdvice.NEVER))
        assert stream.answers() == [("a", 0, Outcome.UNKNOWN)]

    def test_accepted_is_true_for_a_request_in_doubt(self) -> None:
        """Connect has the request, whatever happened before."""
        stream, link = sent_once("a")
        stream.lose(link)
        stream.later(1)
        again = stream.connect()
        stream.send(again)
        stream.settle(again, answer("a", 0, Outcome.ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.ACCEPTED)]

    def test_requests_with_the_same_token_are_in_doubt_together(self) -> None:
        """They are the same dial."""
        stream, link = sent_once("same")
        stream.lose(link)
        stream.take("same")
        stream.later(1)
        again = stream.connect()
        stream.send(again)
        stream.settle(again, answer("same", 1, Outcome.REJECTED, RetryAdvice.NEVER))
        assert stream.answers() == [("same", 1, Outcome.UNKNOWN)]

    def test_a_request_that_the_caller_marks_is_in_doubt(self) -> None:
        """Its answers are corrected like those of requests that the client has marked."""
        stream = Stream()
        stream.take("a", in_doubt=True)
        assert stream.state.in_doubt == ("a",)
        link = stream.connect()
        stream.send(link)
        stream.settle(link, answer("a", 0, Outcome.EXPIRED))
        assert stream.answers() == [("a", 0, Outcome.UNKNOWN)]

    def test_a_request_that_was_not_sent_is_not_in_doubt(self) -> None:
        """A connection that was never made leaves no doubt, so the refusal of the next one is passed on."""
        stream = Stream()
        stream.take("a")
        assert stream.state.advance(0)
        stream.lose(stream.state.connect(0))
        stream.later(1)
        link = stream.connect()
        stream.send(link)
        stream.settle(link, answer("a", 0, Outcome.REJECTED, RetryAdvice.NEVER))
        assert stream.answers() == [("a", 0, Outcome.REJECTED)]

    def test_the_number_of_remembered_tokens_is_bounded(self) -> None:
        """A stream that breaks again and again does not use more and more memory."""
        stream = Stream(size=1000, chunk=1000)
        for begin in range(0, 20_000, 1000):
            stream.take(*(f"t-{number}" for number in range(begin, begin + 1000)))
            stream.later(8)
            link = stream.connect()
            sent = stream.send(link)
            stream.lose(link)
            stream.later(8)
            link = stream.connect()
            assert stream.send(link) == sent
            stream.settle(link, *(answer(token, at, Outcome.ACCEPTED) for at, token in enumerate(sent)))
            stream.answers()
            stream.lose(link)
        assert len(stream.state._in_doubt._tokens) == 10_000


def test_a_request_that_is_long_overdue_is_answered_unknown() -> None:
    """Something on an open connection holds the answer back; the caller does not wait forever."""
    stream = Stream()
    link = stream.connect_with("a", "b")
    stream.later(LIFE_S + OVERDUE_S - 1.0)
    assert stream.answers() == []
    stream.later(CHECK_EVERY_S)
    assert stream.answers() == [("a", 0, Outcome.UNKNOWN), ("b", 1, Outcome.UNKNOWN)]
    stream.settle(link, answer("a", 0, Outcome.ACCEPTED))  # too late to be answers over, and no fault
    assert stream.answers() == []
    with pytest.raises(ProtocolError):
        stream.settle(link, answer("a", 0, Outcome.ACCEPTED))


def test_a_token_that_was_overdue_is_sent_again_in_doubt() -> None:
    stream = Stream()
    link = stream.connect_with("a")
    stream.later(LIFE_S + OVERDUE_S)
    stream.later(CHECK_EVERY_S)
    stream.take("a", "b")
    assert [one.in_doubt for one in stream.state.next_chunk(link)] == [True, False]


def test_what_was_sent_and_is_not_answered_is_in_doubt() -> None:
    stream = Stream()
    link = stream.connect_with("a", "b")
    stream.take("c")
    stream.settle(link, answer("b", 1, Outcome.ACCEPTED))
    assert stream.state.in_doubt == ("a",)
    assert stream.state.unanswered == ("a", "c")


def test_overdue_requests_are_looked_for_only_while_some_are_outstanding() -> None:
    """`deadline()` names the next check, and none if there is nothing to check."""
    stream = Stream()
    assert stream.state.deadline() is None
    link = stream.connect_with("a")
    stream.later(0.0)
    assert stream.state.deadline() == stream.now + CHECK_EVERY_S
    stream.settle(link, answer("a", 0, Outcome.ACCEPTED))
    stream.answers()
    stream.later(CHECK_EVERY_S)
    assert stream.state.deadline() is None
