package dialgateway

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// probeTimeout is how long connecting and the answer to the probe may take
// together.
const probeTimeout = 10 * time.Second

// probe probes a channel that was not probed before: it makes a unary call with an
// empty list. If the gateway is unreachable or draining, even behind a proxy that
// accepts connections, the probe fails, and no request is in doubt, because none
// was sent.
func (c *Client) probe(ctx context.Context, l *lease, campaign string) *Error {
	if c.channels.isProbed(l) {
		return nil
	}
	return c.probeNow(ctx, l, campaign, false)
}

// probeNow probes a channel. With strict, every status is a failure. Without it,
// only those are that leave open whether anything answers for the gateway: the
// call gets its own status, and may be permitted although the probe is not.
func (c *Client) probeNow(ctx context.Context, l *lease, campaign string, strict bool) *Error {
	limited, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := l.dials.PutDialRequests(limited, &pb.PutDialRequestsRequest{CampaignId: campaign})
	if err != nil {
		failure := c.failure(ctx, err)
		if failure.Code == codes.DeadlineExceeded {
			failure = &Error{Code: codes.Unavailable, message: "no answer in time", kind: ErrUnavailable, cause: err}
		}
		if strict || ctx.Err() != nil || reconnects(failure.Code) || errors.Is(failure, ErrClosed) {
			return failure
		}
	}
	c.channels.setProbed(l)
	return nil
}
