package dialgateway

import (
	"fmt"
	"log/slog"
	"time"
)

// An Outcome is what became of a dial request. Only with ACCEPTED and UNKNOWN may
// Amazon Connect dial.
type Outcome string

// The outcomes. An outcome that only a newer gateway knows is read as UNKNOWN.
const (
	// OutcomeAccepted: Amazon Connect has the request, as Result.DialRequestID.
	OutcomeAccepted Outcome = "ACCEPTED"
	// OutcomeRejected: refused permanently. Do not send it again unchanged.
	OutcomeRejected Outcome = "REJECTED"
	// OutcomeExpired: it expired first. Amazon Connect does not have it. Send it
	// again with the same token and a later expiration, if it is still wanted.
	OutcomeExpired Outcome = "EXPIRED"
	// OutcomeNotAccepted: Amazon Connect does not have it. The same token may be
	// sent again.
	OutcomeNotAccepted Outcome = "NOT_ACCEPTED"
	// OutcomeUnknown: Amazon Connect may have it. Send the same token again, with
	// Request.InDoubt, to find out; nobody is dialed twice by that.
	OutcomeUnknown Outcome = "UNKNOWN"
)

// A Reason says why a dial request was not accepted. It is empty if the request
// was accepted, or if only a newer gateway knows the reason.
type Reason string

// The reasons. The wire contract describes each of them.
const (
	ReasonInvalidRequest      Reason = "INVALID_REQUEST"
	ReasonInvalidInput        Reason = "INVALID_INPUT"
	ReasonTokenConflict       Reason = "TOKEN_CONFLICT"
	ReasonCampaignNotFound    Reason = "CAMPAIGN_NOT_FOUND"
	ReasonCampaignNotRunning  Reason = "CAMPAIGN_NOT_RUNNING"
	ReasonAccessDenied        Reason = "ACCESS_DENIED"
	ReasonExpirationPassed    Reason = "EXPIRATION_PASSED"
	ReasonWouldExpire         Reason = "WOULD_EXPIRE"
	ReasonThrottled           Reason = "THROTTLED"
	ReasonConnectError        Reason = "CONNECT_ERROR"
	ReasonConnectUnreachable  Reason = "CONNECT_UNREACHABLE"
	ReasonDraining            Reason = "DRAINING"
	ReasonHeld                Reason = "HELD"
	ReasonPurged              Reason = "PURGED"
	ReasonOverloaded          Reason = "OVERLOADED"
	ReasonDeadline            Reason = "DEADLINE"
	ReasonOutsideCallingHours Reason = "OUTSIDE_CALLING_HOURS"
	ReasonSuppressed          Reason = "SUPPRESSED"
	ReasonContactLimit        Reason = "CONTACT_LIMIT"
	ReasonNumberNotAllowed    Reason = "NUMBER_NOT_ALLOWED"
)

// A RetryAdvice says whether and how to send a dial again. It is empty if that is
// not necessary, or if only a newer gateway knows the advice.
type RetryAdvice string

// The advice of a gateway.
const (
	// RetrySameToken: send it again with the same token, after Result.RetryAfter.
	RetrySameToken RetryAdvice = "SAME_TOKEN"
	// RetryNewToken: the token belongs to another dial. If this one is also
	// wanted, give it its own token.
	RetryNewToken RetryAdvice = "NEW_TOKEN"
	// RetryNever: do not send it again unchanged.
	RetryNever RetryAdvice = "NEVER"
)

// A Result is the one answer to one dial request.
type Result struct {
	// ClientToken is the token of the request.
	ClientToken string
	// Index is the zero-based position of the request in its call. It
	// distinguishes equal tokens.
	Index int
	// Outcome is what became of the request.
	Outcome Outcome
	// DialRequestID is Amazon Connect's id of the dial request, if it was accepted.
	DialRequestID string
	// Reason says why it was not accepted.
	Reason Reason
	// Detail is the reason as text for a person. Do not parse it. It contains no
	// phone number and no attribute.
	Detail string
	// RetryAdvice says whether and how to send this dial again.
	RetryAdvice RetryAdvice
	// RetryAfter is how long to wait before that; 0 if the gateway does not know.
	RetryAfter time.Duration
	// Attempts is how many calls to Amazon Connect have contained the request.
	Attempts int
	// Replayed says that this repeats the answer to an earlier request with the
	// same token, which was accepted.
	Replayed bool
	// TraceID is the trace in which this was decided, 32 hexadecimal digits.
	TraceID string
	// Unnamed names the fields, with their numbers, whose values only a newer
	// gateway knows, such as "outcome=7". It is empty for all others.
	Unnamed string
}

// Accepted reports whether Amazon Connect has the request.
func (r Result) Accepted() bool {
	return r.Outcome == OutcomeAccepted
}

// String describes the result in one line.
func (r Result) String() string {
	text := fmt.Sprintf("token=%s outcome=%s", r.ClientToken, r.Outcome)
	for _, part := range []struct{ name, value string }{
		{"id", r.DialRequestID},
		{"reason", string(r.Reason)},
		{"advice", string(r.RetryAdvice)},
		{"trace", r.TraceID},
		{"detail", r.Detail},
	} {
		if part.value != "" {
			text += " " + part.name + "=" + part.value
		}
	}
	return text
}

// LogValue implements [slog.LogValuer].
func (r Result) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("token", r.ClientToken),
		slog.String("outcome", string(r.Outcome)),
		slog.String("reason", string(r.Reason)),
		slog.String("retry_advice", string(r.RetryAdvice)),
		slog.Int("attempts", r.Attempts),
		slog.String("trace_id", r.TraceID),
	)
}

// A NoticeKind is the subject of a notice. Ignore an empty one: only a newer
// gateway knows it.
type NoticeKind string

// The kinds of notices.
const (
	// NoticeDraining: this replica shuts down, or the stream has reached its age.
	// The client connects again by itself.
	NoticeDraining NoticeKind = "DRAINING"
	// NoticeCampaignCooling: Amazon Connect accepts no more requests for the
	// campaign at the moment. Its requests wait.
	NoticeCampaignCooling NoticeKind = "CAMPAIGN_COOLING"
	// NoticeCampaignParked: the campaign is paused or not started. Its requests wait.
	NoticeCampaignParked NoticeKind = "CAMPAIGN_PARKED"
	// NoticeCampaignHeld: an operator holds the campaign.
	NoticeCampaignHeld NoticeKind = "CAMPAIGN_HELD"
	// NoticeCampaignResumed: the campaign flows again.
	NoticeCampaignResumed NoticeKind = "CAMPAIGN_RESUMED"
)

// A Notice is a message of the gateway besides results. It may be ignored.
type Notice struct {
	// Kind is its subject.
	Kind NoticeKind
	// Campaign is the campaign concerned; empty if it concerns the whole gateway.
	Campaign string
	// RetryAfter is how long the condition may last; 0 if the gateway does not know.
	RetryAfter time.Duration
	// Detail is the notice as text for a person. Do not parse it.
	Detail string
}
