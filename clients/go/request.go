package dialgateway

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// A Request asks to dial one person, or to send a message to one.
//
// Its text forms (fmt, log/slog and encoding/json) contain neither the phone
// number nor the attributes. Package fmt does not call methods of unexported
// fields, so do not print a struct of your own that has a Request in one.
type Request struct {
	// ClientToken is your name for this dial, unique in its campaign: 1 to 200
	// characters of a-z, A-Z, 0-9, '_', '-' and '.'. Make it once for a dial with
	// [NewClientToken], store it before you send it, and use the same one
	// whenever you send that dial again: then nobody is dialed twice.
	ClientToken string
	// PhoneNumber is the number in E.164: '+', a country code and the number,
	// without spaces or dashes. It is empty for an e-mail.
	PhoneNumber string `json:"-"`
	// ExpiresAt is when this dial is no longer wanted. It is required. Choose a
	// few minutes from now; Amazon Connect may refuse more than 15 minutes.
	ExpiresAt time.Time
	// Attributes are the contact attributes for the contact flow, or the parameters
	// of a message's template. They are copied.
	Attributes map[string]string `json:"-"`
	// Channel says how to contact the person, for campaigns of Amazon Connect's API
	// V2. nil is a telephone call with the settings of its campaign.
	Channel Channel `json:"-"`
	// Traceparent is the W3C trace context of this one request, if it differs
	// from that of the call's context. See [Traceparent].
	Traceparent string
	// InDoubt says that this token may have been sent before, and that its final
	// answer is not known: for example because the process ended before it stored
	// the answer, or because an [Error] named the token in InDoubt. The answer is
	// then ACCEPTED or UNKNOWN, never a refusal. Keep it set for this token until
	// the answer is ACCEPTED. Within one call the client sets it itself.
	InDoubt bool
}

// NewClientToken returns a random token for a new dial, a UUID.
//
// Call it once, when you decide to dial somebody, and store the token with your
// record of that dial before you send the request.
func NewClientToken() string {
	var random [16]byte
	rand.Read(random[:]) // never returns an error
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	text := hex.EncodeToString(random[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// String describes the request without its phone number and attributes.
func (r Request) String() string {
	text := fmt.Sprintf("token=%s expires=%s", r.ClientToken, r.ExpiresAt.Format(time.RFC3339))
	if r.InDoubt {
		text += " in_doubt=true"
	}
	return text
}

// Format implements [fmt.Formatter]: every verb prints [Request.String].
func (r Request) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, r.String())
}

// LogValue implements [slog.LogValuer], without phone number and attributes.
func (r Request) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("token", r.ClientToken),
		slog.Time("expires_at", r.ExpiresAt),
		slog.Bool("in_doubt", r.InDoubt),
	)
}

// A Priority says how urgent dial requests are compared with others at the same
// gateway.
type Priority string

// The priorities. The zero value counts as PriorityNormal.
const (
	PriorityNormal Priority = "NORMAL"
	// PriorityHigh goes before NORMAL: a person is waiting, as with a fraud alert.
	PriorityHigh Priority = "HIGH"
	// PriorityBulk goes after NORMAL: any time before its expiration is acceptable.
	PriorityBulk Priority = "BULK"
)
