package dialgateway

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// endingPuts ends the first calls with an error, and then accepts all.
func endingPuts(g *gateway, times int, end error) {
	g.put = func(ctx context.Context, message *pb.PutDialRequestsRequest) (*pb.PutDialRequestsResponse, error) {
		g.mu.Lock()
		times--
		ends := times >= 0
		g.mu.Unlock()
		if ends {
			return nil, end
		}
		return acceptList(ctx, message)
	}
}

// The results are in the order of the requests, and those that cannot be sent are
// among them.
func TestPut(t *testing.T) {
	g := newGateway(t)
	list := requestList(3)
	list[1].ExpiresAt = time.Time{}
	results, err := newClient(t, g.target).Put(within(t), "c", list)
	if err != nil {
		t.Fatal(err)
	}
	for index, outcome := range []Outcome{OutcomeAccepted, OutcomeRejected, OutcomeAccepted} {
		same(t, results[index].Index, index)
		same(t, results[index].ClientToken, list[index].ClientToken)
		same(t, results[index].Outcome, outcome)
	}
}

// A list that is repeated after a broken connection is marked as in doubt.
func TestPutIsRepeated(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.Internal, codes.Canceled} {
		g := newGateway(t)
		endingPuts(g, 2, ends(code))
		results, err := newClient(t, g.target).Put(within(t), "c", requestList(2))
		wantAccepted(t, results, err, 2)
		g.wantMarks(t, "t-0", false, true, true)
	}
}

// Any other status is an error at once, and every token is in doubt.
func TestPutIsNotRepeated(t *testing.T) {
	for _, code := range []codes.Code{codes.Unknown, codes.ResourceExhausted, codes.PermissionDenied} {
		g := newGateway(t)
		endingPuts(g, 1, ends(code))
		_, err := newClient(t, g.target).Put(within(t), "c", requestList(2))
		failure := failureIn(t, err)
		same(t, failure.Code, code)
		equal(t, failure.Unanswered, []string{"t-0", "t-1"})
		equal(t, failure.InDoubt, failure.Unanswered)
	}
}

// A gateway that says that it has taken nothing leaves no doubt.
func TestPutThatIsRefused(t *testing.T) {
	refused, err := status.New(codes.ResourceExhausted, "full").WithDetails(
		&errdetails.ErrorInfo{Domain: errorDomain, Reason: "OVERLOADED"})
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t)
	endingPuts(g, 1, refused.Err())
	_, err = newClient(t, g.target).Put(within(t), "c", requestList(2))
	failure := failureIn(t, err)
	same(t, errors.Is(err, ErrOverloaded), true)
	same(t, failure.StatusReason, StatusOverloaded)
	equal(t, failure.InDoubt, nil)
	if !strings.Contains(err.Error(), "ResourceExhausted (OVERLOADED): full (unanswered dial requests: 2)") {
		t.Error(err)
	}
}

// A refusal of a request in doubt is UNKNOWN.
func TestPutInDoubt(t *testing.T) {
	g := newGateway(t)
	g.put = func(_ context.Context, message *pb.PutDialRequestsRequest) (*pb.PutDialRequestsResponse, error) {
		token := message.GetDialRequests()[0].GetClientToken()
		return &pb.PutDialRequestsResponse{Results: []*pb.DialResult{never(answer(token, 0, rejected))}}, nil
	}
	doubtful := request("t-0")
	doubtful.InDoubt = true
	results, err := newClient(t, g.target).Put(within(t), "c", []Request{doubtful})
	if err != nil {
		t.Fatal(err)
	}
	same(t, results[0].Outcome, OutcomeUnknown)
	g.wantMarks(t, "t-0", true)
}

// Put ends with its context.
func TestPutWithADeadline(t *testing.T) {
	g := newGateway(t)
	g.put = func(ctx context.Context, _ *pb.PutDialRequestsRequest) (*pb.PutDialRequestsResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := newClient(t, g.target).Put(ctx, "c", requestList(1))
	same(t, errors.Is(err, context.DeadlineExceeded), true)
	equal(t, failureIn(t, err).Unanswered, []string{"t-0"})
}

// If no attempt would end in time, Put returns why the last one failed.
func TestPutToAnUnreachableGateway(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := newClient(t, "127.0.0.1:1", WithRetry(RetryPolicy{FirstPause: time.Hour}))
	client.jitter = func() float64 { return 1 }
	_, err := client.Put(ctx, "c", requestList(1))
	same(t, errors.Is(err, ErrUnavailable), true)
	equal(t, failureIn(t, err).Unanswered, []string{"t-0"})
	equal(t, failureIn(t, err).InDoubt, nil)
}

// A list that is larger than the messages that a gateway reads is refused.
func TestPutThatIsTooLarge(t *testing.T) {
	list := requestList(20)
	for index := range list {
		list[index].Attributes = map[string]string{"k": strings.Repeat("x", 250_000)}
	}
	_, err := newClient(t, "127.0.0.1:1").Put(within(t), "c", list)
	if err == nil || !strings.Contains(err.Error(), "use Dial") {
		t.Error(err)
	}
}

// Results that are not those of the requests are an error.
func TestPutOfAGatewayThatBreaksTheContract(t *testing.T) {
	for _, results := range [][]*pb.DialResult{{}, {answer("other", 0, accepted)}} {
		g := newGateway(t)
		g.put = func(context.Context, *pb.PutDialRequestsRequest) (*pb.PutDialRequestsResponse, error) {
			return &pb.PutDialRequestsResponse{Results: results}, nil
		}
		_, err := newClient(t, g.target).Put(within(t), "c", requestList(1))
		same(t, errors.Is(err, ErrProtocol), true)
	}
}
