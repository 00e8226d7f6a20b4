package dialgateway

import (
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

const (
	// messageBytes is the largest message that a gateway reads. A larger one ends
	// the stream.
	messageBytes = 4 << 20
	// requestBytes is the largest dial request that a gateway accepts.
	requestBytes = 256 << 10
	// usualMessageBytes is the largest message with several requests. Proxies
	// often have limits above that.
	usualMessageBytes = 1 << 20
	// frameBytes is an upper bound for the bytes of a message besides its requests
	// and its campaign: field tags, lengths and the priority.
	frameBytes = 32
	// itemBytes is an upper bound for the tag and the length of one request.
	itemBytes = 6
	// markBytes is the size of the field in_doubt, which may be set later.
	markBytes = 2
)

// names maps the numbers of an enum of the contract to its names here. The number
// 0, "unspecified", and numbers of a newer contract have none.
type names[T ~string] map[int32]T

func namesOf[T ~string](values map[int32]string, prefix string) names[T] {
	found := make(names[T], len(values))
	for number, name := range values {
		if number != 0 {
			found[number] = T(strings.TrimPrefix(name, prefix))
		}
	}
	return found
}

var (
	outcomes    = namesOf[Outcome](pb.Outcome_name, "OUTCOME_")
	reasons     = namesOf[Reason](pb.Reason_name, "REASON_")
	advice      = namesOf[RetryAdvice](pb.RetryAdvice_name, "RETRY_ADVICE_")
	noticeKinds = namesOf[NoticeKind](pb.NoticeKind_name, "NOTICE_KIND_")
)

func priorityNumber(priority Priority) (pb.Priority, error) {
	switch priority {
	case "", PriorityNormal:
		return pb.Priority_PRIORITY_NORMAL, nil
	case PriorityHigh:
		return pb.Priority_PRIORITY_HIGH, nil
	case PriorityBulk:
		return pb.Priority_PRIORITY_BULK, nil
	}
	return 0, fmt.Errorf("dialgateway: priority %q: must be NORMAL, HIGH or BULK", string(priority))
}

func checkCampaign(campaign string) error {
	if !utf8.ValidString(campaign) {
		return fmt.Errorf("dialgateway: campaign is not valid UTF-8")
	}
	return nil
}

// largestRequest returns how many bytes one request of a campaign may take.
func largestRequest(campaign string) int {
	return min(messageBytes-frameBytes-len(campaign), requestBytes)
}

// messageOf returns the message of a request, without sharing memory that its
// caller may change.
func messageOf(request Request) *pb.DialRequest {
	message := &pb.DialRequest{
		ClientToken: request.ClientToken,
		PhoneNumber: request.PhoneNumber,
		Attributes:  maps.Clone(request.Attributes),
		Traceparent: request.Traceparent,
		InDoubt:     request.InDoubt,
	}
	if !request.ExpiresAt.IsZero() {
		message.ExpirationTime = timestamppb.New(request.ExpiresAt)
	}
	if request.Channel != nil {
		request.Channel.set(message)
	}
	return message
}

// marked returns the message with in_doubt set. The given one may still be read by
// a call, so it does not change.
func marked(message *pb.DialRequest) *pb.DialRequest {
	if message.GetInDoubt() {
		return message
	}
	copied, _ := proto.Clone(message).(*pb.DialRequest)
	copied.InDoubt = true
	return copied
}

// sizeOf returns how many bytes a request takes, with in_doubt.
func sizeOf(message *pb.DialRequest) int {
	if message.GetInDoubt() {
		return proto.Size(message)
	}
	return proto.Size(message) + markBytes
}

// refusal says why a request cannot be sent; "" if it can. It names the field and
// the rule, and contains no value.
func refusal(request Request, size, largest int) string {
	switch {
	case request.ExpiresAt.IsZero():
		return "expiration_time: is required"
	case !utf8.ValidString(request.ClientToken):
		return "client_token: must be valid UTF-8"
	case !utf8.ValidString(request.PhoneNumber):
		return "phone_number: must be valid UTF-8"
	case !utf8.ValidString(request.Traceparent):
		return "traceparent: must be valid UTF-8"
	case size > largest:
		return fmt.Sprintf("dial_requests: a request must take at most %d bytes, this one takes %d", largest, size)
	}
	for key, value := range request.Attributes {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return "attributes: must be valid UTF-8"
		}
	}
	return channelRefusal(request.Channel)
}

func channelRefusal(channel Channel) string {
	if channel == nil {
		return ""
	}
	for name, text := range channel.texts() {
		if !utf8.ValidString(text) {
			return name + ": must be valid UTF-8"
		}
	}
	return ""
}

// resultOf converts a result. An outcome without a name here becomes UNKNOWN:
// Amazon Connect may have the request.
func resultOf(message *pb.DialResult) Result {
	outcome, known := outcomes[int32(message.GetOutcome())]
	if !known {
		outcome = OutcomeUnknown
	}
	return Result{
		ClientToken:   message.GetClientToken(),
		Index:         int(message.GetIndex()), //nolint:gosec // checked against the requests that were sent
		Outcome:       outcome,
		DialRequestID: message.GetDialRequestId(),
		Reason:        reasons[int32(message.GetReason())],
		Detail:        message.GetDetail(),
		RetryAdvice:   advice[int32(message.GetRetryAdvice())],
		RetryAfter:    durationOf(message.GetRetryAfter()),
		Attempts:      int(message.GetAttempts()),
		Replayed:      message.GetReplayed(),
		TraceID:       message.GetTraceId(),
		Unnamed:       unnamed(message, known),
	}
}

func unnamed(message *pb.DialResult, outcomeKnown bool) string {
	reason, retryAdvice := message.GetReason(), message.GetRetryAdvice()
	_, reasonKnown := reasons[int32(reason)]
	_, adviceKnown := advice[int32(retryAdvice)]
	if outcomeKnown && (reasonKnown || reason == 0) && (adviceKnown || retryAdvice == 0) {
		return ""
	}
	var parts []string
	add := func(known bool, field string, number protoreflect.EnumNumber) {
		if !known {
			parts = append(parts, fmt.Sprintf("%s=%d", field, number))
		}
	}
	add(outcomeKnown, "outcome", message.GetOutcome().Number())
	add(reasonKnown || reason == 0, "reason", reason.Number())
	add(adviceKnown || retryAdvice == 0, "retry_advice", retryAdvice.Number())
	return strings.Join(parts, " ")
}

func noticeOf(response *pb.StreamDialRequestsResponse) Notice {
	sent := response.GetNotice()
	return Notice{
		Kind:       noticeKinds[int32(sent.GetKind())],
		Campaign:   response.GetCampaignId(),
		RetryAfter: durationOf(sent.GetRetryAfter()),
		Detail:     sent.GetDetail(),
	}
}

func durationOf(duration *durationpb.Duration) time.Duration {
	return duration.AsDuration() // 0 for nil
}

func timeOf(timestamp *timestamppb.Timestamp) time.Time {
	if timestamp == nil {
		return time.Time{}
	}
	return timestamp.AsTime()
}
