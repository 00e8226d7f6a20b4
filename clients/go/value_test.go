package dialgateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// No text form of a request contains its phone number or an attribute.
func TestTextOfRequests(t *testing.T) {
	one := request("token-1")
	holder := struct{ Request Request }{one}
	list := []Request{one}
	var texts []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, value := range []any{one, &one, holder, list, map[string]Request{"k": one}, fmt.Errorf("with %v", one)} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
	}
	for _, value := range []any{one, &one, holder, list} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "request", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "request", value)
		texts = append(texts, log.String())
	}
	for _, text := range texts {
		if strings.Contains(text, phone) || strings.Contains(text, secret) || strings.Contains(text, "first_name") {
			t.Errorf("%s", text)
		}
	}
	if !strings.Contains(one.String(), "token=token-1") {
		t.Error(one.String())
	}
}

// Every field of a channel reaches the message, and no text form of the channel or
// of its request contains one.
func TestChannels(t *testing.T) {
	await := false
	for _, one := range []struct {
		channel Channel
		json    string
	}{
		{nil, `{}`},
		{Telephony{}, `{"telephony":{}}`},
		{
			Telephony{"+12025550199", 30 * time.Second, &AnswerMachineDetection{true, &await}},
			`{"telephony":{"sourcePhoneNumber":"+12025550199","ringTimeout":"30s",` +
				`"answerMachineDetection":{"enabled":true,"awaitPrompt":false}}}`,
		},
		{
			Telephony{AnswerMachineDetection: &AnswerMachineDetection{}},
			`{"telephony":{"answerMachineDetection":{"enabled":false}}}`,
		},
		{SMS{"arn:1", "arn:2"}, `{"sms":{"sourcePhoneNumberArn":"arn:1","templateArn":"arn:2"}}`},
		{&SMS{}, `{"sms":{}}`},
		{WhatsApp{"arn:1", "arn:2"}, `{"whatsApp":{"sourcePhoneNumberArn":"arn:1","templateArn":"arn:2"}}`},
		{
			Email{"ada@b.de", "news@b.de", "arn:2"},
			`{"email":{"destinationAddress":"ada@b.de","sourceAddress":"news@b.de","templateArn":"arn:2"}}`,
		},
	} {
		request := Request{Channel: one.channel}
		written, err := protojson.Marshal(messageOf(request))
		if err != nil {
			t.Fatal(err)
		}
		same(t, strings.ReplaceAll(string(written), " ", ""), one.json)
		hidden, err := json.Marshal([]any{request, one.channel})
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%v %+v %#v %s %v", request, one.channel, one.channel, hidden, []Request{request})
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "channel", one.channel, "request", request)
		for _, private := range []string{"2025550199", "arn:", "b.de"} {
			if strings.Contains(shown+log.String(), private) {
				t.Errorf("%s %s", shown, log.String())
			}
		}
	}
}

// A channel whose text is not UTF-8 is refused with its field named.
func TestChannelsThatCannotBeSent(t *testing.T) {
	for name, channel := range map[string]Channel{
		"telephony.source_phone_number":     Telephony{SourcePhoneNumber: "\xff"},
		"sms.template_arn":                  SMS{TemplateARN: "\xff"},
		"whats_app.source_phone_number_arn": WhatsApp{SourcePhoneNumberARN: "\xff"},
		"email.destination_address":         Email{DestinationAddress: "\xff"},
	} {
		one := request("token-1")
		one.Channel = channel
		same(t, refusal(one, 100, 1000), name+": must be valid UTF-8")
	}
}

// A token is a random UUID, which the gateway accepts.
func TestNewClientToken(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	first, second := NewClientToken(), NewClientToken()
	if !form.MatchString(first) || first == second {
		t.Errorf("%s %s", first, second)
	}
}

// Every value of the contract has its name here.
func TestNamesOfEnums(t *testing.T) {
	for _, known := range []struct{ number, name any }{
		{outcomes[5], OutcomeUnknown}, {reasons[16], ReasonDeadline}, {advice[2], RetryNewToken},
		{reasons[20], ReasonNumberNotAllowed}, {noticeKinds[5], NoticeCampaignResumed}, {campaignStates[4], CampaignHeld}, {actionKinds[3], ActionPurge},
	} {
		same(t, known.number, known.name)
	}
	same(t, len(reasons), len(pb.Reason_name)-1)
	for number, name := range pb.Priority_name {
		if number > 0 {
			got, err := priorityNumber(Priority(strings.TrimPrefix(name, "PRIORITY_")))
			if err != nil || int32(got) != number {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, name := range pb.ErrorReason_name {
		reason := StatusReason(strings.TrimPrefix(name, "ERROR_REASON_"))
		if reason != "UNSPECIFIED" && !strings.Contains(allStatusReasons, string(reason)+" ") {
			t.Errorf("%s has no constant", reason)
		}
	}
}

// allStatusReasons has every constant of status_reason.go.
var allStatusReasons = fmt.Sprintln(
	StatusDraining, StatusStreamAge, StatusStreamLimit, StatusListTooLong, StatusMessageTooLarge, StatusOverloaded,
	StatusCallerWindow, StatusWatchLimit, StatusHoldLimit, StatusUnauthenticated, StatusUnknownCaller,
	StatusDialingDenied, StatusOperationDenied, StatusInvalidField, StatusUnreadableMessage, StatusUnreadableStream,
	StatusCampaignNotFound, StatusNotHeld, StatusAmbiguousName, StatusDirectoryUnread, StatusSharedStateUnreachable,
	StatusInternal, StatusNotSuppressed, StatusSuppressionLimit, StatusSuppressionNotKept, "")

// A result has one line for people, and a group for slog.
func TestTextOfResults(t *testing.T) {
	result := Result{ClientToken: "t", Outcome: OutcomeRejected, Reason: ReasonInvalidRequest, Detail: "phone_number: why"}
	same(t, result.String(), "token=t outcome=REJECTED reason=INVALID_REQUEST detail=phone_number: why")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "result", result)
	if !strings.Contains(log.String(), "result.outcome=REJECTED") {
		t.Error(log.String())
	}
	same(t, result.Accepted(), false)
}
