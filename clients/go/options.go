package dialgateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	defaultWindow    = 2000
	defaultChunk     = 100
	defaultKeepalive = 30 * time.Second
	shortestInterval = 10 * time.Second
	pingTimeout      = 10 * time.Second
	connectTimeout   = 5 * time.Second
)

// An Option changes a setting of [New].
type Option func(*config)

type config struct {
	window      int
	chunk       int
	retry       RetryPolicy
	keepalive   time.Duration
	logger      *slog.Logger
	metadata    []string
	tls         func() (*tls.Config, error) // nil without TLS
	serverName  string
	httpProxy   bool
	grpcOptions []grpc.DialOption
}

func defaultConfig() config {
	return config{window: defaultWindow, chunk: defaultChunk, keepalive: defaultKeepalive, logger: slog.Default()}
}

// WithTLSFiles connects with TLS, from PEM files. ca has the certificates of the
// authorities that may have signed the gateway's certificate; "" means those of
// the system. cert and key are the client's certificate and its key, for a gateway
// that requires one; both are "" otherwise. The files are read by [New], and again
// for each new connection, so that renewed certificates are used.
func WithTLSFiles(ca, cert, key string) Option {
	return func(c *config) {
		c.tls = func() (*tls.Config, error) { return tlsFromFiles(ca, cert, key) }
	}
}

// WithTLS connects with TLS and the given configuration, which must not be changed
// afterwards.
func WithTLS(settings *tls.Config) Option {
	return func(c *config) {
		c.tls = func() (*tls.Config, error) { return settings.Clone(), nil }
	}
}

// WithServerName sets the name that the gateway's certificate must have, if it is
// not that of the target. It is also the authority of the calls.
func WithServerName(name string) Option {
	return func(c *config) { c.serverName = name }
}

// WithWindow sets how many requests of one call to Dial may be without an answer.
// No more than this are read from its source in advance. The default is 2,000; a
// gateway takes 5,000 of one stream unless configured otherwise.
func WithWindow(requests int) Option {
	return func(c *config) { c.window = requests }
}

// WithChunk sets how many requests are sent in one message at most. The default is
// 100.
func WithChunk(requests int) Option {
	return func(c *config) { c.chunk = requests }
}

// WithRetry sets what is sent again, how fast and until when. See [NoRetries].
func WithRetry(policy RetryPolicy) Option {
	return func(c *config) { c.retry = policy }
}

// WithKeepalive sets after how much silence the connection is checked during a
// call, and a stream that waits for answers sends an empty message. The default is
// 30 s. The gateway allows 10 s or more.
func WithKeepalive(interval time.Duration) Option {
	return func(c *config) { c.keepalive = interval }
}

// WithLogger sets where connections that fail are logged, at level WARN. The
// default is [slog.Default].
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) { c.logger = logger }
}

// WithMetadata adds a header to every call, such as the credentials of the caller.
func WithMetadata(key, value string) Option {
	return func(c *config) { c.metadata = append(c.metadata, key, value) }
}

// WithHTTPProxy uses the proxy that the environment names (HTTPS_PROXY, NO_PROXY).
// By default it is ignored: a gateway is on the local network, and such a variable
// is meant for the internet.
func WithHTTPProxy() Option {
	return func(c *config) { c.httpProxy = true }
}

// WithGRPC adds options of gRPC, such as interceptors, a stats handler or
// credentials of a call. They are applied after those of the client.
func WithGRPC(options ...grpc.DialOption) Option {
	return func(c *config) { c.grpcOptions = append(c.grpcOptions, options...) }
}

func (c *config) check(target string) error {
	switch {
	case target == "":
		return errors.New("dialgateway: target is empty: it must be host:port")
	case c.window < 1 || c.chunk < 1:
		return errors.New("dialgateway: WithWindow and WithChunk must be at least 1")
	case c.keepalive < shortestInterval:
		return fmt.Errorf("dialgateway: WithKeepalive must be at least %s: a gateway ends connections that ping more often",
			shortestInterval)
	case c.logger == nil:
		return errors.New("dialgateway: WithLogger must not be nil; use slog.DiscardHandler to log nothing")
	}
	return nil
}

// dialOptions returns the options of a new channel.
func (c *config) dialOptions() ([]grpc.DialOption, error) {
	options := []grpc.DialOption{
		// The client decides itself what to send again: only it knows which
		// requests are in doubt. No service config may change that.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: c.keepalive, Timeout: pingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: connectTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(receivedBytes)),
	}
	if !c.httpProxy {
		options = append(options, grpc.WithNoProxy())
	}
	security, err := c.security()
	if err != nil {
		return nil, err
	}
	return slices.Concat(options, security, c.grpcOptions), nil
}

func (c *config) security() ([]grpc.DialOption, error) {
	if c.tls == nil {
		options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
		if c.serverName != "" {
			options = append(options, grpc.WithAuthority(c.serverName))
		}
		return options, nil
	}
	settings, err := c.tls()
	if err != nil {
		return nil, err
	}
	if c.serverName != "" {
		settings.ServerName = c.serverName
	}
	return []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(settings))}, nil
}
