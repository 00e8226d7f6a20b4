"""The bookkeeping of one logical stream over many connections: no sockets, and a clock that stands still."""

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
from dialgateway._delivery import ODD_ENDS, Delivery
from dialgateway._link import LOOK_EVERY_S, OVERDUE_S, Link
from dialgateway.errors import from_status
from dialgateway.retry import FINAL
from tests.client.scripted import PHONE

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
LIFE_S = 300.0
AGAIN = RetryAdvice.SAME_TOKEN
POLICY = RetryPolicy(first_pause=timedelta(seconds=1), longest_pause=timedelta(seconds=8))


def failed(code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> CallFailed:
    return from_status(code, "gone")


def told(token: str, index: int, outcome: Outcome, advice: RetryAdvice = AGAIN) -> DialResult:
    return DialResult(token, index, outcome, reason=Reason.CONNECT_ERROR, detail="why", retry_advice=advice)


class Stream:
    """A delivery in the hands of a test; its clock begins at 0, which is noon."""

    def __init__(self, size: int = 10, chunk: int = 10, policy: RetryPolicy = POLICY, jitter: float = 1.0):
        self.delivery = Delivery(size, chunk, policy, lambda: jitter)
        self.now = 0.0

    def take(self, *tokens: str, life_s: float = LIFE_S, in_doubt: bool = False) -> None:
        for token in tokens:
            expires = datetime.fromtimestamp(NOON + self.now + life_s, UTC)
            self.delivery.take(
                DialRequest(token, PHONE, expires, in_doubt=in_doubt), self.now, NOON + self.now
            )

    def may_take(self) -> bool:
        return self.delivery.may_take

    def connect(self) -> Link:
        assert self.delivery.advance(self.now)
        link = self.delivery.connect(self.now)
        self.delivery.ready(link, self.now)
        return link

    def send(self, link: Link) -> list[str]:
        return [request.client_token for request in self.delivery.next_chunk(link)]

    def connect_with(self, *tokens: str) -> Link:
        self.take(*tokens)
        link = self.connect()
        assert self.send(link) == list(tokens)
        return link

    def settle(self, link: Link, *results: DialResult) -> None:
        self.delivery.settle(link, results, self.now)

    def lose(self, link: Link, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self.delivery.lost(link, failed(code), self.now)

    def later(self, seconds: float) -> bool:
        self.now += seconds
        return self.delivery.advance(self.now)

    def answers(self) -> list[tuple[str, int, Outcome]]:
        handed = self.delivery.hand_over()
        return [(result.client_token, result.index, result.outcome) for result in handed]


def sent_once(*tokens: str, policy: RetryPolicy = POLICY) -> tuple[Stream, Link]:
    """A stream whose requests are on their way over its first connection."""
    stream = Stream(policy=policy)
    stream.take(*tokens)
    link = stream.connect()
    assert stream.send(link) == list(tokens)
    return stream, link


class TestWindow:
    def test_it_fills_to_its_size_and_no_further(self) -> None:
        """A window of requests ends the reading, an answer that was handed over lets it go on."""
        stream = Stream(size=3)
        stream.take("a", "b", "c")
        assert not stream.may_take()
        link = stream.connect()
        assert stream.send(link) == ["a", "b", "c"]
        stream.settle(link, told("b", 1, Outcome.ACCEPTED))
        assert not stream.may_take()  # an answer that nobody has taken is held as well
        assert stream.answers() == [("b", 1, Outcome.ACCEPTED)]
        assert stream.may_take()
        assert stream.delivery.unanswered == ("a", "c")

    def test_a_full_chunk_is_sent_before_more_is_read(self) -> None:
        """Reading pauses at a full chunk, so that the source never runs ahead of the sending."""
        stream = Stream(size=100, chunk=2)
        stream.take("a", "b")
        assert not stream.may_take()
        link = stream.connect()
        assert stream.send(link) == ["a", "b"]
        assert stream.may_take()
        assert stream.send(link) == []

    def test_it_is_finished_when_the_source_ended_and_all_is_handed_over(self) -> None:
        """Neither the end of the source nor the last answer alone finishes a stream."""
        stream, link = sent_once("a")
        stream.delivery.end_source()
        stream.settle(link, told("a", 0, Outcome.REJECTED))
        assert not stream.delivery.finished
        stream.answers()
        assert stream.delivery.finished

    def test_equal_tokens_have_their_own_answers(self) -> None:
        """An answer settles its index and leaves the other request with that token open."""
        stream, link = sent_once("same", "same")
        stream.settle(link, told("same", 1, Outcome.ACCEPTED))
        with pytest.raises(ProtocolError):
            stream.settle(link, told("same", 1, Outcome.ACCEPTED))
        stream.settle(link, told("same", 0, Outcome.ACCEPTED))
        assert [index for _, index, _ in stream.answers()] == [1, 0]

    @pytest.mark.parametrize("index", [0, 7])
    def test_an_answer_to_no_request_is_an_error(self, index: int) -> None:
        """A token or an index that nothing on this link has is not believed."""
        stream, link = sent_once("a")
        with pytest.raises(ProtocolError):
            stream.settle(link, told("b" if index == 0 else "a", index, Outcome.ACCEPTED))


class TestConnections:
    def test_there_is_no_connection_before_there_is_something_to_send(self) -> None:
        """An idle stream does not connect."""
        stream = Stream()
        assert not stream.delivery.advance(0)
        stream.take("a")
        assert stream.delivery.advance(0)

    def test_what_has_no_answer_is_sent_again_under_its_own_index(self) -> None:
        """Behind a break the unanswered go first, in order; their answers carry the index of the source."""
        stream, link = sent_once("a", "b", "c")
        stream.settle(link, told("b", 1, Outcome.ACCEPTED))
        stream.take("d")
        stream.lose(link)
        assert not stream.later(0.9)
        assert stream.later(0.2)
        again = stream.connect()
        assert stream.send(again) == ["a", "c", "d"]
        stream.settle(again, *(told(token, place, Outcome.ACCEPTED) for place, token in enumerate("acd")))
        assert [(token, index) for token, index, _ in stream.answers()] == [
            ("b", 1),
            ("a", 0),
            ("c", 2),
            ("d", 3),
        ]

    def test_pauses_double_up_to_their_bound_and_begin_anew_behind_an_answer(self) -> None:
        """Each connection in a row that brings nothing doubles the pause; an answer ends the row."""
        stream, link = sent_once("a", "b")
        pauses = []
        for _ in range(5):
            stream.lose(link)
            deadline = stream.delivery.deadline()
            assert deadline is not None
            pauses.append(deadline - stream.now)
            stream.now = deadline
            link = stream.connect()
        assert pauses == [1, 2, 4, 8, 8]
        stream.send(link)
        stream.settle(link, told("a", 0, Outcome.ACCEPTED))
        stream.lose(link)
        assert stream.delivery.deadline() == stream.now + 1

    def test_jitter_is_full(self) -> None:
        """A pause may be as short as nothing."""
        stream = Stream(jitter=0)
        stream.take("a")
        stream.lose(stream.connect())
        assert stream.delivery.advance(stream.now)

    def test_a_draining_stream_is_replaced_at_once_and_read_to_its_end(self) -> None:
        """New requests go to a new link; answers come on both; what the old one leaves is sent again."""
        stream, old = sent_once("a", "b")
        stream.settle(old, told("a", 0, Outcome.ACCEPTED))
        stream.delivery.drain(old, stream.now)
        stream.take("c")
        assert stream.send(old) == []
        new = stream.connect()
        assert stream.send(new) == ["c"]
        stream.settle(new, told("c", 0, Outcome.ACCEPTED))
        stream.delivery.end_source()
        assert not stream.delivery.half_close(new)  # b may yet have to be sent here
        stream.lose(old)
        assert stream.send(new) == ["b"]
        assert stream.delivery.half_close(new)
        stream.settle(new, told("b", 1, Outcome.ACCEPTED))
        assert [index for _, index, _ in stream.answers()] == [0, 2, 1]

    def test_a_new_stream_that_drains_at_once_is_not_replaced_at_full_speed(self) -> None:
        """Where every stream is told to leave as soon as it is there, the pauses grow."""
        stream = Stream()
        stream.take("a")
        waits = []
        for _ in range(3):
            link = stream.connect()
            stream.delivery.drain(link, stream.now)
            deadline = stream.delivery.deadline()
            assert deadline is not None
            waits.append(deadline - stream.now)
            stream.now = deadline
        assert waits == [1, 2, 4]

    def test_a_link_that_has_got_everything_is_half_closed(self) -> None:
        """Behind the last request the link is closed for sending, and its end with OK is the end."""
        stream, link = sent_once("a")
        assert not stream.delivery.half_close(link)
        stream.delivery.end_source()
        assert stream.delivery.half_close(link)
        stream.settle(link, told("a", 0, Outcome.ACCEPTED))
        stream.delivery.lost(link, None, stream.now)
        stream.answers()
        assert stream.delivery.finished
        assert stream.delivery.failure is None

    def test_a_half_closed_link_that_breaks_is_replaced(self) -> None:
        """What was sent last is not given up with its link."""
        stream, link = sent_once("a")
        stream.delivery.end_source()
        assert stream.delivery.half_close(link)
        stream.lose(link)
        assert stream.later(1)
        assert stream.send(stream.connect()) == ["a"]

    @pytest.mark.parametrize("code", sorted(FINAL, key=str))
    def test_what_another_connection_does_not_mend_is_raised_at_once(self, code: grpc.StatusCode) -> None:
        """A final status ends the stream, with the unanswered and those of them in doubt."""
        stream, link = sent_once("a")
        stream.take("b")
        stream.lose(link, code)
        assert stream.delivery.failure is not None
        assert not stream.later(100)
        assert stream.delivery.unanswered == ("a", "b")
        assert stream.delivery.in_doubt == ("a",)

    @pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED])
    def test_ends_behind_a_message_are_tried_again_a_few_times_only(self, code: grpc.StatusCode) -> None:
        """Our own message may cause an end right after it: after some in a row the error is raised."""
        stream = Stream()
        stream.take("a")
        for _ in range(ODD_ENDS):
            assert stream.delivery.failure is None
            link = stream.connect()
            stream.send(link)
            stream.lose(link, code)
            stream.later(8)
        assert stream.delivery.failure is not None
        assert stream.delivery.failure.code is code

    @pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED])
    @pytest.mark.parametrize("sent", [False, True])
    def test_a_gateway_that_is_gone_is_waited_for(self, code: grpc.StatusCode, sent: bool) -> None:
        """An end before anything is sent, or after a long time, is not caused by us: the client
        reconnects."""
        stream = Stream(policy=RetryPolicy(longest_pause=timedelta(seconds=2)))
        stream.take("a")
        for _ in range(3 * ODD_ENDS):
            link = stream.connect()
            if sent:
                stream.send(link)
                stream.now += 3
            stream.lose(link, code)
            stream.later(2)
        assert stream.delivery.failure is None

    def test_statuses_of_another_kind_are_tried_again_a_few_times_only(self) -> None:
        """UNKNOWN and similar may come from a misconfigured proxy: after some in a row the error is
        raised."""
        stream = Stream()
        stream.take("a")
        for _ in range(ODD_ENDS):
            assert stream.delivery.failure is None
            stream.lose(stream.connect(), grpc.StatusCode.UNKNOWN)
            stream.later(8)
        assert stream.delivery.failure is not None

    def test_giving_up_says_that_the_gateway_was_out_of_reach(self) -> None:
        """The error matches the status that the last connection ended with."""
        stream = Stream(policy=RetryPolicy(give_up_after=timedelta(seconds=5)))
        stream.take("a")
        stream.lose(stream.connect(), grpc.StatusCode.INTERNAL)
        stream.later(6)
        failure = stream.delivery.failure
        assert isinstance(failure, GatewayUnavailable)
        assert failure.code is grpc.StatusCode.INTERNAL

    def test_an_end_with_ok_before_the_last_answer_is_no_end(self) -> None:
        """A gateway that ends a stream too early is asked again."""
        stream, link = sent_once("a")
        stream.delivery.lost(link, None, stream.now)
        assert stream.later(1)

    def test_without_retries_the_first_break_is_the_end(self) -> None:
        """A policy that reconnects nothing raises what ended the connection, and does not mind DRAINING."""
        stream, link = sent_once("a", policy=NO_RETRIES)
        stream.delivery.drain(link, stream.now)
        stream.take("b")
        assert stream.send(link) == ["b"]
        stream.lose(link)
        assert stream.delivery.failure is not None


class TestDoubt:
    @pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.EXPIRED])
    def test_a_refusal_behind_a_broken_connection_is_no_answer(self, outcome: Outcome) -> None:
        """What was sent on a connection that broke may be at Connect, whatever the next replica says."""
        stream, link = sent_once("a")
        stream.take("b")
        stream.lose(link)
        stream.later(1)
        again = stream.connect()
        stream.send(again)
        stream.settle(
            again, told("a", 0, outcome, RetryAdvice.NEVER), told("b", 1, outcome, RetryAdvice.NEVER)
        )
        first, second = stream.delivery.hand_over()
        assert (first.outcome, first.retry_advice, first.reason) == (
            Outcome.UNKNOWN,
            AGAIN,
            Reason.CONNECT_ERROR,
        )
        assert outcome.value in first.detail
        assert "why" in first.detail
        assert (second.outcome, second.retry_advice) == (outcome, RetryAdvice.NEVER)  # b was sent once only

    @pytest.mark.parametrize("outcome", [Outcome.NOT_ACCEPTED, Outcome.EXPIRED, Outcome.REJECTED])
    def test_unknown_once_is_accepted_or_unknown_for_ever(self, outcome: Outcome) -> None:
        """A gateway that knows nothing of the earlier call cannot take UNKNOWN back."""
        stream, link = sent_once("a")
        stream.settle(link, told("a", 0, Outcome.UNKNOWN))
        stream.later(1)
        assert stream.send(link) == ["a"]
        stream.settle(link, told("a", 1, outcome, RetryAdvice.NEVER))
        assert stream.answers() == [("a", 0, Outcome.UNKNOWN)]

    def test_accepted_ends_every_doubt(self) -> None:
        """Connect has it: that is true of all attempts."""
        stream, link = sent_once("a")
        stream.lose(link)
        stream.later(1)
        again = stream.connect()
        stream.send(again)
        stream.settle(again, told("a", 0, Outcome.ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.ACCEPTED)]

    def test_doubt_is_about_the_token(self) -> None:
        """Another request of the same token shares the doubt: it is the same dial."""
        stream, link = sent_once("same")
        stream.lose(link)
        stream.take("same")
        stream.later(1)
        again = stream.connect()
        stream.send(again)
        stream.settle(again, told("same", 1, Outcome.REJECTED, RetryAdvice.NEVER))
        assert stream.answers() == [("same", 1, Outcome.UNKNOWN)]

    def test_doubt_of_the_callers_own_counts(self) -> None:
        """A request that the caller knows to be in doubt is answered like one of ours."""
        stream = Stream()
        stream.take("a", in_doubt=True)
        assert stream.delivery.in_doubt == ("a",)
        link = stream.connect()
        stream.send(link)
        stream.settle(link, told("a", 0, Outcome.EXPIRED))
        assert stream.answers() == [("a", 0, Outcome.UNKNOWN)]

    def test_what_was_never_sent_is_not_in_doubt(self) -> None:
        """A connection that was never there leaves no doubt: the refusal of the next one stands."""
        stream = Stream()
        stream.take("a")
        assert stream.delivery.advance(0)
        stream.lose(stream.delivery.connect(0))
        stream.later(1)
        link = stream.connect()
        stream.send(link)
        stream.settle(link, told("a", 0, Outcome.REJECTED, RetryAdvice.NEVER))
        assert stream.answers() == [("a", 0, Outcome.REJECTED)]

    def test_what_is_remembered_is_bounded(self) -> None:
        """A stream that breaks all the time does not grow with the tokens that it has sent."""
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
            stream.settle(link, *(told(token, at, Outcome.ACCEPTED) for at, token in enumerate(sent)))
            stream.answers()
            stream.lose(link)
        assert len(stream.delivery._doubts._tokens) == 10_000


class TestResubmission:
    @pytest.mark.parametrize("outcome", [Outcome.NOT_ACCEPTED, Outcome.UNKNOWN])
    def test_an_answer_that_advises_the_same_token_is_held_back(self, outcome: Outcome) -> None:
        """The caller hears the answer of the next try, under the index of its request."""
        stream, link = sent_once("a")
        stream.settle(link, told("a", 0, outcome))
        assert stream.answers() == []
        assert stream.delivery.deadline() == 1
        stream.later(1)
        assert stream.send(link) == ["a"]
        stream.settle(link, told("a", 1, Outcome.ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.ACCEPTED)]

    def test_pauses_grow_with_each_try_of_a_request(self) -> None:
        """A request that is refused again and again comes back less and less often."""
        stream, link = sent_once("a")
        for place, pause in enumerate([1, 2, 4, 8, 8]):
            stream.settle(link, told("a", place, Outcome.NOT_ACCEPTED))
            assert stream.delivery.deadline() == stream.now + pause
            stream.later(pause)
            assert stream.send(link) == ["a"]

    def test_retry_after_is_waited_for(self) -> None:
        """The gateway's own wish comes before the jitter."""
        stream, link = sent_once("a")
        result = DialResult(
            "a", 0, Outcome.NOT_ACCEPTED, retry_advice=AGAIN, retry_after=timedelta(seconds=30)
        )
        stream.settle(link, result)
        assert stream.delivery.deadline() == 31

    def test_it_ends_with_the_time_of_the_request(self) -> None:
        """A try that would come too late is not made; the answer is handed over instead."""
        stream = Stream()
        stream.take("a", life_s=1.0)
        link = stream.connect()
        stream.send(link)
        stream.settle(link, told("a", 0, Outcome.NOT_ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.NOT_ACCEPTED)]

    @pytest.mark.parametrize(
        "result",
        [
            told("a", 0, Outcome.REJECTED),
            told("a", 0, Outcome.EXPIRED),
            told("a", 0, Outcome.NOT_ACCEPTED, RetryAdvice.NEW_TOKEN),
            told("a", 0, Outcome.NOT_ACCEPTED, RetryAdvice.NEVER),
            told("a", 0, Outcome.UNKNOWN, RetryAdvice.UNSPECIFIED),
            DialResult("a", 0, Outcome.NOT_ACCEPTED, reason=Reason.PURGED, retry_advice=AGAIN),
            DialResult("a", 0, Outcome.NOT_ACCEPTED, reason=Reason.HELD, retry_advice=AGAIN),
        ],
    )
    def test_nothing_else_is_sent_again(self, result: DialResult) -> None:
        """Refusals for good, other advice and an operator's decision go to the caller as they are."""
        stream, link = sent_once("a")
        stream.settle(link, result)
        assert stream.delivery.hand_over() == [result]

    def test_it_can_be_switched_off(self) -> None:
        """Without it every first answer is the caller's."""
        stream, link = sent_once("a", policy=RetryPolicy(resubmit=frozenset()))
        stream.settle(link, told("a", 0, Outcome.NOT_ACCEPTED))
        assert stream.answers() == [("a", 0, Outcome.NOT_ACCEPTED)]

    def test_it_opens_a_link_where_the_last_one_is_half_closed(self) -> None:
        """A request that comes back behind the half-close gets a stream of its own."""
        stream, link = sent_once("a")
        stream.delivery.end_source()
        assert stream.delivery.half_close(link)
        stream.settle(link, told("a", 0, Outcome.NOT_ACCEPTED))
        stream.delivery.lost(link, None, stream.now)
        assert stream.later(1)
        again = stream.connect()
        assert stream.send(again) == ["a"]
        assert stream.delivery.half_close(again)


class TestOutOfReach:
    def test_what_was_never_sent_expires(self) -> None:
        """While the gateway is out of reach the client says itself when a request's time has passed."""
        stream = Stream()
        stream.take("a", life_s=5)
        stream.take("b", life_s=50)
        stream.lose(stream.connect())
        stream.later(5)
        (result,) = stream.delivery.hand_over()
        assert (result.client_token, result.outcome, result.reason) == (
            "a",
            Outcome.EXPIRED,
            Reason.EXPIRATION_PASSED,
        )
        assert stream.delivery.unanswered == ("b",)

    def test_what_was_sent_stays_unknown(self) -> None:
        """A request whose time passes behind a broken connection may be at Connect."""
        stream, link = sent_once("a")
        stream.lose(link)
        stream.later(LIFE_S)
        assert stream.answers() == [("a", 0, Outcome.UNKNOWN)]

    def test_time_is_the_gateways_to_judge_where_it_is_reached(self) -> None:
        """The clocks may differ: what can be sent is sent, however late it seems here."""
        stream = Stream()
        stream.take("a", life_s=-3600)
        assert stream.send(stream.connect()) == ["a"]
        assert stream.answers() == []

    def test_it_is_given_up_in_time(self) -> None:
        """Out of reach for as long as the policy allows, the failure is raised; one try is always made."""
        stream = Stream(policy=RetryPolicy(give_up_after=timedelta(seconds=60)))
        stream.take("a")
        while stream.later(0) or stream.delivery.failure is None:
            if stream.delivery.advance(stream.now):
                stream.lose(stream.delivery.connect(stream.now))
            deadline = stream.delivery.deadline()
            assert deadline is None or deadline >= stream.now
            stream.now = deadline if deadline is not None else stream.now
        assert stream.now == 60
        assert stream.delivery.failure.code is grpc.StatusCode.UNAVAILABLE
        assert stream.delivery.unanswered == ("a",)
        assert stream.delivery.in_doubt == ()

    def test_patience_begins_with_the_trouble(self) -> None:
        """A connection that was good for an hour, with nothing to hear on it, does not use patience up."""
        stream, link = sent_once("a", policy=RetryPolicy(give_up_after=timedelta(seconds=60)))
        stream.now = 200
        stream.lose(link)
        assert stream.later(10)
        assert stream.delivery.failure is None

    def test_idle_time_does_not_count(self) -> None:
        """A stream with nothing to send is not out of patience when it has something again."""
        stream, link = sent_once("a", policy=RetryPolicy(give_up_after=timedelta(seconds=60)))
        stream.settle(link, told("a", 0, Outcome.ACCEPTED))
        stream.lose(link)
        stream.later(1)
        stream.take("b")
        stream.lose(stream.connect())
        stream.later(LIFE_S)
        stream.answers()
        stream.now = 3600
        stream.take("c")
        stream.later(0)
        assert stream.delivery.failure is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"resubmit": frozenset({Outcome.REJECTED})},
        {"first_pause": timedelta(seconds=20)},
        {"give_up_after": timedelta(seconds=-1)},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """Sending refusals again, and pauses that contradict each other, are a ValueError."""
    with pytest.raises(ValueError):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_an_answer_that_is_long_overdue_is_waited_for_no_longer() -> None:
    """Where something keeps answers back on an open connection the caller is told UNKNOWN in the end."""
    stream = Stream()
    link = stream.connect_with("a", "b")
    stream.later(LIFE_S + OVERDUE_S - 1.0)
    assert stream.answers() == []
    stream.later(LOOK_EVERY_S)
    assert stream.answers() == [("a", 0, Outcome.UNKNOWN), ("b", 1, Outcome.UNKNOWN)]
    stream.settle(link, told("a", 0, Outcome.ACCEPTED))  # too late to be handed over, and no fault
    assert stream.answers() == []
    with pytest.raises(ProtocolError):
        stream.settle(link, told("a", 0, Outcome.ACCEPTED))


def test_what_is_overdue_is_looked_for_in_time() -> None:
    """While something is under way the driver is asked to look again, and not before it has to."""
    stream = Stream()
    assert stream.delivery.deadline() is None
    link = stream.connect_with("a")
    stream.later(0.0)
    assert stream.delivery.deadline() == stream.now + LOOK_EVERY_S
    stream.settle(link, told("a", 0, Outcome.ACCEPTED))
    stream.answers()
    stream.later(LOOK_EVERY_S)
    assert stream.delivery.deadline() is None
