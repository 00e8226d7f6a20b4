"""The connections of one `dial()`: pauses, replacement, and when it gives up, with a manual clock."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest

from dialgateway import (
    NO_RETRIES,
    GatewayUnavailable,
    Outcome,
    Reason,
    RetryPolicy,
)
from dialgateway._reconnection import UNUSUAL_ENDS
from dialgateway.retry import FINAL_STATUSES
from tests.client.manual_stream import LIFE_S, Stream, answer, sent_once


class TestConnections:
    def test_no_connection_is_opened_before_there_is_a_request(self) -> None:
        """A stream without requests does not connect."""
        stream = Stream()
        assert not stream.state.advance(0)
        stream.take("a")
        assert stream.state.advance(0)

    def test_unanswered_requests_are_sent_again_in_order_after_a_break(self) -> None:
        """Their answers have the index of the source, not that of the new connection."""
        stream, link = sent_once("a", "b", "c")
        stream.settle(link, answer("b", 1, Outcome.ACCEPTED))
        stream.take("d")
        stream.lose(link)
        assert not stream.later(0.9)
        assert stream.later(0.2)
        again = stream.connect()
        assert stream.send(again) == ["a", "c", "d"]
        stream.settle(again, *(answer(token, place, Outcome.ACCEPTED) for place, token in enumerate("acd")))
        assert [(token, index) for token, index, _ in stream.answers()] == [
            ("b", 1),
            ("a", 0),
            ("c", 2),
            ("d", 3),
        ]

    def test_pauses_double_up_to_a_bound_and_start_again_after_an_answer(self) -> None:
        """Each connection in a row without an answer doubles the pause."""
        stream, link = sent_once("a", "b")
        pauses = []
        for _ in range(5):
            stream.lose(link)
            deadline = stream.state.deadline()
            assert deadline is not None
            pauses.append(deadline - stream.now)
            stream.now = deadline
            link = stream.connect()
        assert pauses == [1, 2, 4, 8, 8]
        stream.send(link)
        stream.settle(link, answer("a", 0, Outcome.ACCEPTED))
        stream.lose(link)
        assert stream.state.deadline() == stream.now + 1

    def test_a_pause_may_be_zero(self) -> None:
        """Full jitter: a pause is drawn between zero and its bound."""
        stream = Stream(jitter=0)
        stream.take("a")
        stream.lose(stream.connect())
        assert stream.state.advance(stream.now)

    def test_a_draining_stream_is_replaced_at_once_and_read_to_its_end(self) -> None:
        """New requests go to a new link, answers come on both, and requests left on the old one are sent
        again.
        """
        stream, old = sent_once("a", "b")
        stream.settle(old, answer("a", 0, Outcome.ACCEPTED))
        stream.state.drain(old, stream.now)
        stream.take("c")
        assert stream.send(old) == []
        new = stream.connect()
        assert stream.send(new) == ["c"]
        stream.settle(new, answer("c", 0, Outcome.ACCEPTED))
        stream.state.end_source()
        assert not stream.state.half_close(new)  # b may yet have to be sent here
        stream.lose(old)
        assert stream.send(new) == ["b"]
        assert stream.state.half_close(new)
        stream.settle(new, answer("b", 1, Outcome.ACCEPTED))
        assert [index for _, index, _ in stream.answers()] == [0, 2, 1]

    def test_streams_that_drain_at_once_are_replaced_after_growing_pauses(self) -> None:
        """If each new stream is told to drain, the client does not reconnect in a tight loop."""
        stream = Stream()
        stream.take("a")
        waits = []
        for _ in range(3):
            link = stream.connect()
            stream.state.drain(link, stream.now)
            deadline = stream.state.deadline()
            assert deadline is not None
            waits.append(deadline - stream.now)
            stream.now = deadline
        assert waits == [1, 2, 4]

    def test_a_link_is_half_closed_after_the_last_request(self) -> None:
        """Its end with OK then ends the stream."""
        stream, link = sent_once("a")
        assert not stream.state.half_close(link)
        stream.state.end_source()
        assert stream.state.half_close(link)
        stream.settle(link, answer("a", 0, Outcome.ACCEPTED))
        stream.state.lost(link, None, stream.now)
        stream.answers()
        assert stream.state.finished
        assert stream.state.failure is None

    def test_a_half_closed_link_that_breaks_is_replaced(self) -> None:
        """The requests sent on it without an answer are sent again."""
        stream, link = sent_once("a")
        stream.state.end_source()
        assert stream.state.half_close(link)
        stream.lose(link)
        assert stream.later(1)
        assert stream.send(stream.connect()) == ["a"]

    @pytest.mark.parametrize("code", sorted(FINAL_STATUSES, key=str))
    def test_a_final_status_is_raised_at_once(self, code: grpc.StatusCode) -> None:
        """The error has the unanswered tokens, and those of them in doubt."""
        stream, link = sent_once("a")
        stream.take("b")
        stream.lose(link, code)
        assert stream.state.failure is not None
        assert not stream.later(100)
        assert stream.state.unanswered == ("a", "b")
        assert stream.state.in_doubt == ("a",)

    @pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED])
    def test_connections_that_end_right_after_a_message_are_retried_a_few_times(
        self, code: grpc.StatusCode
    ) -> None:
        """The message may be the cause; after several in a row the error is raised."""
        stream = Stream()
        stream.take("a")
        for _ in range(UNUSUAL_ENDS):
            assert stream.state.failure is None
            link = stream.connect()
            stream.send(link)
            stream.lose(link, code)
            stream.later(8)
        assert stream.state.failure is not None
        assert stream.state.failure.code is code

    @pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED])
    @pytest.mark.parametrize("sent", [False, True])
    def test_the_client_reconnects_as_long_as_its_messages_are_not_the_cause(
        self, code: grpc.StatusCode, sent: bool
    ) -> None:
        """A connection that ends before a message, or long after it, was not ended by the message."""
        stream = Stream(policy=RetryPolicy(longest_pause=timedelta(seconds=2)))
        stream.take("a")
        for _ in range(3 * UNUSUAL_ENDS):
            link = stream.connect()
            if sent:
                stream.send(link)
                stream.now += 3
            stream.lose(link, code)
            stream.later(2)
        assert stream.state.failure is None

    def test_unusual_statuses_are_retried_a_few_times(self) -> None:
        """UNKNOWN and similar may come from a misconfigured proxy; after several in a row the error is
        raised.
        """
        stream = Stream()
        stream.take("a")
        for _ in range(UNUSUAL_ENDS):
            assert stream.state.failure is None
            stream.lose(stream.connect(), grpc.StatusCode.UNKNOWN)
            stream.later(8)
        assert stream.state.failure is not None

    def test_the_error_of_giving_up_is_gateway_unavailable(self) -> None:
        """It has the status with which the last connection ended."""
        stream = Stream(policy=RetryPolicy(give_up_after=timedelta(seconds=5)))
        stream.take("a")
        stream.lose(stream.connect(), grpc.StatusCode.INTERNAL)
        stream.later(6)
        failure = stream.state.failure
        assert isinstance(failure, GatewayUnavailable)
        assert failure.code is grpc.StatusCode.INTERNAL

    def test_a_stream_that_ends_with_ok_too_early_is_replaced(self) -> None:
        """The unanswered requests are sent again."""
        stream, link = sent_once("a")
        stream.state.lost(link, None, stream.now)
        assert stream.later(1)

    def test_without_retries_the_first_failure_is_raised(self) -> None:
        """A policy that does not reconnect raises the first failure, and ignores DRAINING."""
        stream, link = sent_once("a", policy=NO_RETRIES)
        stream.state.drain(link, stream.now)
        stream.take("b")
        assert stream.send(link) == ["b"]
        stream.lose(link)
        assert stream.state.failure is not None


class TestUnreachable:
    def test_an_unsent_request_expires_while_the_gateway_is_unreachable(self) -> None:
        """The client answers it with EXPIRED at its expiration."""
        stream = Stream()
        stream.take("a", life_s=5)
        stream.take("b", life_s=50)
        stream.lose(stream.connect())
        stream.later(5)
        (result,) = stream.state.take_answers()
        assert (result.client_token, result.outcome, result.reason) == (
            "a",
            Outcome.EXPIRED,
            Reason.EXPIRATION_PASSED,
        )
        assert stream.state.unanswered == ("b",)

    def test_a_sent_request_is_unknown_when_it_expires(self) -> None:
        """A request that expires after a connection broke may be at Connect."""
        stream, link = sent_once("a")
        stream.lose(link)
        stream.later(LIFE_S)
        assert stream.answers() == [("a", 0, Outcome.UNKNOWN)]

    def test_a_reachable_gateway_decides_whether_a_request_has_expired(self) -> None:
        """The clocks may differ, so the client sends requests that look expired."""
        stream = Stream()
        stream.take("a", life_s=-3600)
        assert stream.send(stream.connect()) == ["a"]
        assert stream.answers() == []

    def test_the_client_gives_up_after_the_time_of_the_policy(self) -> None:
        """There is always at least one attempt."""
        stream = Stream(policy=RetryPolicy(give_up_after=timedelta(seconds=60)))
        stream.take("a")
        while stream.later(0) or stream.state.failure is None:
            if stream.state.advance(stream.now):
                stream.lose(stream.state.connect(stream.now))
            deadline = stream.state.deadline()
            assert deadline is None or deadline >= stream.now
            stream.now = deadline if deadline is not None else stream.now
        assert stream.now == 60
        assert stream.state.failure.code is grpc.StatusCode.UNAVAILABLE
        assert stream.state.unanswered == ("a",)
        assert stream.state.in_doubt == ()

    def test_the_time_to_give_up_starts_when_the_connection_fails(self) -> None:
        """A connection that was good for an hour without an answer does not use up that time."""
        stream, link = sent_once("a", policy=RetryPolicy(give_up_after=timedelta(seconds=60)))
        stream.now = 200
        stream.lose(link)
        assert stream.later(10)
        assert stream.state.failure is None

    def test_idle_time_does_not_count_as_unreachable(self) -> None:
        """A stream without requests is not unreachable."""
        stream, link = sent_once("a", policy=RetryPolicy(give_up_after=timedelta(seconds=60)))
        stream.settle(link, answer("a", 0, Outcome.ACCEPTED))
        stream.lose(link)
        stream.later(1)
        stream.take("b")
        stream.lose(stream.connect())
        stream.later(LIFE_S)
        stream.answers()
        stream.now = 3600
        stream.take("c")
        stream.later(0)
        assert stream.state.failure is None
