package dialgateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The kinds of errors, for [errors.Is].
var (
	// ErrClosed: the client was closed before or during the call.
	ErrClosed = errors.New("the client is closed")
	// ErrUnavailable: the gateway is shutting down, or was unreachable for longer
	// than the retry policy allows.
	ErrUnavailable = errors.New("the gateway is unavailable")
	// ErrOverloaded: the gateway has no room for this call, or a message was too
	// large. Error.StatusReason says which of the two.
	ErrOverloaded = errors.New("the gateway has no room for the call")
	// ErrAccessDenied: the gateway does not serve this caller.
	ErrAccessDenied = errors.New("the gateway does not serve this caller")
	// ErrProtocol: the gateway broke the contract. An answer belongs to no
	// request, or answers are missing.
	ErrProtocol = errors.New("the gateway broke the contract")
)

// errorDomain is the domain of the ErrorInfo that a gateway adds to its statuses.
const errorDomain = "dialgateway.v1"

// An Error is why a call to the gateway ended. A refused dial request is not an
// error but a [Result]. No Error contains a phone number or an attribute.
type Error struct {
	// Code is the gRPC status; codes.OK if the call ended without one.
	Code codes.Code
	// StatusReason is the reason that the gateway gave with the status. It is empty
	// if a proxy or gRPC itself ended the call.
	StatusReason StatusReason
	// RetryAfter is how long to wait before another call; 0 if the gateway does
	// not say.
	RetryAfter time.Duration
	// Unanswered has the tokens without an answer, oldest first. Send their
	// requests again with the same tokens; nobody is dialed twice by that.
	Unanswered []string
	// InDoubt has those of Unanswered that Amazon Connect may have, because they
	// were sent. Set Request.InDoubt when you send them again. The others were
	// never sent.
	InDoubt []string

	message string
	kind    error // one of the variables above, or nil
	cause   error
}

// Error returns the status, what happened, and how many requests have no answer.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("dialgateway: ")
	if e.Code != codes.OK {
		text.WriteString(e.Code.String())
		if e.StatusReason != "" {
			text.WriteString(" (" + string(e.StatusReason) + ")")
		}
		text.WriteString(": ")
	}
	text.WriteString(e.message)
	if len(e.Unanswered) > 0 {
		fmt.Fprintf(&text, " (unanswered dial requests: %d)", len(e.Unanswered))
	}
	return text.String()
}

// Unwrap returns the kind and the cause: the gRPC error or that of the context.
func (e *Error) Unwrap() []error {
	parts := make([]error, 0, 2)
	for _, part := range []error{e.kind, e.cause} {
		if part != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// withUnanswered returns a copy of the error that names these tokens.
func (e *Error) withUnanswered(unanswered, inDoubt []string) *Error {
	named := *e
	named.Unanswered, named.InDoubt = unanswered, inDoubt
	return &named
}

func protocolError(format string, values ...any) *Error {
	return &Error{message: fmt.Sprintf(format, values...), kind: ErrProtocol}
}

// endedError returns the error for a call whose context ended because of cause: that
// of the caller's context, or ErrClosed.
func endedError(cause error) *Error {
	return &Error{message: cause.Error(), cause: cause}
}

// statusError returns the error for a gRPC error.
func statusError(err error) *Error {
	ended := status.Convert(err)
	failure := &Error{Code: ended.Code(), message: explained(ended.Message()), cause: err}
	switch ended.Code() {
	case codes.Unavailable:
		failure.kind = ErrUnavailable
	case codes.DeadlineExceeded:
		failure.kind = context.DeadlineExceeded
	case codes.ResourceExhausted:
		failure.kind = ErrOverloaded
	case codes.Unauthenticated, codes.PermissionDenied:
		failure.kind = ErrAccessDenied
	}
	for _, detail := range ended.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == errorDomain {
				failure.StatusReason = StatusReason(detail.GetReason())
			}
		case *errdetails.RetryInfo:
			failure.RetryAfter = max(detail.GetRetryDelay().AsDuration(), 0)
		}
	}
	return failure
}

// hints are what some errors of gRPC and TLS mean to a caller: a part of the
// text, and the words for it.
var hints = []struct{ part, words string }{
	{"first record does not look like a TLS handshake", "the gateway's port speaks without TLS, and this client with TLS"},
	{"certificate signed by unknown authority", "the gateway's certificate is not of the authority that this client trusts"},
	{"certificate is valid for", "the gateway's certificate is for another name; see WithServerName"},
	{"certificate required", "the gateway requires a client certificate"},
	{"looked like an HTTP/1.1 header", "the target is an HTTP server and not a gateway"},
	{"error reading server preface", closedAtOnce},
	{"broken pipe", closedAtOnce},
	{"connection reset by peer", closedAtOnce},
}

const closedAtOnce = "the gateway, or a proxy, has closed the connection: its port may expect TLS or a client certificate, " +
	"or the target is not a gateway"

func explained(message string) string {
	if message == "" {
		return "no details"
	}
	for _, hint := range hints {
		if strings.Contains(message, hint.part) {
			return message + " (" + hint.words + ")"
		}
	}
	return message
}

// unavailable returns the error for a channel that could not be opened: because the
// client is closed, or because of a file of TLS. The next attempt reads it again.
func unavailable(err error) *Error {
	if errors.Is(err, ErrClosed) {
		return endedError(ErrClosed)
	}
	return &Error{Code: codes.Unavailable, message: explained(err.Error()), kind: ErrUnavailable, cause: err}
}
