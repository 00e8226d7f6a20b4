package dialgateway

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
)

// unusualEnds is after how many connections in a row that end with an unusual
// status the error ends the call. A message of the client may be the cause, and
// would end the next connection too.
const unusualEnds = 5

// reconnection counts the failures of one call to Dial, and schedules its next
// connection.
type reconnection struct {
	connectAt        time.Time // when the next connection may be opened
	failures         int       // connections in a row that ended without an answer
	policy           RetryPolicy
	jitter           func() float64
	unusual          int
	unreachableSince time.Time // zero while the gateway is reachable, or nothing waits for it
	lastFailure      *Error
}

// nothingOutstanding notes that until now no request has waited for the gateway.
func (r *reconnection) nothingOutstanding() {
	r.unreachableSince = time.Time{}
}

// connecting notes that a connection is being opened.
func (r *reconnection) connecting(now time.Time) {
	if r.unreachableSince.IsZero() {
		r.unreachableSince = now
	}
}

// answered notes that an answer has come over a connection.
func (r *reconnection) answered(l *link) {
	l.heard = true
	if !l.draining {
		r.failures, r.unusual = 0, 0
		r.unreachableSince = time.Time{}
	}
}

// drained notes that the current connection is draining: another one may be opened
// at once.
func (r *reconnection) drained(l *link, now time.Time) {
	r.connectAt = now
	if !l.heard { // it was new: the next replica may be draining too
		r.pause(now, 0)
	}
}

// failed notes that a connection has failed, and reports whether another one is to
// be opened.
func (r *reconnection) failed(l *link, failure *Error, now time.Time) bool {
	lasted := !l.readyAt.IsZero() && now.Sub(l.readyAt) > r.policy.LongestPause
	if isUnusual(l, failure, lasted) {
		r.unusual++
	}
	if r.policy.NoReconnect || isFinal(failure.Code) || r.unusual >= unusualEnds {
		return false
	}
	if l.heard || lasted {
		r.failures, r.unreachableSince = 0, now // it had worked: this is the first failure
	}
	r.lastFailure = failure
	r.pause(now, failure.RetryAfter)
	return true
}

// giveUpAt returns when to give up; zero for never.
func (r *reconnection) giveUpAt() time.Time {
	if r.policy.GiveUpAfter == 0 || r.unreachableSince.IsZero() {
		return time.Time{}
	}
	return r.unreachableSince.Add(r.policy.GiveUpAfter)
}

// unreachableError returns the error for a gateway that was unreachable for too
// long, with the last status.
func (r *reconnection) unreachableError() *Error {
	last := r.lastFailure
	switch {
	case last == nil:
		return &Error{Code: codes.Unavailable, message: "no connection in time", kind: ErrUnavailable}
	case errors.Is(last, ErrUnavailable):
		return last
	}
	failure := *last
	failure.kind = ErrUnavailable
	failure.message = fmt.Sprintf("no connection in time; the last one ended: %s", last.message)
	return &failure
}

func (r *reconnection) pause(now time.Time, atLeast time.Duration) {
	r.connectAt = now.Add(atLeast + r.policy.pause(r.failures, r.jitter()))
	r.failures++
}

// isUnusual reports whether a message of the client may have ended a connection.
//
// A gateway that dies, or a proxy in front of it, ends a connection with one of
// the statuses of reconnects. A message can also cause INTERNAL and CANCELLED;
// then they come soon after it, and before any answer.
func isUnusual(l *link, failure *Error, lasted bool) bool {
	switch {
	case !reconnects(failure.Code):
		return true
	case failure.Code == codes.Unavailable:
		return false
	}
	return l.count > 0 && !l.heard && !lasted
}
