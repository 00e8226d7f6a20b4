package dialgateway

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// dialState is the state of one call to Dial over any number of connections,
// without I/O, clock or randomness of its own.
//
//	source --take--> waiting --nextChunk--> sent on a link --settle--> answered --takeAnswers-->
//	                    ^                          |  |
//	                    +--------- lost -----------+  |   the connection ended first: in doubt
//	                    +--- advance --- pausing <----+   the answer advised to send it again
//
// At most one link is current: new requests go there. Other links are read until
// they end; they are draining or half-closed. Whoever drives it calls advance
// after every event and at every deadline. Each request is answered exactly once,
// under its index in the source. It is not safe for concurrent use.
type dialState struct {
	failure *Error // the error that ends the call, if any

	window  int // requests whose answers the caller does not have yet
	chunk   int // requests in one message at most
	largest int // bytes of one request at most
	policy  RetryPolicy
	jitter  func() float64

	taken       int
	sourceEnded bool
	open        map[int]*entry
	waiting     []*entry
	pausing     pauses
	answers     []Result
	doubt       *doubtfulTokens
	links       map[*link]struct{}
	current     *link
	connections reconnection
	overdue     overdueChecks
}

func newDialState(window, chunk, largest int, policy RetryPolicy, jitter func() float64) *dialState {
	return &dialState{
		window:      window,
		chunk:       min(chunk, window),
		largest:     largest,
		policy:      policy,
		jitter:      jitter,
		open:        make(map[int]*entry),
		doubt:       newDoubtfulTokens(window),
		links:       make(map[*link]struct{}),
		connections: reconnection{policy: policy, jitter: jitter},
	}
}

// --- the source

// hasRoom reports whether one more request may be read: the window has room, and
// no full chunk is waiting.
func (s *dialState) hasRoom() bool {
	return len(s.open)+len(s.answers) < s.window && len(s.waiting) < s.chunk
}

// take adds a request from the source, with its message and the message's size.
//
// The expiration is kept on the monotonic clock of now, so that a change of the
// system's time does not matter.
func (s *dialState) take(request Request, message *pb.DialRequest, size int, now time.Time) {
	if len(s.open) == 0 {
		s.connections.nothingOutstanding()
	}
	index := s.taken
	s.taken++
	if why := refusal(request, size, s.largest); why != "" {
		inDoubt := request.InDoubt || s.doubt.has(request.ClientToken)
		s.answers = append(s.answers, refusedResult(request.ClientToken, index, why, inDoubt))
		return
	}
	e := &entry{
		index:   index,
		token:   request.ClientToken,
		message: message,
		size:    size + itemBytes,
		expires: now.Add(request.ExpiresAt.Sub(now)),
	}
	s.open[index] = e
	s.waiting = append(s.waiting, e)
}

// endSource notes that the source has no more requests.
func (s *dialState) endSource() {
	s.sourceEnded = true
}

// --- time

// advance does the work that is due, and reports whether connect must be called
// now.
func (s *dialState) advance(now time.Time) bool {
	for len(s.pausing) > 0 && !s.pausing[0].until.After(now) {
		if due, ok := heap.Pop(&s.pausing).(paused); ok {
			s.waiting = append(s.waiting, due.entry)
		}
	}
	if s.unreachable() && s.connections.failures > 0 { // before a failure the gateway may yet answer
		s.answerExpired(now)
		s.giveUp(now)
	}
	for _, e := range s.overdue.advance(s.links, now) {
		s.doubt.add(e.token)
		s.answer(e, overdueResult(e))
	}
	wanted := s.current == nil && len(s.waiting) > 0
	return wanted && s.failure == nil && !now.Before(s.connections.connectAt)
}

// deadline returns the time of the next call of advance; zero if only an event
// makes it necessary.
func (s *dialState) deadline() time.Time {
	var next time.Time
	at := func(deadline time.Time) {
		if !deadline.IsZero() && (next.IsZero() || deadline.Before(next)) {
			next = deadline
		}
	}
	if len(s.pausing) > 0 {
		at(s.pausing[0].until)
	}
	if s.unreachable() && s.current == nil {
		at(s.connections.connectAt)
	}
	if s.unreachable() && s.connections.failures > 0 {
		for _, e := range s.waiting {
			at(e.expires)
		}
		at(s.connections.giveUpAt())
	}
	at(s.overdue.lookAt)
	return next
}

// --- connections

// connect returns a new link, which becomes the current one.
func (s *dialState) connect(now time.Time) *link {
	s.current = newLink()
	s.links[s.current] = struct{}{}
	s.connections.connecting(now)
	return s.current
}

// ready notes that the connection of a link is made, so that requests sent from
// now on may arrive.
func (s *dialState) ready(l *link, now time.Time) {
	if l.readyAt.IsZero() {
		l.readyAt = now
	}
}

// nextChunk returns the next requests to send on a ready link, and notes them as
// sent. It returns none if there is nothing to send.
func (s *dialState) nextChunk(l *link) []*pb.DialRequest {
	if l != s.current {
		return nil
	}
	count, size := 0, 0
	for count < len(s.waiting) && count < s.chunk {
		size += s.waiting[count].size
		if count > 0 && size > usualMessageBytes {
			break
		}
		count++
	}
	messages := make([]*pb.DialRequest, count)
	for at, e := range s.waiting[:count] {
		if s.doubt.has(e.token) {
			e.message = marked(e.message)
		}
		messages[at] = e.message
		l.sent[l.count] = e
		l.count++
	}
	s.waiting = s.waiting[count:]
	return messages
}

// mayGrow reports whether the next message of a link would be fuller if the source
// had a moment more.
func (s *dialState) mayGrow() bool {
	return len(s.waiting) > 0 && !s.sourceEnded && s.hasRoom()
}

// halfClose half-closes a link if all requests have been sent, and reports whether
// it did. The link is then no longer current.
func (s *dialState) halfClose(l *link) bool {
	if l != s.current || !s.allSent() {
		return false
	}
	l.halfClosed = true
	s.current = nil
	return true
}

// drain notes that the gateway reads nothing more from a link: new requests go to
// another one.
func (s *dialState) drain(l *link, now time.Time) {
	if s.policy.NoReconnect {
		return
	}
	l.draining = true
	if l == s.current {
		s.current = nil
		s.connections.drained(l, now)
	}
}

// settle matches each result to its request, by its index on this link and by its
// token. It returns an error for a result that belongs to no outstanding request:
// after it the caller could get two answers for one request, or a wrong one.
func (s *dialState) settle(l *link, results []*pb.DialResult, now time.Time) *Error {
	for _, result := range results {
		index := result.GetIndex()
		if _, late := l.overdue[index]; late {
			delete(l.overdue, index)
			continue
		}
		e, sent := l.sent[index]
		if !sent || e.token != result.GetClientToken() {
			return protocolError("a result for index %d belongs to no unanswered request", index)
		}
		delete(l.sent, index)
		s.connections.answered(l)
		s.settleOne(e, resultOf(result), now)
	}
	return nil
}

// lost notes that a connection has ended, with a failure or, if that is nil, with
// OK. Its outstanding requests wait again.
func (s *dialState) lost(l *link, failure *Error, now time.Time) {
	delete(s.links, l)
	unanswered := l.takeSent()
	if failure == nil || !nothingTaken(failure.StatusReason) {
		for _, e := range unanswered {
			s.doubt.add(e.token)
		}
	}
	s.waiting = slices.Concat(unanswered, s.waiting)
	if l == s.current {
		s.current = nil
	}
	if failure == nil && len(unanswered) > 0 {
		failure = &Error{message: "the gateway ended the stream too early"}
	}
	if l.draining || failure == nil || (l.halfClosed && len(unanswered) == 0) {
		return
	}
	if !s.connections.failed(l, failure, now) {
		s.failure = failure
	}
}

// --- the caller

// takeAnswers returns the answers so far. They no longer count against the window.
func (s *dialState) takeAnswers() []Result {
	answers := s.answers
	s.answers = nil
	return answers
}

// finished reports whether the source has ended and the caller has all answers.
func (s *dialState) finished() bool {
	return s.sourceEnded && len(s.open) == 0 && len(s.answers) == 0
}

// unanswered returns the tokens of all requests without an answer, oldest first,
// and those of them that Amazon Connect may have.
func (s *dialState) unanswered() (all, inDoubt []string) {
	sent := make(map[int]struct{})
	for l := range s.links {
		for _, e := range l.sent {
			sent[e.index] = struct{}{}
		}
	}
	entries := make([]*entry, 0, len(s.open))
	for _, e := range s.open {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.index, b.index) })
	for _, e := range entries {
		all = append(all, e.token)
		if _, wasSent := sent[e.index]; wasSent || s.inDoubt(e) {
			inDoubt = append(inDoubt, e.token)
		}
	}
	return all, inDoubt
}

// unreachable reports whether requests wait and there is no connection to send
// them on.
func (s *dialState) unreachable() bool {
	connected := s.current != nil && !s.current.readyAt.IsZero()
	return len(s.waiting) > 0 && !connected && s.failure == nil
}

// --- inside

// allSent reports whether nothing is left to send, as long as no draining link
// ends before its answers.
func (s *dialState) allSent() bool {
	if !s.sourceEnded || len(s.waiting) > 0 || len(s.pausing) > 0 {
		return false
	}
	for l := range s.links {
		if l.draining && len(l.sent) > 0 {
			return false
		}
	}
	return true
}

func (s *dialState) inDoubt(e *entry) bool {
	return e.message.GetInDoubt() || s.doubt.has(e.token)
}

func (s *dialState) settleOne(e *entry, result Result, now time.Time) {
	result.Index = e.index
	if result.Outcome != OutcomeAccepted {
		if result.Outcome == OutcomeUnknown {
			s.doubt.add(e.token)
		}
		if s.isSentAgain(e, result, now) {
			return
		}
		result = trueForAllAttempts(result, s.inDoubt(e))
	}
	s.answer(e, result)
}

// isSentAgain schedules a request to be sent again, if the policy and its
// expiration allow that.
func (s *dialState) isSentAgain(e *entry, result Result, now time.Time) bool {
	pause, again := s.policy.resubmitAfter(result, e.tries, s.jitter())
	if !again || !now.Add(pause).Before(e.expires) {
		return false
	}
	e.tries++
	heap.Push(&s.pausing, paused{now.Add(pause), e})
	return true
}

func (s *dialState) answer(e *entry, result Result) {
	delete(s.open, e.index)
	s.answers = append(s.answers, result)
}

func (s *dialState) answerExpired(now time.Time) {
	var inTime []*entry
	for _, e := range s.waiting {
		if e.expires.After(now) {
			inTime = append(inTime, e)
		} else {
			s.answer(e, expiredResult(e, s.inDoubt(e)))
		}
	}
	s.waiting = inTime
}

func (s *dialState) giveUp(now time.Time) {
	giveUpAt := s.connections.giveUpAt()
	if !giveUpAt.IsZero() && !now.Before(giveUpAt) && len(s.waiting) > 0 {
		s.failure = s.connections.unreachableError()
	}
}

// pauses is a heap of requests that are sent again later, by time and index.
type pauses []paused

type paused struct {
	until time.Time
	entry *entry
}

func (p pauses) Len() int      { return len(p) }
func (p pauses) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p pauses) Less(i, j int) bool {
	if p[i].until.Equal(p[j].until) {
		return p[i].entry.index < p[j].entry.index
	}
	return p[i].until.Before(p[j].until)
}

// Push and Pop implement [heap.Interface].
func (p *pauses) Push(one any) {
	if next, ok := one.(paused); ok {
		*p = append(*p, next)
	}
}

// Pop implements [heap.Interface].
func (p *pauses) Pop() any {
	old := *p
	last := old[len(old)-1]
	old[len(old)-1] = paused{}
	*p = old[:len(old)-1]
	return last
}
