package dialgateway

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// A Channel says how a person is contacted, with the settings for that: a
// [Telephony], [SMS], [Email] or [WhatsApp]. Only campaigns of Amazon Connect's API
// V2 have channels; a gateway answers REJECTED for a campaign of V1.
//
// The text forms of a channel (fmt, log/slog and encoding/json) contain none of
// its fields.
type Channel interface {
	// set writes the channel into a message.
	set(message *pb.DialRequest)
	// texts returns its texts by the names of the contract.
	texts() map[string]string
}

// Telephony is a telephone call with settings of its own. What is not set is as
// the campaign says.
type Telephony struct {
	// SourcePhoneNumber is the number that the call comes from, in E.164. It
	// belongs to the Amazon Connect instance.
	SourcePhoneNumber string `json:"-"`
	// RingTimeout is how long the phone rings: 15 to 60 whole seconds.
	RingTimeout time.Duration `json:"-"`
	// AnswerMachineDetection says whether Amazon Connect finds out if a machine
	// answers.
	AnswerMachineDetection *AnswerMachineDetection `json:"-"`
}

// AnswerMachineDetection says whether Amazon Connect finds out if an answering
// machine answers a call.
type AnswerMachineDetection struct {
	// Enabled says whether it does.
	Enabled bool
	// AwaitPrompt says whether it then waits until the machine's announcement has
	// ended; nil: as the campaign says.
	AwaitPrompt *bool
}

// SMS is an SMS to the request's phone number. The request's attributes are the
// parameters of its template. What is not set is as the campaign says.
type SMS struct {
	// SourcePhoneNumberARN is the ARN of the phone number that it comes from.
	SourcePhoneNumberARN string `json:"-"`
	// TemplateARN is the ARN of the message template.
	TemplateARN string `json:"-"`
}

// WhatsApp is a WhatsApp message to the request's phone number. The request's
// attributes are the parameters of its template. What is not set is as the campaign
// says.
type WhatsApp struct {
	// SourcePhoneNumberARN is the ARN of the WhatsApp phone number that it comes
	// from.
	SourcePhoneNumberARN string `json:"-"`
	// TemplateARN is the ARN of the message template.
	TemplateARN string `json:"-"`
}

// Email is an e-mail. Its request has no phone number. The request's attributes are
// the parameters of its template. What is not set is as the campaign says.
type Email struct {
	// DestinationAddress is whom to send it to. It is required.
	DestinationAddress string `json:"-"`
	// SourceAddress is the address that it comes from.
	SourceAddress string `json:"-"`
	// TemplateARN is the ARN of the message template.
	TemplateARN string `json:"-"`
}

func (t Telephony) set(message *pb.DialRequest) {
	sent := &pb.Telephony{SourcePhoneNumber: t.SourcePhoneNumber}
	if t.RingTimeout != 0 {
		sent.RingTimeout = durationpb.New(t.RingTimeout)
	}
	if detection := t.AnswerMachineDetection; detection != nil {
		enabled := detection.Enabled
		sent.AnswerMachineDetection = &pb.AnswerMachineDetection{Enabled: &enabled}
		if detection.AwaitPrompt != nil {
			await := *detection.AwaitPrompt
			sent.AnswerMachineDetection.AwaitPrompt = &await
		}
	}
	message.Channel = &pb.DialRequest_Telephony{Telephony: sent}
}

func (s SMS) set(message *pb.DialRequest) {
	sent := &pb.Sms{SourcePhoneNumberArn: s.SourcePhoneNumberARN, TemplateArn: s.TemplateARN}
	message.Channel = &pb.DialRequest_Sms{Sms: sent}
}

func (w WhatsApp) set(message *pb.DialRequest) {
	sent := &pb.WhatsApp{SourcePhoneNumberArn: w.SourcePhoneNumberARN, TemplateArn: w.TemplateARN}
	message.Channel = &pb.DialRequest_WhatsApp{WhatsApp: sent}
}

func (e Email) set(message *pb.DialRequest) {
	message.Channel = &pb.DialRequest_Email{Email: &pb.Email{
		DestinationAddress: e.DestinationAddress,
		SourceAddress:      e.SourceAddress,
		TemplateArn:        e.TemplateARN,
	}}
}

func (t Telephony) texts() map[string]string {
	return map[string]string{"telephony.source_phone_number": t.SourcePhoneNumber}
}

func (s SMS) texts() map[string]string {
	return map[string]string{
		"sms.source_phone_number_arn": s.SourcePhoneNumberARN,
		"sms.template_arn":            s.TemplateARN,
	}
}

func (w WhatsApp) texts() map[string]string {
	return map[string]string{
		"whats_app.source_phone_number_arn": w.SourcePhoneNumberARN,
		"whats_app.template_arn":            w.TemplateARN,
	}
}

func (e Email) texts() map[string]string {
	return map[string]string{
		"email.destination_address": e.DestinationAddress,
		"email.source_address":      e.SourceAddress,
		"email.template_arn":        e.TemplateARN,
	}
}

// String returns the kind of the channel only.
func (t Telephony) String() string { return "telephony" }

// String returns the kind of the channel only.
func (s SMS) String() string { return "SMS" }

// String returns the kind of the channel only.
func (w WhatsApp) String() string { return "WhatsApp" }

// String returns the kind of the channel only.
func (e Email) String() string { return "e-mail" }

// Format implements [fmt.Formatter]: every verb prints [Telephony.String].
func (t Telephony) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, t.String()) }

// Format implements [fmt.Formatter]: every verb prints [SMS.String].
func (s SMS) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, s.String()) }

// Format implements [fmt.Formatter]: every verb prints [WhatsApp.String].
func (w WhatsApp) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, w.String()) }

// Format implements [fmt.Formatter]: every verb prints [Email.String].
func (e Email) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, e.String()) }

// LogValue implements [slog.LogValuer], without any field.
func (t Telephony) LogValue() slog.Value { return slog.StringValue(t.String()) }

// LogValue implements [slog.LogValuer], without any field.
func (s SMS) LogValue() slog.Value { return slog.StringValue(s.String()) }

// LogValue implements [slog.LogValuer], without any field.
func (w WhatsApp) LogValue() slog.Value { return slog.StringValue(w.String()) }

// LogValue implements [slog.LogValuer], without any field.
func (e Email) LogValue() slog.Value { return slog.StringValue(e.String()) }
