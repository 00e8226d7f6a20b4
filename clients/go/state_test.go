package dialgateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

const (
	life  = 600 * time.Second
	phone = "+12025550123"
)

var (
	accepted    = pb.Outcome_OUTCOME_ACCEPTED
	rejected    = pb.Outcome_OUTCOME_REJECTED
	expired     = pb.Outcome_OUTCOME_EXPIRED
	notAccepted = pb.Outcome_OUTCOME_NOT_ACCEPTED
	unknown     = pb.Outcome_OUTCOME_UNKNOWN
)

// manual drives a dialState with a clock of its own. Pauses are 1, 2, 4 and then 8
// seconds.
type manual struct {
	t     *testing.T
	state *dialState
	now   time.Time
}

func newManual(t *testing.T, window, chunk int, policy RetryPolicy) *manual {
	t.Helper()
	policy.FirstPause, policy.LongestPause = time.Second, 8*time.Second
	whole := func() float64 { return 1 }
	return &manual{
		t:     t,
		state: newDialState(window, chunk, requestBytes, policy, whole),
		now:   time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
	}
}

func (m *manual) take(tokens ...string) {
	for _, token := range tokens {
		m.takeOne(Request{ClientToken: token, PhoneNumber: phone, ExpiresAt: m.now.Add(life)})
	}
}

func (m *manual) takeOne(request Request) {
	message := messageOf(request)
	m.state.take(request, message, sizeOf(message), m.now)
}

// later advances the clock, and reports whether a connection is wanted.
func (m *manual) later(by time.Duration) bool {
	m.now = m.now.Add(by)
	return m.state.advance(m.now)
}

func (m *manual) connect() *link {
	m.t.Helper()
	if !m.state.advance(m.now) {
		m.t.Fatal("no connection is wanted")
	}
	l := m.state.connect(m.now)
	m.state.ready(l, m.now)
	return l
}

func (m *manual) send(l *link) []string {
	var tokens []string
	for _, message := range m.state.nextChunk(l) {
		tokens = append(tokens, message.GetClientToken())
	}
	return tokens
}

func (m *manual) lose(l *link, code codes.Code) {
	m.state.lost(l, &Error{Code: code, message: "gone"}, m.now)
}

func (m *manual) settle(l *link, results ...*pb.DialResult) {
	m.t.Helper()
	if failure := m.state.settle(l, results, m.now); failure != nil {
		m.t.Fatal(failure)
	}
}

// answers returns the answers as "token index outcome".
func (m *manual) answers() []string {
	var texts []string
	for _, result := range m.state.takeAnswers() {
		texts = append(texts, fmt.Sprintf("%s %d %s", result.ClientToken, result.Index, result.Outcome))
	}
	return texts
}

func (m *manual) want(texts ...string) {
	m.t.Helper()
	equal(m.t, m.answers(), texts)
}

// sentOnce returns a state whose requests have been sent on its link.
func sentOnce(t *testing.T, policy RetryPolicy, tokens ...string) (*manual, *link) {
	t.Helper()
	m := newManual(t, 100, 100, policy)
	m.take(tokens...)
	l := m.connect()
	equal(t, m.send(l), tokens)
	return m, l
}

func answer(token string, index int, outcome pb.Outcome) *pb.DialResult {
	result := &pb.DialResult{ClientToken: token, Index: uint64(index), Outcome: outcome}
	if outcome != accepted {
		result.RetryAdvice = pb.RetryAdvice_RETRY_ADVICE_SAME_TOKEN
		result.Reason, result.Detail = pb.Reason_REASON_CONNECT_ERROR, "why"
	}
	return result
}

func never(result *pb.DialResult) *pb.DialResult {
	result.RetryAdvice = pb.RetryAdvice_RETRY_ADVICE_NEVER
	return result
}

func equal[T comparable](t *testing.T, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func same[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// At most a window of requests is read, until the caller has taken an answer.
func TestWindow(t *testing.T) {
	m := newManual(t, 3, 100, RetryPolicy{})
	m.take("a", "b", "c")
	same(t, m.state.hasRoom(), false)
	l := m.connect()
	m.send(l)
	m.settle(l, answer("b", 1, accepted))
	same(t, m.state.hasRoom(), false) // an answer that nobody has taken is held as well
	m.want("b 1 ACCEPTED")
	same(t, m.state.hasRoom(), true)
	all, _ := m.state.unanswered()
	equal(t, all, []string{"a", "c"})
}

// A full chunk is sent before more is read.
func TestChunkByCount(t *testing.T) {
	m := newManual(t, 100, 2, RetryPolicy{})
	m.take("a", "b")
	same(t, m.state.hasRoom(), false)
	l := m.connect()
	equal(t, m.send(l), []string{"a", "b"})
	same(t, m.state.hasRoom(), true)
	equal(t, m.send(l), nil)
}

// A message has at most 1 MiB if it has more than one request.
func TestChunkByBytes(t *testing.T) {
	m := newManual(t, 100, 100, RetryPolicy{})
	for range 5 {
		m.takeOne(Request{
			ClientToken: "t", ExpiresAt: m.now.Add(life),
			Attributes: map[string]string{"k": strings.Repeat("x", 250_000)},
		})
	}
	l := m.connect()
	same(t, len(m.send(l)), 4)
	same(t, len(m.send(l)), 1)
}

// A call is finished after its source and its last answer.
func TestFinished(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a")
	m.state.endSource()
	m.settle(l, answer("a", 0, rejected))
	same(t, m.state.finished(), false)
	m.answers()
	same(t, m.state.finished(), true)
}

// An answer settles the request at its index; one with the same token stays open.
func TestEqualTokens(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "same", "same")
	m.settle(l, answer("same", 1, accepted))
	if m.state.settle(l, []*pb.DialResult{answer("same", 1, accepted)}, m.now) == nil {
		t.Fatal("a second answer is accepted")
	}
	m.settle(l, answer("same", 0, accepted))
	m.want("same 1 ACCEPTED", "same 0 ACCEPTED")
}

// A result with a token or an index that was not sent is an error.
func TestAnswerToNoRequest(t *testing.T) {
	for _, wrong := range []*pb.DialResult{answer("b", 0, accepted), answer("a", 7, accepted)} {
		m, l := sentOnce(t, RetryPolicy{}, "a")
		failure := m.state.settle(l, []*pb.DialResult{wrong}, m.now)
		if !errors.Is(failure, ErrProtocol) {
			t.Fatalf("got %v", failure)
		}
	}
}

// A request is sent again if its answer advises that, with growing pauses.
func TestResubmission(t *testing.T) {
	for _, outcome := range []pb.Outcome{notAccepted, unknown} {
		m, l := sentOnce(t, RetryPolicy{}, "a")
		for place, pause := range []time.Duration{1, 2, 4, 8, 8} {
			m.settle(l, answer("a", place, outcome))
			m.want()
			same(t, m.state.deadline(), m.now.Add(pause*time.Second))
			m.later(pause * time.Second)
			equal(t, m.send(l), []string{"a"})
		}
		m.settle(l, answer("a", 5, accepted))
		m.want("a 0 ACCEPTED")
	}
}

// The pause is at least what the gateway asks for, plus jitter.
func TestRetryAfter(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a")
	result := answer("a", 0, notAccepted)
	result.RetryAfter = durationpb.New(20 * time.Second)
	m.settle(l, result)
	same(t, m.state.deadline(), m.now.Add(21*time.Second))
}

// A request that would expire before it is sent again is answered.
func TestNoResubmissionAfterExpiration(t *testing.T) {
	m := newManual(t, 100, 100, RetryPolicy{})
	m.takeOne(Request{ClientToken: "a", ExpiresAt: m.now.Add(time.Second)})
	l := m.connect()
	m.send(l)
	m.settle(l, answer("a", 0, notAccepted))
	m.want("a 0 NOT_ACCEPTED")
}

// Permanent refusals, other advice and an operator's actions are not sent again.
func TestAnswersForTheCaller(t *testing.T) {
	with := func(outcome pb.Outcome, reason pb.Reason, advice pb.RetryAdvice) *pb.DialResult {
		return &pb.DialResult{ClientToken: "a", Outcome: outcome, Reason: reason, RetryAdvice: advice}
	}
	again := pb.RetryAdvice_RETRY_ADVICE_SAME_TOKEN
	for _, result := range []*pb.DialResult{
		with(rejected, pb.Reason_REASON_THROTTLED, again),
		with(expired, pb.Reason_REASON_EXPIRATION_PASSED, again),
		with(notAccepted, pb.Reason_REASON_THROTTLED, pb.RetryAdvice_RETRY_ADVICE_NEW_TOKEN),
		with(notAccepted, pb.Reason_REASON_THROTTLED, pb.RetryAdvice_RETRY_ADVICE_NEVER),
		with(unknown, pb.Reason_REASON_THROTTLED, pb.RetryAdvice_RETRY_ADVICE_UNSPECIFIED),
		with(notAccepted, pb.Reason_REASON_PURGED, again),
		with(notAccepted, pb.Reason_REASON_HELD, again),
		with(unknown, pb.Reason_REASON_HELD, again),
		with(unknown, pb.Reason_REASON_INVALID_REQUEST, again),
	} {
		m, l := sentOnce(t, RetryPolicy{}, "a")
		m.settle(l, result)
		m.want("a 0 " + strings.TrimPrefix(result.GetOutcome().String(), "OUTCOME_"))
	}
}

// Resubmit may refuse to send a request again.
func TestResubmitOfThePolicy(t *testing.T) {
	m, l := sentOnce(t, NoRetries(), "a")
	m.settle(l, answer("a", 0, notAccepted))
	m.want("a 0 NOT_ACCEPTED")
}

// A request that is sent again after the half-close needs another stream.
func TestResubmissionAfterTheHalfClose(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a")
	m.state.endSource()
	same(t, m.state.halfClose(l), true)
	m.settle(l, answer("a", 0, notAccepted))
	m.state.lost(l, nil, m.now)
	same(t, m.later(time.Second), true)
	again := m.connect()
	equal(t, m.send(again), []string{"a"})
	same(t, m.state.halfClose(again), true)
}

// Unanswered requests are sent again in order, and keep their index.
func TestBrokenConnection(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a", "b", "c")
	m.settle(l, answer("b", 1, accepted))
	m.take("d")
	m.lose(l, codes.Unavailable)
	same(t, m.later(900*time.Millisecond), false)
	same(t, m.later(100*time.Millisecond), true)
	again := m.connect()
	equal(t, m.send(again), []string{"a", "c", "d"})
	m.settle(again, answer("a", 0, accepted), answer("c", 1, accepted), answer("d", 2, accepted))
	m.want("b 1 ACCEPTED", "a 0 ACCEPTED", "c 2 ACCEPTED", "d 3 ACCEPTED")
}

// Each connection in a row without an answer doubles the pause; an answer resets it.
func TestPauses(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a", "b")
	for _, pause := range []time.Duration{1, 2, 4, 8, 8} {
		m.lose(l, codes.Unavailable)
		same(t, m.state.deadline(), m.now.Add(pause*time.Second))
		m.now = m.state.deadline()
		l = m.connect()
	}
	m.send(l)
	m.settle(l, answer("a", 0, accepted))
	m.lose(l, codes.Unavailable)
	same(t, m.state.deadline(), m.now.Add(time.Second))
}

// A status with RetryInfo makes the pause longer.
func TestPauseThatTheGatewayAsksFor(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a")
	m.state.lost(l, &Error{
		Code: codes.ResourceExhausted, StatusReason: StatusStreamLimit, RetryAfter: 3 * time.Second,
	}, m.now)
	same(t, m.state.deadline(), m.now.Add(4*time.Second))
	_, inDoubt := m.state.unanswered()
	equal(t, inDoubt, nil) // the gateway says that it has read nothing
}

// A draining stream is replaced at once and read to its end.
func TestDraining(t *testing.T) {
	m, old := sentOnce(t, RetryPolicy{}, "a", "b")
	m.settle(old, answer("a", 0, accepted))
	m.state.drain(old, m.now)
	m.take("c")
	equal(t, m.send(old), nil)
	fresh := m.connect()
	equal(t, m.send(fresh), []string{"c"})
	m.settle(fresh, answer("c", 0, accepted))
	m.state.endSource()
	same(t, m.state.halfClose(fresh), false) // b may yet have to be sent here
	m.lose(old, codes.Unavailable)
	equal(t, m.send(fresh), []string{"b"})
	same(t, m.state.halfClose(fresh), true)
	m.settle(fresh, answer("b", 1, accepted))
	m.want("a 0 ACCEPTED", "c 2 ACCEPTED", "b 1 ACCEPTED")
}

// Streams that drain at once are replaced after growing pauses.
func TestDrainingAtOnce(t *testing.T) {
	m := newManual(t, 100, 100, RetryPolicy{})
	m.take("a")
	for _, pause := range []time.Duration{1, 2, 4} {
		m.state.drain(m.connect(), m.now)
		same(t, m.state.deadline(), m.now.Add(pause*time.Second))
		m.now = m.state.deadline()
	}
}

// A status that would be the same on another connection ends the call.
func TestFinalStatuses(t *testing.T) {
	for _, code := range []codes.Code{
		codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument,
		codes.NotFound, codes.FailedPrecondition, codes.OutOfRange,
	} {
		m, l := sentOnce(t, RetryPolicy{}, "a")
		m.take("b")
		m.lose(l, code)
		same(t, m.state.failure.Code, code)
		same(t, m.later(100*time.Second), false)
		all, inDoubt := m.state.unanswered()
		equal(t, all, []string{"a", "b"})
		equal(t, inDoubt, []string{"a"})
	}
}

// A message may cause INTERNAL, CANCELLED or an unusual status: after five in a row
// that ends the call.
func TestConnectionsThatEndAfterAMessage(t *testing.T) {
	for _, code := range []codes.Code{codes.Internal, codes.Canceled, codes.Unknown, codes.Unimplemented} {
		m := newManual(t, 100, 100, RetryPolicy{})
		m.take("a")
		for range unusualEnds {
			if m.state.failure != nil {
				t.Fatalf("%s ends the call too early", code)
			}
			l := m.connect()
			m.send(l)
			m.lose(l, code)
			m.later(8 * time.Second)
		}
		same(t, m.state.failure.Code, code)
	}
}

// INTERNAL and CANCELLED before a message, or long after it, were not caused by it.
func TestConnectionsThatEndWithoutACause(t *testing.T) {
	for _, code := range []codes.Code{codes.Internal, codes.Canceled, codes.Unavailable} {
		for _, sent := range []bool{false, true} {
			m := newManual(t, 100, 100, RetryPolicy{})
			m.takeOne(Request{ClientToken: "a", ExpiresAt: m.now.Add(time.Hour)})
			for range 3 * unusualEnds {
				l := m.connect()
				if sent {
					m.send(l)
					m.now = m.now.Add(9 * time.Second)
				}
				m.lose(l, code)
				m.later(8 * time.Second)
			}
			if m.state.failure != nil {
				t.Fatal(m.state.failure)
			}
		}
	}
}

// An unreachable gateway: a request expires, and one that was sent becomes UNKNOWN.
func TestExpirationWhileUnreachable(t *testing.T) {
	m := newManual(t, 100, 100, RetryPolicy{})
	m.take("sent")
	l := m.connect()
	m.send(l)
	m.take("waiting")
	m.lose(l, codes.Unavailable)
	m.later(life)
	m.want("sent 0 UNKNOWN", "waiting 1 EXPIRED")
}

// A reachable gateway decides whether a request has expired: clocks may differ.
func TestExpiredRequestsAreSent(t *testing.T) {
	m := newManual(t, 100, 100, RetryPolicy{})
	m.takeOne(Request{ClientToken: "a", ExpiresAt: m.now.Add(-time.Hour)})
	equal(t, m.send(m.connect()), []string{"a"})
	m.want()
}

// The client gives up after the time of the policy, and names the last status.
func TestGiveUp(t *testing.T) {
	m := newManual(t, 100, 100, RetryPolicy{GiveUpAfter: time.Minute})
	m.take("a")
	began := m.now
	for m.state.failure == nil {
		if m.state.advance(m.now) {
			m.lose(m.state.connect(m.now), codes.Internal)
		}
		if deadline := m.state.deadline(); deadline.After(m.now) {
			m.now = deadline
		}
	}
	same(t, m.now.Sub(began), time.Minute)
	same(t, m.state.failure.Code, codes.Internal)
	same(t, errors.Is(m.state.failure, ErrUnavailable), true)
	all, inDoubt := m.state.unanswered()
	equal(t, all, []string{"a"})
	equal(t, inDoubt, nil)
}

// Time without requests does not count as unreachable.
func TestIdleTimeIsNotUnreachable(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{GiveUpAfter: time.Minute}, "a")
	m.settle(l, answer("a", 0, accepted))
	m.lose(l, codes.Unavailable)
	m.later(time.Second)
	m.take("b")
	m.lose(m.connect(), codes.Unavailable)
	m.later(30 * time.Second)
	m.lose(m.connect(), codes.Unavailable)
	if m.state.failure != nil {
		t.Fatal(m.state.failure)
	}
}

// Without retries the first failure ends the call, and DRAINING is ignored.
func TestWithoutRetries(t *testing.T) {
	m, l := sentOnce(t, NoRetries(), "a")
	m.state.drain(l, m.now)
	m.take("b")
	equal(t, m.send(l), []string{"b"})
	m.lose(l, codes.Unavailable)
	same(t, m.state.failure.Code, codes.Unavailable)
}

// A stream that ends with OK too early is replaced.
func TestEarlyEnd(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a")
	m.state.lost(l, nil, m.now)
	same(t, m.later(time.Second), true)
}

// Requests with the same token are in doubt together: they are the same dial.
func TestDoubtOfEqualTokens(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "same")
	m.lose(l, codes.Unavailable)
	m.take("same")
	m.later(time.Second)
	again := m.connect()
	m.send(again)
	m.settle(again, never(answer("same", 1, rejected)))
	m.want("same 1 UNKNOWN")
}

// A refusal after doubt keeps its reason and says what the gateway answered.
func TestRefusalAfterDoubt(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a")
	m.lose(l, codes.Unavailable)
	m.later(time.Second)
	again := m.connect()
	m.send(again)
	m.settle(again, never(answer("a", 0, rejected)))
	result := m.state.takeAnswers()[0]
	same(t, result.Outcome, OutcomeUnknown)
	same(t, result.RetryAdvice, RetrySameToken)
	same(t, result.Reason, ReasonConnectError)
	if !strings.Contains(result.Detail, "REJECTED") || !strings.Contains(result.Detail, "why") {
		t.Fatal(result.Detail)
	}
}

// A call that breaks again and again does not use more and more memory.
func TestRememberedTokensAreBounded(t *testing.T) {
	m := newManual(t, 1000, 1000, RetryPolicy{})
	for begin := range 20 {
		for number := range 1000 {
			m.take(fmt.Sprintf("t-%d", begin*1000+number))
		}
		m.later(8 * time.Second)
		l := m.connect()
		sent := m.send(l)
		m.lose(l, codes.Unavailable)
		m.later(8 * time.Second)
		l = m.connect()
		equal(t, m.send(l), sent)
		for index, token := range sent {
			m.settle(l, answer(token, index, accepted))
		}
		m.answers()
		m.lose(l, codes.Unavailable)
	}
	same(t, len(m.state.doubt.tokens), rememberedTokens)
	same(t, m.state.doubt.order.Len(), rememberedTokens)
}

// A request that is long overdue on an open connection is answered UNKNOWN, and a
// late answer is ignored once.
func TestOverdue(t *testing.T) {
	m, l := sentOnce(t, RetryPolicy{}, "a", "b")
	m.later(0)
	same(t, m.state.deadline(), m.now.Add(overdueCheckEach))
	m.later(life + overdueAfter - time.Second)
	m.want()
	m.later(overdueCheckEach)
	m.want("a 0 UNKNOWN", "b 1 UNKNOWN")
	m.settle(l, answer("a", 0, accepted))
	m.want()
	if m.state.settle(l, []*pb.DialResult{answer("a", 0, accepted)}, m.now) == nil {
		t.Fatal("a second late answer is accepted")
	}
}

// A request without an expiration, or with text that is not UTF-8, is refused, and
// so is one that is too large. The others go on.
func TestRequestsThatCannotBeSent(t *testing.T) {
	m := newManual(t, 100, 100, RetryPolicy{})
	expires := m.now.Add(life)
	m.takeOne(Request{ClientToken: "no-time", PhoneNumber: phone})
	m.takeOne(Request{ClientToken: "text", PhoneNumber: "\xff", ExpiresAt: expires})
	m.takeOne(Request{ClientToken: "key", ExpiresAt: expires, Attributes: map[string]string{"\xff": ""}})
	m.takeOne(Request{
		ClientToken: "large", ExpiresAt: expires,
		Attributes: map[string]string{"k": strings.Repeat("x", requestBytes)},
	})
	m.takeOne(Request{ClientToken: "doubt", PhoneNumber: phone, InDoubt: true})
	m.take("fine")
	results := m.state.takeAnswers()
	for at, field := range []string{"expiration_time", "phone_number", "attributes", "dial_requests", "expiration_time"} {
		if !strings.HasPrefix(results[at].Detail, field) && results[at].ClientToken != "doubt" {
			t.Errorf("%s: %s", results[at].ClientToken, results[at].Detail)
		}
		same(t, results[at].Reason, ReasonInvalidRequest)
		same(t, results[at].Index, at)
	}
	same(t, results[0].Outcome, OutcomeRejected)
	same(t, results[4].Outcome, OutcomeUnknown) // an earlier attempt may have succeeded
	equal(t, m.send(m.connect()), []string{"fine"})
}
