package dialgateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
)

// A Client sends dial requests to a gateway.
//
// It has one connection, and replaces it when it breaks or its replica of the
// gateway shuts down. Share it: all methods may be called at the same time.
type Client struct {
	window      int
	chunk       int
	retry       RetryPolicy
	keepalive   time.Duration
	logger      *slog.Logger
	metadata    []string
	jitter      func() float64
	channels    *channels
	ctx         context.Context // ends when the client is closed
	closeCalls  context.CancelCauseFunc
	chunkLinger time.Duration
}

// New prepares a client for the gateway at target: host:port, or any target of
// gRPC. It connects at its first call.
//
// Without options the connection has no TLS; see [WithTLSFiles] and [WithTLS].
func New(target string, opts ...Option) (*Client, error) {
	config := defaultConfig()
	for _, opt := range opts {
		opt(&config)
	}
	if err := config.check(target); err != nil {
		return nil, err
	}
	retry, err := config.retry.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := config.checkConnection(target); err != nil {
		return nil, err
	}
	ctx, closeCalls := context.WithCancelCause(context.Background())
	return &Client{
		window:    config.window,
		chunk:     config.chunk,
		retry:     retry,
		keepalive: config.keepalive,
		logger:    config.logger,
		metadata:  config.metadata,
		jitter:    rand.Float64,
		channels: newChannels(func() (*grpc.ClientConn, error) {
			options, err := config.dialOptions() // reads the files of TLS again
			if err != nil {
				return nil, err
			}
			return grpc.NewClient(target, options...)
		}),
		ctx:         ctx,
		closeCalls:  closeCalls,
		chunkLinger: chunkLinger,
	}, nil
}

// checkConnection finds an invalid target, and files of TLS that cannot be used,
// before the first call.
func (c *config) checkConnection(target string) error {
	options, err := c.dialOptions()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return fmt.Errorf("dialgateway: target: %w", err)
	}
	if err := conn.Close(); err != nil {
		return fmt.Errorf("dialgateway: target: %w", err)
	}
	return nil
}

// Close closes the connection. Calls that are not finished end with [ErrClosed].
// It may be called more than once, and always returns nil.
func (c *Client) Close() error {
	c.closeCalls(ErrClosed)
	c.channels.close()
	return nil
}

// Ping connects to the gateway, unless there is a connection already, and waits
// for its answer. Use it at start to find a wrong address, certificate or
// permission at once. The error is an [*Error]; it does not wait for more than
// ten seconds.
func (c *Client) Ping(ctx context.Context) error {
	ctx, done := c.callContext(ctx)
	defer done()
	l, err := c.channels.acquire()
	if err != nil {
		return unavailable(err)
	}
	defer c.channels.release(l)
	if failure := c.probeNow(ctx, l, "", true); failure != nil {
		c.channels.retire(l)
		return failure
	}
	return nil
}

// callContext returns the context of one call: it carries the metadata of the
// client, and also ends when the client is closed.
func (c *Client) callContext(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(c.outgoing(parent))
	stop := context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

// failure returns the error for a call that failed with err: that of its context,
// if it has ended.
func (c *Client) failure(ctx context.Context, err error) *Error {
	switch {
	case errors.Is(err, ErrClosed) || c.ctx.Err() != nil:
		return endedError(ErrClosed)
	case ctx.Err() != nil:
		return endedError(context.Cause(ctx))
	}
	return statusError(err)
}
