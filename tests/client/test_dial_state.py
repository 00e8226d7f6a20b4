"""The state of one `dial()` over many connections, without sockets and with a manual clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from dialgateway import (
    NO_RETRIES,
    CallFailed,
    DialRequest,
    DialResult,
    GatewayUnavailable,
    Outcome,
    ProtocolError,
    Reason,
    RetryAdvice,
    RetryPolicy,
)
from dialgateway._dial_state import DialState
from dialgateway._link import LOOK_EVERY_S, OVERDUE_S, Link
from dialgateway._reconnection import UNUSUAL_ENDS
from dialgateway.errors import from_status
from dialgateway.retry import FINAL_STATUSES
from tests.client.scripted import PHONE

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
LIFE_S = 300.0
AGAIN = RetryAdvice.SAME_TOKEN
POLICY = RetryPolicy(first_pause=timedelta(seconds=1), longest_pause=timedelta(seconds=8))


def failed(code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> CallFailed:
    return from_status(code, "gone")


def answer(token: str, index: int, outcome: Outcome, advice: RetryAdvice = AGAIN) -> DialResult:
    return DialResult(token, index, outcome, reason=Reason.CONNECT_ERROR, detail="why", retry_advice=advice)


class Stream:
    """A state driven by a test. Its clock starts at 0, which is noon."""

    def __init__(self, size: int = 10, chunk: int = 10, policy: RetryPolicy = POLICY, jitter: float = 1.0):
        self.state = DialState(size, chunk, policy, lambda: jitter)
        self.now = 0.0

    def take(self, *tokens: str, life_s: float = LIFE_S, in_doubt: bool = False) -> None:
        for token in tokens:
            expires = datetime.fromtimestamp(NOON + self.now + life_s, UTC)
            self.state.take(DialRequest(token, PHONE, expires, in_doubt=in_doubt), self.now, NOON + self.now)

    def has_room(self) -> bool:
        return self.state.has_room

    def connect(self) -> Link:
        assert self.state.advance(self.now)
        link = self.state.connect(self.now)
        self.state.ready(link, self.now)
        return link

    def send(self, link: Link) -> list[str]:
        return [request.client_token for request in self.state.next_chunk(link)]

    def connect_with(self, *tokens: str) -> Link:
        self.take(*tokens)
        link = self.connect()
        assert self.send(link) == list(tokens)
        return link

    def settle(self, link: Link, *results: DialResult) -> None:
        self.state.settle(link, results, self.now)

    def lose(self, link: Link, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self.state.lost(link, failed(code), self.now)

    def later(self, seconds: float) -> bool:
        self.now += seconds
        return self.state.advance(self.now)

    def answers(self) -> list[tuple[str, int, Outcome]]:
        answers = self.state.take_answers()
        return [(result.client_token, result.index, result.outcome) for result in answers]


def sent_once(*tokens: str, policy: RetryPolicy = POLICY) -> tuple[Stream, Link]:
    """A stream whose requests are outstanding on its first connection."""
    stream = Stream(policy=policy)
    stream.take(*tokens)
    link = stream.connect()
    assert stream.send(link) == list(tokens)
    return stream, link


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


class TestResubmission:
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


def test_a_request_that_is_long_overdue_is_answered_unknown() -> None:
    """Something on an open connection holds the answer back; the caller does not wait forever."""
    stream = Stream()
    link = stream.connect_with("a", "b")
    stream.later(LIFE_S + OVERDUE_S - 1.0)
    assert stream.answers() == []
    stream.later(LOOK_EVERY_S)
    assert stream.answers() == [("a", 0, Outcome.UNKNOWN), ("b", 1, Outcome.UNKNOWN)]
    stream.settle(link, answer("a", 0, Outcome.ACCEPTED))  # too late to be answers over, and no fault
    assert stream.answers() == []
    with pytest.raises(ProtocolError):
        stream.settle(link, answer("a", 0, Outcome.ACCEPTED))


def test_overdue_requests_are_looked_for_only_while_some_are_outstanding() -> None:
    """`deadline()` names the next check, and none if there is nothing to check."""
    stream = Stream()
    assert stream.state.deadline() is None
    link = stream.connect_with("a")
    stream.later(0.0)
    assert stream.state.deadline() == stream.now + LOOK_EVERY_S
    stream.settle(link, answer("a", 0, Outcome.ACCEPTED))
    stream.answers()
    stream.later(LOOK_EVERY_S)
    assert stream.state.deadline() is None
