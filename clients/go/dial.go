package dialgateway

import (
	"context"
	"iter"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// A DialOption changes one call to [Client.Dial] or [Client.Put].
type DialOption func(*dialConfig)

type dialConfig struct {
	priority     Priority
	onNotice     func(Notice)
	onDisconnect func(error)
}

// WithPriority sets how urgent the requests of this call are compared with others
// at the gateway.
func WithPriority(priority Priority) DialOption {
	return func(c *dialConfig) { c.priority = priority }
}

// OnNotice calls f with each notice of the gateway, in the goroutine that reads the
// results, before the results that came after it. Put has no notices.
func OnNotice(f func(Notice)) DialOption {
	return func(c *dialConfig) { c.onNotice = f }
}

// OnDisconnect calls f with the [*Error] of each connection that fails while the
// call goes on: for a wrong certificate or an unreachable gateway within seconds,
// and again after each further attempt. f is called in a goroutine of the client
// and must not block. To give up, cancel the context of the call.
func OnDisconnect(f func(error)) DialOption {
	return func(c *dialConfig) { c.onDisconnect = f }
}

// A call is what all connections of one Dial or Put have in common.
type call struct {
	campaign     string
	priority     pb.Priority
	onNotice     func(Notice)
	onDisconnect func(error)
}

func newCall(campaign string, opts []DialOption) (call, error) {
	var config dialConfig
	for _, opt := range opts {
		opt(&config)
	}
	priority, err := priorityNumber(config.priority)
	if err != nil {
		return call{}, err
	}
	if err := checkCampaign(campaign); err != nil {
		return call{}, err
	}
	return call{campaign, priority, config.onNotice, config.onDisconnect}, nil
}

// Dial sends the requests, and yields the one answer to each as soon as it is
// known, in the order in which they are decided.
//
// campaign is Amazon Connect's id of the campaign that all the requests belong to,
// or "name:" and its name if the gateway has a campaign directory. A token belongs
// to its campaign. For several campaigns, call Dial for each at the same time.
//
// requests is read in a goroutine of its own, as far as the window allows, and may
// block: its earlier requests are sent meanwhile. It ends when requests returns. A
// request that cannot be sent, because it takes more than 256 KiB or has no
// expiration, is answered REJECTED, and the others go on.
//
// At most one error is yielded, at the end and with an empty result. It is an
// [*Error], or an error about an argument. If ctx ends, it wraps the cause of that.
// The same iterator may be ranged over again if requests can be; that sends all
// requests again.
//
// Leaving the loop early, or a panic in it, cancels the stream: the gateway drops
// the requests that it has not yet sent to Amazon Connect. If requests blocks at
// that moment, its goroutine ends after it returns or yields.
func (c *Client) Dial(
	ctx context.Context, campaign string, requests iter.Seq[Request], opts ...DialOption,
) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		about, err := newCall(campaign, opts)
		if err != nil {
			yield(Result{}, err)
			return
		}
		if c.ctx.Err() != nil {
			yield(Result{}, endedError(ErrClosed))
			return
		}
		ctx, done := c.callContext(ctx)
		defer done()
		s := newStream(ctx, c, about)
		defer s.close()
		s.start(requests)
		s.deliver(yield)
	}
}
