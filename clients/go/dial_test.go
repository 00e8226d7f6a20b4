package dialgateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// Every request is answered once, and messages are full if the source is fast.
func TestDial(t *testing.T) {
	g := newGateway(t)
	results, err := all(newClient(t, g.target).Dial(within(t), "c", requests(5000)))
	wantAccepted(t, results, err, 5000)
	same(t, slices.Max(g.sizes), 100)
	if len(g.sizes) > 1000 {
		t.Errorf("%d messages for 5,000 requests", len(g.sizes))
	}
	same(t, g.streams, 1)
	same(t, g.probes, 1)
}

// A source without requests makes no connection.
func TestDialNothing(t *testing.T) {
	g := newGateway(t)
	results, err := all(newClient(t, g.target).Dial(within(t), "c", requests(0)))
	wantAccepted(t, results, err, 0)
	same(t, g.streams+g.probes, 0)
}

// A request is sent while the source waits for the next one.
func TestSourceThatBlocks(t *testing.T) {
	g := newGateway(t)
	answered := make(chan struct{})
	source := func(yield func(Request) bool) {
		if yield(request("t-0")) {
			<-answered
			yield(request("t-1"))
		}
	}
	count := 0
	for _, err := range newClient(t, g.target).Dial(within(t), "c", source) {
		if err != nil {
			t.Fatal(err)
		}
		if count == 0 {
			close(answered)
		}
		count++
	}
	same(t, count, 2)
}

// No more than the window is read from the source before there are answers, and the
// messages that wait for the reader are bounded too.
func TestWindowOfAnEndlessSource(t *testing.T) {
	g := newGateway(t)
	g.stream = silent
	offered := 0
	source := func(yield func(Request) bool) {
		for offered++; yield(request("t")); offered++ {
		}
	}
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		g.waitForRequests(50)
		time.Sleep(20 * time.Millisecond) // time to do something wrong
		cancel()
	}()
	_, err := all(newClient(t, g.target, WithWindow(50)).Dial(ctx, "c", source))
	same(t, errors.Is(err, context.Canceled), true)
	same(t, offered, 50)
	failure := failureIn(t, err)
	same(t, len(failure.Unanswered), 50)
	same(t, len(failure.InDoubt), 50)
}

// A reader that stops holds the source back: memory is bounded by the window.
func TestReaderThatStops(t *testing.T) {
	g := newGateway(t)
	var offered atomic.Int64
	source := func(yield func(Request) bool) {
		for request := range requests(100_000) {
			offered.Add(1)
			if !yield(request) {
				return
			}
		}
	}
	for range newClient(t, g.target, WithWindow(100)).Dial(within(t), "c", source) {
		time.Sleep(100 * time.Millisecond)
		break
	}
	if offered.Load() > 301 { // a window with the reader, one of answers, one not answered
		t.Errorf("%d requests were read", offered.Load())
	}
}

// Requests of a broken stream are sent again with in_doubt, whatever the status.
func TestReconnects(t *testing.T) {
	for _, code := range []codes.Code{
		codes.Unavailable, codes.Internal, codes.Canceled, codes.Unknown, codes.DeadlineExceeded,
		codes.ResourceExhausted, codes.Aborted, codes.DataLoss, codes.AlreadyExists, codes.Unimplemented,
	} {
		t.Run(code.String(), func(t *testing.T) {
			g := newGateway(t)
			g.stream = ending(2, 2, ends(code))
			var disconnects []codes.Code
			note := OnDisconnect(func(err error) { disconnects = append(disconnects, failureIn(t, err).Code) })
			client := newClient(t, g.target)
			results, err := all(client.Dial(within(t), "c", requests(2), note))
			wantAccepted(t, results, err, 2)
			same(t, len(client.channels.leases), 1) // the broken ones are closed
			g.wantMarks(t, "t-0", false, true, true)
			g.wantMarks(t, "t-1", false, true, true)
			equal(t, disconnects, []codes.Code{code, code})
		})
	}
}

// A final status ends the call at once, with every token.
func TestFinalStatusOfAStream(t *testing.T) {
	for _, code := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument} {
		g := newGateway(t)
		g.stream = ending(1, 2, ends(code))
		_, err := all(newClient(t, g.target).Dial(within(t), "c", requests(2)))
		failure := failureIn(t, err)
		same(t, failure.Code, code)
		same(t, errors.Is(err, ErrAccessDenied), code != codes.InvalidArgument)
		same(t, status.Code(err), code)
		equal(t, failure.Unanswered, []string{"t-0", "t-1"})
		equal(t, failure.InDoubt, []string{"t-0", "t-1"})
	}
}

// However often the probe fails, nothing is in doubt, because nothing was sent.
func TestProbe(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.Internal, codes.Canceled} {
		g := newGateway(t)
		failures := 8
		g.probe = func() error {
			g.mu.Lock()
			defer g.mu.Unlock()
			if failures--; failures >= 0 {
				return ends(code)
			}
			return nil
		}
		results, err := all(newClient(t, g.target).Dial(within(t), "c", requests(2)))
		wantAccepted(t, results, err, 2)
		g.wantMarks(t, "t-0", false)
		same(t, g.probes, 9)
	}
}

// A draining stream is read to its end, and further requests use another connection.
func TestDrainingStream(t *testing.T) {
	g := newGateway(t)
	g.stream = func(r *received, stream serverStream) error {
		g.mu.Lock()
		first := g.streams == 1
		g.mu.Unlock()
		if !first {
			return acceptAll(r, stream)
		}
		results, err := r.next(accepted)
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamDialRequestsResponse{
			Results: results,
			Notice:  &pb.Notice{Kind: pb.NoticeKind_NOTICE_KIND_DRAINING, Detail: "shutting down"},
		}); err != nil {
			return err
		}
		return ends(codes.Unavailable)
	}
	var kinds []NoticeKind
	notice := OnNotice(func(n Notice) { kinds = append(kinds, n.Kind) })
	results, err := all(newClient(t, g.target).Dial(within(t), "c", requests(500), notice))
	wantAccepted(t, results, err, 500)
	equal(t, kinds, []NoticeKind{NoticeDraining})
	same(t, g.streams, 2)
	same(t, g.probes, 2) // one for each connection
}

// Requests without an answer on a stream that has ended with STREAM_AGE were not
// read, so they are not in doubt.
func TestDetailsOfAStatus(t *testing.T) {
	withDetails, err := status.New(codes.Unavailable, "too old").WithDetails(
		&errdetails.ErrorInfo{Domain: errorDomain, Reason: "STREAM_AGE"},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)},
	)
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t)
	g.stream = ending(1, 1, withDetails.Err())
	var failures []*Error
	note := OnDisconnect(func(err error) { failures = append(failures, failureIn(t, err)) })
	results, err := all(newClient(t, g.target).Dial(within(t), "c", requests(1), note))
	wantAccepted(t, results, err, 1)
	g.wantMarks(t, "t-0", false, false)
	same(t, failures[0].StatusReason, StatusStreamAge)
	same(t, failures[0].RetryAfter, time.Millisecond)
}

// A caller that leaves its loop cancels the stream; nothing of it is left.
func TestCallerThatLeaves(t *testing.T) {
	g := newGateway(t)
	for range newClient(t, g.target).Dial(within(t), "c", requests(100_000)) {
		break
	}
	select {
	case cause := <-g.ended:
		same(t, cause, context.Canceled)
	case <-time.After(patience):
		t.Fatal("the stream goes on")
	}
	if left := goroutines("(*stream).run(", "(*stream).write(", "(*stream).keepConnected("); len(left) > 0 {
		t.Fatal(left)
	}
}

// A panic of the reader arrives at its caller, and ends the stream.
func TestReaderThatPanics(t *testing.T) {
	g := newGateway(t)
	client := newClient(t, g.target)
	own := errors.New("own")
	func() {
		defer func() { same(t, recover(), any(own)) }()
		for range client.Dial(within(t), "c", requests(100_000)) {
			panic(own)
		}
	}()
	same(t, <-g.ended, context.Canceled)
	results, err := all(client.Dial(within(t), "c", requests(3)))
	wantAccepted(t, results, err, 3)
}

// A panic of the source arrives at the caller of Dial.
func TestSourceThatPanics(t *testing.T) {
	g := newGateway(t)
	own := errors.New("own")
	source := func(yield func(Request) bool) {
		yield(request("t-0"))
		panic(own)
	}
	defer func() {
		err, ok := recover().(error)
		if !ok || !errors.Is(err, own) || !strings.Contains(err.Error(), "TestSourceThatPanics") {
			t.Fatalf("got %v", err)
		}
	}()
	_, _ = all(newClient(t, g.target).Dial(within(t), "c", source))
}

// The end of the context ends the call, with its cause and every token.
func TestContext(t *testing.T) {
	g := newGateway(t)
	g.stream = silent
	own := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(within(t))
	go func() {
		g.waitForRequests(3)
		cancel(own)
	}()
	_, err := all(newClient(t, g.target).Dial(ctx, "c", requests(3)))
	same(t, errors.Is(err, own), true)
	equal(t, failureIn(t, err).InDoubt, []string{"t-0", "t-1", "t-2"})
}

// Closing the client ends its calls with ErrClosed, and later ones at once.
func TestClose(t *testing.T) {
	g := newGateway(t)
	g.stream = func(r *received, stream serverStream) error {
		if err := stream.Send(&pb.StreamDialRequestsResponse{Notice: &pb.Notice{}}); err != nil {
			return err
		}
		return silent(r, stream)
	}
	client := newClient(t, g.target)
	onNotice := OnNotice(func(n Notice) {
		same(t, n.Kind, "") // a kind of a newer gateway
		_ = client.Close()
	})
	_, err := all(client.Dial(within(t), "c", requests(3), onNotice))
	same(t, errors.Is(err, ErrClosed), true)
	_, err = all(client.Dial(within(t), "c", requests(3)))
	same(t, errors.Is(err, ErrClosed), true)
	_, err = client.Put(within(t), "c", requestList(1))
	same(t, errors.Is(err, ErrClosed), true)
	same(t, errors.Is(client.Ping(within(t)), ErrClosed), true)
}

// A gateway with a newer contract: unknown values, fields and notices.
func TestNewerGateway(t *testing.T) {
	g := newGateway(t)
	g.stream = func(r *received, stream serverStream) error {
		results, err := r.next(accepted)
		if err != nil {
			return err
		}
		results[0].Outcome, results[0].Reason, results[0].RetryAdvice = 77, 78, 79
		response := &pb.StreamDialRequestsResponse{
			Results: results,
			Notice:  &pb.Notice{Kind: 80},
		}
		response.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 5))
		return stream.Send(response)
	}
	results, err := all(newClient(t, g.target).Dial(within(t), "c", requests(1)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, results[0].Outcome, OutcomeUnknown)
	same(t, results[0].Reason, "")
	same(t, results[0].RetryAdvice, "")
	same(t, results[0].Unnamed, "outcome=77 reason=78 retry_advice=79")
}

// An answer that belongs to no request ends the call with ErrProtocol.
func TestGatewayThatBreaksTheContract(t *testing.T) {
	g := newGateway(t)
	g.stream = func(r *received, stream serverStream) error {
		if _, err := r.next(accepted); err != nil {
			return err
		}
		result := answer("other", 0, accepted)
		return stream.Send(&pb.StreamDialRequestsResponse{Results: []*pb.DialResult{result}})
	}
	_, err := all(newClient(t, g.target).Dial(within(t), "c", requests(1)))
	same(t, errors.Is(err, ErrProtocol), true)
	equal(t, failureIn(t, err).Unanswered, []string{"t-0"})
}

// The same token twice in one stream gets two answers.
func TestSameTokenTwice(t *testing.T) {
	g := newGateway(t)
	results, err := all(newClient(t, g.target).Dial(within(t), "c", slices.Values([]Request{request("t"), request("t")})))
	if err != nil {
		t.Fatal(err)
	}
	same(t, len(results), 2)
	same(t, results[0].Index+results[1].Index, 1)
}

// A request of more than 256 KiB is REJECTED, and the others go on.
func TestLargeRequest(t *testing.T) {
	g := newGateway(t)
	large := request("large")
	large.Attributes = map[string]string{"k": strings.Repeat("x", 5<<20)}
	results, err := all(newClient(t, g.target).Dial(within(t), "c", slices.Values([]Request{request("a"), large, request("b")})))
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make([]Outcome, 3)
	for _, result := range results {
		outcomes[result.Index] = result.Outcome
	}
	equal(t, outcomes, []Outcome{OutcomeAccepted, OutcomeRejected, OutcomeAccepted})
}

// An answer that advises the same token is not yielded; the request is sent again.
func TestSentAgain(t *testing.T) {
	g := newGateway(t)
	g.stream = func(r *received, stream serverStream) error {
		results, err := r.next(notAccepted)
		if err != nil {
			return err
		}
		g.mu.Lock()
		g.stream = acceptAll
		g.mu.Unlock()
		return stream.Send(&pb.StreamDialRequestsResponse{Results: results})
	}
	results, err := all(newClient(t, g.target).Dial(within(t), "c", requests(1)))
	wantAccepted(t, results, err, 1)
	g.wantMarks(t, "t-0", false, false)
}

// The trace context of the caller, metadata and priority are sent.
func TestMetadata(t *testing.T) {
	g := newGateway(t)
	traceID := trace.TraceID{1, 2}
	ctx := trace.ContextWithSpanContext(within(t), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled,
	}))
	client := newClient(t, g.target, WithMetadata("authorization", "Bearer x"))
	results, err := all(client.Dial(ctx, "c", requests(1), WithPriority(PriorityHigh)))
	wantAccepted(t, results, err, 1)
	want := "00-" + traceID.String() + "-0300000000000000-01"
	equal(t, g.metadata[0].Get("traceparent"), []string{want})
	equal(t, g.metadata[0].Get("authorization"), []string{"Bearer x"})
	same(t, Traceparent(ctx), want)
	same(t, Traceparent(context.Background()), "")
}

// Invalid arguments are errors before anything is sent.
func TestInvalidArguments(t *testing.T) {
	client := newClient(t, "127.0.0.1:1")
	_, err := all(client.Dial(within(t), "c", requests(1), WithPriority("urgent")))
	if err == nil || !strings.Contains(err.Error(), "priority") {
		t.Errorf("got %v", err)
	}
	_, err = all(client.Dial(within(t), "\xff", requests(1)))
	if err == nil || !strings.Contains(err.Error(), "campaign") {
		t.Errorf("got %v", err)
	}
	for _, option := range []Option{
		WithWindow(0), WithChunk(0), WithKeepalive(time.Second), WithLogger(nil),
		WithRetry(RetryPolicy{FirstPause: -1}), WithRetry(RetryPolicy{GiveUpAfter: -1}),
		WithRetry(RetryPolicy{FirstPause: 2, LongestPause: 1}), WithTLSFiles("/missing", "", ""), WithTLSFiles("", "only", ""),
	} {
		if _, err := New("127.0.0.1:1", option); err == nil || !strings.HasPrefix(err.Error(), "dialgateway: ") {
			t.Errorf("got %v", err)
		}
	}
	for _, target := range []string{"", "unknown://\x00"} {
		if _, err := New(target); err == nil {
			t.Errorf("%q is accepted", target)
		}
	}
}

// Many calls at the same time share one connection.
func TestConcurrentCalls(t *testing.T) {
	g := newGateway(t)
	client := newClient(t, g.target)
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			results, err := all(client.Dial(within(t), "c", requests(200)))
			if err != nil || len(results) != 200 {
				t.Errorf("%d results, %v", len(results), err)
			}
		})
	}
	calls.Wait()
	same(t, len(client.channels.leases), 1)
}

// A stream that waits for answers sends an empty message after the keepalive.
func TestEmptyMessages(t *testing.T) {
	g := newGateway(t)
	g.stream = func(r *received, stream serverStream) error {
		first, err := r.next(accepted)
		if err != nil {
			return err
		}
		if empty, err := r.next(accepted); err != nil || len(empty) > 0 {
			return status.Error(codes.InvalidArgument, "not an empty message")
		}
		return stream.Send(&pb.StreamDialRequestsResponse{Results: first})
	}
	client := newClient(t, g.target)
	client.keepalive = 10 * time.Millisecond
	blocked := make(chan struct{})
	source := func(yield func(Request) bool) {
		yield(request("t-0"))
		<-blocked
	}
	for result, err := range client.Dial(within(t), "c", source) {
		if err != nil {
			t.Fatal(err)
		}
		same(t, result.Outcome, OutcomeAccepted)
		close(blocked)
	}
}

// A broken connection is logged once, without number and attributes.
func TestLog(t *testing.T) {
	g := newGateway(t)
	g.stream = ending(1, 3, ends(codes.Unavailable))
	var text strings.Builder
	client := newClient(t, g.target, WithLogger(slog.New(slog.NewTextHandler(&text, nil))))
	results, err := all(client.Dial(within(t), "c", requests(3)))
	wantAccepted(t, results, err, 3)
	same(t, strings.Count(text.String(), "level=WARN"), 1)
	if !strings.Contains(text.String(), "campaign=c") || strings.Contains(text.String(), phone) {
		t.Error(text.String())
	}
}

// A message waits for further requests of the source, so that it is full.
func TestMessagesWaitForTheSource(t *testing.T) {
	g := newGateway(t)
	client := newClient(t, g.target)
	client.chunkLinger = time.Hour
	source := func(yield func(Request) bool) {
		for number, request := range requestList(105) {
			if number == 1 { // the first one waits on an open stream
				for open := 0; open == 0; time.Sleep(5 * time.Millisecond) {
					g.mu.Lock()
					open = g.streams
					g.mu.Unlock()
				}
			}
			if !yield(request) {
				return
			}
		}
	}
	results, err := all(client.Dial(within(t), "c", source))
	wantAccepted(t, results, err, 105)
	equal(t, g.sizes, []int{100, 5})
}

// Dial ends after its goroutines, also those that are in a function of the caller.
func TestDialWaitsForItsGoroutines(t *testing.T) {
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	ended := false
	disconnected := OnDisconnect(func(error) {
		if !ended {
			cancel()
			time.Sleep(50 * time.Millisecond)
			ended = true
		}
	})
	_, err := all(newClient(t, "127.0.0.1:1").Dial(ctx, "c", requests(1), disconnected))
	same(t, errors.Is(err, context.Canceled), true)
	same(t, ended, true)
}
