package dialgateway

import (
	"sync"

	"google.golang.org/grpc"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// receivedBytes is the largest message that the client reads from a gateway. The
// results of one Put may be larger than the 4 MiB that its requests may take.
const receivedBytes = 16 << 20

// channels lends the current gRPC channel to calls. All calls share one, which is
// replaced after it fails or its replica drains.
//
// A retired channel is kept by its calls in flight until they end; the next call
// gets a new one. A new channel resolves the gateway's name again and connects
// again, so a load balancer may choose another replica. It also starts without the
// growing reconnect pauses of gRPC; the retry policy has its own.
type channels struct {
	open func() (*grpc.ClientConn, error)

	mu      sync.Mutex
	closed  bool
	current *lease
	leases  map[*lease]struct{}
}

// A lease is a channel in use.
type lease struct {
	conn      *grpc.ClientConn
	dials     pb.DialRequestServiceClient
	campaigns pb.CampaignServiceClient
	users     int
	probed    bool // whether the gateway has answered the probe on it
}

func newChannels(open func() (*grpc.ClientConn, error)) *channels {
	return &channels{open: open, leases: make(map[*lease]struct{})}
}

// acquire returns the current channel, or a new one, for one call. Call release
// after it.
func (c *channels) acquire() (*lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.current == nil {
		conn, err := c.open()
		if err != nil {
			return nil, err
		}
		c.current = &lease{
			conn:      conn,
			dials:     pb.NewDialRequestServiceClient(conn),
			campaigns: pb.NewCampaignServiceClient(conn),
		}
		c.leases[c.current] = struct{}{}
	}
	c.current.users++
	return c.current, nil
}

// retire gives this channel to no new call.
func (c *channels) retire(l *lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == l {
		c.current = nil
	}
}

// release ends one use, and closes the channel if it is retired and has no other.
func (c *channels) release(l *lease) {
	c.mu.Lock()
	l.users--
	_, open := c.leases[l]
	unused := open && l.users == 0 && l != c.current
	if unused {
		delete(c.leases, l)
	}
	c.mu.Unlock()
	if unused {
		_ = l.conn.Close() // it can only have been closed already
	}
}

func (c *channels) setProbed(l *lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.probed = true
}

func (c *channels) isProbed(l *lease) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.probed
}

// close closes all channels. acquire then returns ErrClosed.
func (c *channels) close() {
	c.mu.Lock()
	leases := c.leases
	c.closed, c.current, c.leases = true, nil, nil
	c.mu.Unlock()
	for l := range leases {
		_ = l.conn.Close()
	}
}
