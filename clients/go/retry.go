package dialgateway

import (
	"errors"
	"math"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	defaultFirstPause   = 200 * time.Millisecond
	defaultLongestPause = 10 * time.Second
)

// A RetryPolicy says what the client does when a connection ends, and after
// answers that advise to send a request again. The zero value is the default:
// the client retries until each request expires.
//
// Each pause is random, between 0 and a bound ("full jitter"), so that the callers
// of a gateway that restarts do not all reconnect at the same time.
type RetryPolicy struct {
	// NoReconnect ends a call when its connection ends.
	NoReconnect bool
	// Resubmit reports whether a request is sent again after this answer. Nil
	// means always. It is asked only about answers that the client would send
	// again: NOT_ACCEPTED and UNKNOWN with the advice SAME_TOKEN, before the
	// expiration, and not HELD, PURGED, refused, or against the gateway's rules.
	// It must not block.
	Resubmit func(Result) bool
	// GiveUpAfter is how long the gateway may be unreachable before a call ends
	// with [ErrUnavailable], after at least one attempt. With 0 the client does
	// not give up: each request is answered EXPIRED or UNKNOWN at its expiration.
	GiveUpAfter time.Duration
	// FirstPause is the bound of the first pause, which doubles with each further
	// attempt. 0 means 200 ms.
	FirstPause time.Duration
	// LongestPause is the largest bound of a pause. 0 means 10 s. The gateway may
	// ask for a longer pause.
	LongestPause time.Duration
}

// NoRetries returns the policy without retries: the caller gets each answer, and
// an error when the connection ends.
func NoRetries() RetryPolicy {
	return RetryPolicy{NoReconnect: true, Resubmit: func(Result) bool { return false }}
}

func (p RetryPolicy) withDefaults() (RetryPolicy, error) {
	if p.FirstPause == 0 {
		p.FirstPause = defaultFirstPause
	}
	if p.LongestPause == 0 {
		p.LongestPause = max(defaultLongestPause, p.FirstPause)
	}
	switch {
	case p.FirstPause < 0 || p.LongestPause < p.FirstPause:
		return p, errors.New("dialgateway: RetryPolicy: FirstPause must not be negative, nor longer than LongestPause")
	case p.GiveUpAfter < 0:
		return p, errors.New("dialgateway: RetryPolicy: GiveUpAfter must not be negative")
	}
	return p, nil
}

// pause returns how long to wait after the given number of earlier attempts.
// jitter is from 0 to 1.
func (p RetryPolicy) pause(tries int, jitter float64) time.Duration {
	bound := float64(p.FirstPause) * math.Pow(2, float64(min(tries, 32)))
	return time.Duration(jitter * min(bound, float64(p.LongestPause)))
}

// resubmitAfter returns after which pause an answered request is sent again, and
// whether it is.
func (p RetryPolicy) resubmitAfter(result Result, tries int, jitter float64) (time.Duration, bool) {
	if result.Outcome != OutcomeNotAccepted && result.Outcome != OutcomeUnknown {
		return 0, false
	}
	if result.RetryAdvice != RetrySameToken || leftToTheCaller(result.Reason) {
		return 0, false
	}
	if p.Resubmit != nil && !p.Resubmit(result) {
		return 0, false
	}
	return max(result.RetryAfter, 0) + p.pause(tries, jitter), true
}

// leftToTheCaller reports whether a request with this reason is never sent again.
// HELD and PURGED are an operator's decision, which that would undo. The last four
// are rules of the gateway: where they allow a request later, that is after its
// expiration. The others are refusals: they are UNKNOWN only because an earlier
// attempt is in doubt, and the same request would be refused again.
func leftToTheCaller(reason Reason) bool {
	switch reason {
	case ReasonHeld, ReasonPurged, ReasonInvalidRequest, ReasonInvalidInput,
		ReasonTokenConflict, ReasonCampaignNotFound, ReasonCampaignNotRunning,
		ReasonOutsideCallingHours, ReasonSuppressed, ReasonContactLimit, ReasonNumberNotAllowed:
		return true
	}
	return false
}

// reconnects reports whether a call ends with this status when the gateway or a
// proxy in front of it dies. HTTP/2 resets become INTERNAL or CANCELLED. A lost
// connection, REFUSED_STREAM and the HTTP statuses 429, 502, 503 and 504 become
// UNAVAILABLE (gRPC's doc/http-grpc-status-mapping.md and PROTOCOL-HTTP2.md).
func reconnects(code codes.Code) bool {
	return code == codes.Unavailable || code == codes.Internal || code == codes.Canceled
}

// isFinal reports whether a status would be the same on another connection.
func isFinal(code codes.Code) bool {
	switch code {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument,
		codes.NotFound, codes.FailedPrecondition, codes.OutOfRange:
		return true
	}
	return false
}
