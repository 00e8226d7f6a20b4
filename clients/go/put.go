package dialgateway

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// Put sends one short list and waits for all its answers, which are in the order
// of the requests. Shortly before the deadline of ctx the gateway answers: with the
// settled results, and for the rest NOT_ACCEPTED or UNKNOWN with reason DEADLINE.
// So set a deadline some seconds longer than the longest wait that you accept.
// Without a deadline Put waits until the requests are answered or expire.
//
// If the gateway or the connection fails (UNAVAILABLE, INTERNAL, or CANCELLED but
// not by the caller), the list is sent again with the same tokens, as the retry
// policy says. Other answers are not sent again.
//
// The list may have as many requests as the gateway's window (5,000 unless
// configured otherwise), and 4 MiB as one message. A longer one is refused before
// anything is sent; use [Client.Dial] for it. The error is an [*Error], or about an
// argument.
func (c *Client) Put(ctx context.Context, campaign string, requests []Request, opts ...DialOption) ([]Result, error) {
	about, err := newCall(campaign, opts)
	if err != nil {
		return nil, err
	}
	p := newPutCall(c, about, requests)
	if size := proto.Size(p.message) + markBytes*len(p.message.GetDialRequests()); size > messageBytes {
		return nil, fmt.Errorf("dialgateway: requests: the list takes %d bytes as one message, at most %d are read; use Dial",
			size, messageBytes)
	}
	if len(p.message.GetDialRequests()) == 0 {
		return p.results, nil
	}
	ctx, done := c.callContext(ctx)
	defer done()
	return p.run(ctx)
}

// A putCall is one call to Put over any number of attempts.
type putCall struct {
	client  *Client
	call    call
	results []Result // those of requests that cannot be sent are set at the start
	sent    []int    // the index of each request of the message
	message *pb.PutDialRequestsRequest
	marked  []bool // which requests of the message their caller has marked as in doubt
	inDoubt bool   // whether an attempt ended without an answer after the list was sent
	began   time.Time
	expires time.Time // the latest expiration
}

func newPutCall(client *Client, about call, requests []Request) *putCall {
	p := &putCall{
		client:  client,
		call:    about,
		results: make([]Result, len(requests)),
		message: &pb.PutDialRequestsRequest{CampaignId: about.campaign, Priority: about.priority},
		began:   time.Now(),
	}
	largest := largestRequest(about.campaign)
	for index, request := range requests {
		message := messageOf(request)
		if why := refusal(request, sizeOf(message), largest); why != "" {
			p.results[index] = refusedResult(request.ClientToken, index, why, request.InDoubt)
			continue
		}
		p.sent = append(p.sent, index)
		p.marked = append(p.marked, request.InDoubt)
		p.message.DialRequests = append(p.message.DialRequests, message)
		if request.ExpiresAt.After(p.expires) {
			p.expires = request.ExpiresAt
		}
	}
	return p
}

// run repeats the call until there is an answer, or an error that a further attempt
// would not change.
func (p *putCall) run(ctx context.Context) ([]Result, error) {
	for tries := 0; ; tries++ {
		failure, sent := p.try(ctx)
		if failure == nil {
			return p.results, nil
		}
		if sent && !nothingTaken(failure.StatusReason) {
			p.markInDoubt()
		}
		pause := failure.RetryAfter + p.client.retry.pause(tries, p.client.jitter())
		if !p.isRepeated(ctx, failure, time.Now().Add(pause)) {
			return nil, p.withUnanswered(failure)
		}
		p.report(failure)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, p.withUnanswered(p.client.failure(ctx, ctx.Err()))
		}
	}
}

// try makes one attempt. It reports whether the list was sent.
func (p *putCall) try(ctx context.Context) (failure *Error, sent bool) {
	channels := p.client.channels
	l, err := channels.acquire()
	if err != nil {
		return unavailable(err), false
	}
	defer channels.release(l)
	if failure = p.client.probe(ctx, l, p.call.campaign); failure != nil {
		channels.retire(l)
		return failure, false
	}
	response, err := l.dials.PutDialRequests(ctx, p.message)
	if err != nil {
		channels.retire(l)
		return p.client.failure(ctx, err), true
	}
	return p.match(response.GetResults()), true
}

// match takes the results, which must be those of the requests, in their order.
func (p *putCall) match(results []*pb.DialResult) *Error {
	if len(results) != len(p.sent) {
		return protocolError("%d results for %d requests", len(results), len(p.sent))
	}
	for at, message := range results {
		if message.GetClientToken() != p.message.GetDialRequests()[at].GetClientToken() {
			return protocolError("the results are not those of the requests, from index %d", at)
		}
		result := resultOf(message)
		result.Index = p.sent[at]
		p.results[result.Index] = trueForAllAttempts(result, p.inDoubt || p.marked[at])
	}
	return nil
}

// isRepeated reports whether another attempt is made at the given time. It is not if
// the caller would get no answer in time: the failure then says more than the end of
// the context.
func (p *putCall) isRepeated(ctx context.Context, failure *Error, at time.Time) bool {
	policy := p.client.retry
	if policy.NoReconnect || !reconnects(failure.Code) || ctx.Err() != nil {
		return false
	}
	deadline, limited := ctx.Deadline()
	givenUp := policy.GiveUpAfter > 0 && at.Sub(p.began) >= policy.GiveUpAfter
	return !givenUp && at.Before(p.expires) && (!limited || at.Before(deadline))
}

// markInDoubt notes that Amazon Connect may have the requests.
func (p *putCall) markInDoubt() {
	if p.inDoubt {
		return
	}
	p.inDoubt = true
	copied := &pb.PutDialRequestsRequest{CampaignId: p.message.GetCampaignId(), Priority: p.message.GetPriority()}
	for _, message := range p.message.GetDialRequests() {
		copied.DialRequests = append(copied.DialRequests, marked(message))
	}
	p.message = copied
}

func (p *putCall) withUnanswered(failure *Error) *Error {
	var all, inDoubt []string
	for at, message := range p.message.GetDialRequests() {
		all = append(all, message.GetClientToken())
		if p.inDoubt || p.marked[at] {
			inDoubt = append(inDoubt, message.GetClientToken())
		}
	}
	return failure.withUnanswered(all, inDoubt)
}

func (p *putCall) report(failure *Error) {
	p.client.logger.Warn("a call to the dial gateway failed and is repeated",
		"campaign", p.call.campaign, "error", failure.Error())
	if p.call.onDisconnect != nil {
		p.call.onDisconnect(failure)
	}
}
