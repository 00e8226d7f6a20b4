package dialgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

const (
	// streamEndTimeout is how long the gateway has to end a stream after its last
	// answer, before the client cancels it.
	streamEndTimeout = time.Second
	// sourceEndTimeout is how long the end of Dial waits for its source. Go cannot
	// interrupt a source that blocks.
	sourceEndTimeout = time.Second
	// chunkLinger is how long a message waits for further requests of the source.
	// One message for each request would cost the gateway ten times more.
	chunkLinger = time.Millisecond
	// mostNotices are kept for a caller that does not read; the oldest are dropped
	// first.
	mostNotices = 256
)

type dialStream = grpc.BidiStreamingClient[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

// A signal wakes the one goroutine that waits for it.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// A stream is one call to Dial: goroutines that drive one dialState.
//
//	source --[readSource]--> dialState --[write]--> gRPC --[run]--> dialState --[deliver]--> caller
//	                             ^-- [keepConnected]: opens a link when one is needed
type stream struct {
	client *Client
	call   call
	ctx    context.Context
	cancel context.CancelCauseFunc
	log    *slog.Logger

	room       signal // the source may be read
	reconsider signal // a connection may be needed
	forCaller  signal // there is an answer, a notice or a failure
	sourceDone chan struct{}
	tasks      sync.WaitGroup // all goroutines but that of the source

	mu          sync.Mutex // guards all that follows, and the state's links
	state       *dialState
	notices     []Notice
	failure     *Error
	panicked    *sourcePanic
	connections map[*connection]struct{}
}

// A connection is a link and the signal for its writer.
type connection struct {
	link *link
	wake signal
}

func newStream(ctx context.Context, client *Client, about call) *stream {
	ctx, cancel := context.WithCancelCause(ctx)
	return &stream{
		client:      client,
		call:        about,
		ctx:         ctx,
		cancel:      cancel,
		log:         client.logger.With("campaign", about.campaign),
		room:        newSignal(),
		reconsider:  newSignal(),
		forCaller:   newSignal(),
		sourceDone:  make(chan struct{}),
		connections: make(map[*connection]struct{}),
		state: newDialState(
			client.window, client.chunk, largestRequest(about.campaign), client.retry, client.jitter),
	}
}

// --- the caller

// start begins to read the source. A connection is opened after its first request.
func (s *stream) start(requests iter.Seq[Request]) {
	go s.readSource(requests)
	s.tasks.Go(s.keepConnected)
}

// deliver yields the results until the last one, or an error, or until the caller
// stops.
func (s *stream) deliver(yield func(Result, error) bool) {
	for {
		results, notices, end := s.receive()
		for _, notice := range notices {
			if s.call.onNotice != nil {
				s.call.onNotice(notice)
			}
		}
		for _, result := range results {
			if !yield(result, nil) {
				return
			}
		}
		switch {
		case end == nil:
		case errors.Is(end, io.EOF):
			s.waitForEnd()
			return
		default:
			yield(Result{}, end)
			return
		}
	}
}

// receive waits for results or notices. At the end it returns io.EOF, or the error
// that ended the stream.
func (s *stream) receive() (results []Result, notices []Notice, end error) {
	for {
		s.mu.Lock()
		results, notices, end = s.state.takeAnswers(), s.notices, s.end()
		s.notices = nil
		panicked := s.panicked
		s.mu.Unlock()
		switch {
		case len(results)+len(notices) > 0:
			s.room.set()
			return results, notices, nil
		case panicked != nil:
			panic(panicked)
		case end != nil:
			return nil, nil, end
		}
		select {
		case <-s.forCaller:
		case <-s.ctx.Done():
			s.failWithContext()
		}
	}
}

// failWithContext ends the stream because its context has ended. The error also says
// why there was no connection, if that is so.
func (s *stream) failWithContext() {
	failure := endedError(context.Cause(s.ctx))
	s.mu.Lock()
	if last := s.state.connections.lastFailure; last != nil && s.state.connections.failures > 0 {
		failure.message += "; the last connection to the gateway ended: " + last.message
	}
	s.mu.Unlock()
	s.fail(failure)
}

// end returns why there are no further results, if that is so.
func (s *stream) end() error {
	failure := s.failure
	if failure == nil {
		failure = s.state.failure
	}
	switch {
	case s.state.finished():
		return io.EOF
	case failure != nil:
		return failure.withUnanswered(s.state.unanswered())
	}
	return nil
}

// waitForEnd waits until the gateway has ended the stream after its last answer.
// It would count a cancelled stream as aborted.
func (s *stream) waitForEnd() {
	timeout := time.NewTimer(streamEndTimeout)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		open := len(s.connections)
		s.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-s.forCaller:
		case <-timeout.C:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// close cancels all calls, and waits for all goroutines.
func (s *stream) close() {
	s.cancel(context.Canceled)
	s.tasks.Wait()
	timeout := time.NewTimer(sourceEndTimeout)
	defer timeout.Stop()
	select {
	case <-s.sourceDone:
	case <-timeout.C:
	}
}

func (s *stream) fail(failure *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = failure
	}
	s.forCaller.set()
}

// wakeAll lets every goroutine and the caller check the state again. The caller
// holds the mutex.
func (s *stream) wakeAll() {
	s.room.set()
	s.reconsider.set()
	s.forCaller.set()
	s.wakeWriters()
}

func (s *stream) wakeWriters() {
	for open := range s.connections {
		open.wake.set()
	}
}

// --- the source

// A sourcePanic is the value with which Dial panics if its source has panicked.
// The source runs in another goroutine, and its panic belongs to the caller.
type sourcePanic struct {
	value any
	stack []byte
}

// Error returns the value and the stack of the source's panic.
func (p *sourcePanic) Error() string {
	return fmt.Sprintf("dialgateway: the source of dial requests panicked: %v\n\n%s", p.value, p.stack)
}

// Unwrap returns the value of the source's panic, if it is an error.
func (p *sourcePanic) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

func (s *stream) readSource(requests iter.Seq[Request]) {
	defer close(s.sourceDone)
	returned := false
	defer func() {
		if value := recover(); value != nil {
			s.sourcePanicked(&sourcePanic{value, debug.Stack()})
		} else if !returned {
			s.fail(&Error{message: "the source of dial requests has ended its goroutine (runtime.Goexit)"})
		}
	}()
	ended := true
	for request := range requests {
		if !s.take(request) {
			ended = false
			break
		}
	}
	returned = true
	if !ended {
		return // the stream is cancelled, and must not be half-closed before that
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.endSource()
	s.wakeAll()
}

// take adds a request and waits until one more may be read. It returns false if
// the stream has ended.
func (s *stream) take(request Request) bool {
	if s.ctx.Err() != nil {
		return false
	}
	message := messageOf(request)
	size := sizeOf(message)
	s.mu.Lock()
	s.state.take(request, message, size, time.Now())
	s.wakeAfterTake()
	for !s.state.hasRoom() {
		s.mu.Unlock()
		select {
		case <-s.room:
		case <-s.ctx.Done():
			return false
		}
		s.mu.Lock()
	}
	s.mu.Unlock()
	return true
}

// wakeAfterTake wakes only those for whom one more request makes a difference.
func (s *stream) wakeAfterTake() {
	waiting := len(s.state.waiting)
	if waiting == 1 || !s.state.hasRoom() {
		s.wakeWriters()
	}
	if waiting == 1 && s.state.current == nil {
		s.reconsider.set()
	}
	if len(s.state.answers) > 0 { // a request that cannot be sent is answered at once
		s.forCaller.set()
	}
}

func (s *stream) sourcePanicked(value *sourcePanic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.panicked = value
	s.forCaller.set()
}

// --- connections

func (s *stream) keepConnected() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.mu.Lock()
		now := time.Now()
		if s.state.advance(now) {
			s.connect(s.state.connect(now))
		}
		deadline := s.state.deadline()
		s.room.set()
		s.forCaller.set()
		s.wakeWriters()
		s.mu.Unlock()
		timer.Stop()
		if !deadline.IsZero() {
			timer.Reset(time.Until(deadline))
		}
		select {
		case <-s.reconsider:
		case <-timer.C:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *stream) connect(l *link) {
	open := &connection{link: l, wake: newSignal()}
	s.connections[open] = struct{}{}
	s.tasks.Go(func() { s.run(open) })
}

// run runs a connection from its probe to its end.
func (s *stream) run(open *connection) {
	failure := s.useChannel(open)
	s.mu.Lock()
	expected := failure == nil || open.link.draining || (open.link.halfClosed && len(open.link.sent) == 0)
	s.mu.Unlock()
	ended := s.ctx.Err() != nil || (failure != nil && errors.Is(failure, ErrClosed))
	if !expected && !ended {
		s.report(failure)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, open)
	if !ended {
		s.state.lost(open.link, failure, time.Now())
	}
	s.wakeAll()
}

func (s *stream) useChannel(open *connection) *Error {
	l, err := s.client.channels.acquire()
	if err != nil {
		return unavailable(err)
	}
	defer s.client.channels.release(l)
	failure := s.client.probe(s.ctx, l, s.call.campaign)
	if failure == nil {
		failure = s.runCall(open, l)
	}
	if failure != nil {
		s.client.channels.retire(l)
	}
	return failure
}

// report tells that a connection has ended unexpectedly.
func (s *stream) report(failure *Error) {
	s.log.Warn("a connection to the dial gateway ended", "error", failure.Error())
	if s.call.onDisconnect != nil {
		s.call.onDisconnect(failure)
	}
}

// runCall runs a connection's call to its end. It returns the failure that ended
// it, nil for OK.
func (s *stream) runCall(open *connection, l *lease) *Error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	sent, err := l.dials.StreamDialRequests(ctx)
	if err != nil {
		return s.client.failure(s.ctx, err)
	}
	s.mu.Lock()
	s.state.ready(open.link, time.Now())
	s.mu.Unlock()
	written := make(chan struct{})
	s.tasks.Go(func() {
		defer close(written)
		s.write(ctx, sent, open)
	})
	defer func() {
		cancel()
		<-written
	}()
	for {
		response, err := sent.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.client.failure(s.ctx, err)
		}
		if failure := s.handle(response, open.link, l); failure != nil {
			s.fail(failure)
			return failure
		}
	}
}

func (s *stream) handle(response *pb.StreamDialRequestsResponse, from *link, l *lease) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if failure := s.state.settle(from, response.GetResults(), now); failure != nil {
		return failure
	}
	if response.GetNotice() != nil {
		notice := noticeOf(response)
		if len(s.notices) == mostNotices {
			s.notices = s.notices[1:]
		}
		s.notices = append(s.notices, notice)
		if notice.Kind == NoticeDraining {
			s.client.channels.retire(l)
			s.state.drain(from, now)
		}
	}
	s.wakeAfterResponse()
	return nil
}

// wakeAfterResponse wakes only those for whom a response makes a difference.
func (s *stream) wakeAfterResponse() {
	s.forCaller.set()
	if len(s.state.pausing) > 0 || s.state.current == nil {
		s.reconsider.set()
	}
	if s.state.sourceEnded || s.state.current == nil {
		s.wakeWriters()
	}
}

// write sends the requests of a connection until another one is current, or all
// are sent. If a message cannot be sent, the call has ended; runCall gets its
// status.
func (s *stream) write(ctx context.Context, to dialStream, open *connection) {
	idle := time.NewTimer(s.client.keepalive)
	defer idle.Stop()
	for {
		message, last := s.nextMessage(ctx, open, idle)
		switch {
		case last:
			_ = to.CloseSend() // always returns nil
			return
		case message == nil:
			return
		}
		if err := to.Send(message); err != nil {
			return
		}
		idle.Reset(s.client.keepalive)
	}
}

// nextMessage waits for the next message to send. It returns nil if there is none,
// and true if the connection is half-closed because all requests are sent.
func (s *stream) nextMessage(
	ctx context.Context, open *connection, idle *time.Timer,
) (message *pb.StreamDialRequestsRequest, last bool) {
	var linger <-chan time.Time
	lingered := false
	for {
		s.mu.Lock()
		switch {
		case s.state.halfClose(open.link):
			s.mu.Unlock()
			return nil, true
		case s.state.current != open.link:
			s.mu.Unlock()
			return nil, false
		}
		if lingered || !s.state.mayGrow() {
			if chunk := s.state.nextChunk(open.link); len(chunk) > 0 {
				s.room.set()
				if s.state.overdue.lookAt.IsZero() {
					s.reconsider.set()
				}
				s.mu.Unlock()
				return s.message(chunk), false
			}
		} else if linger == nil {
			linger = time.After(s.client.chunkLinger)
		}
		waiting := len(open.link.sent) > 0
		s.mu.Unlock()
		select {
		case <-open.wake:
		case <-linger:
			lingered = true
		case <-idle.C:
			if waiting {
				return s.message(nil), false
			}
			idle.Reset(s.client.keepalive)
		case <-ctx.Done():
			return nil, false
		}
	}
}

func (s *stream) message(chunk []*pb.DialRequest) *pb.StreamDialRequestsRequest {
	return &pb.StreamDialRequestsRequest{
		CampaignId:   s.call.campaign,
		DialRequests: chunk,
		Priority:     s.call.priority,
	}
}
