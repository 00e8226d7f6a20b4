package dialgateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

const (
	secret   = "Ludmilla-Attribute"
	patience = 20 * time.Second
)

type serverStream = grpc.BidiStreamingServer[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

// gateway is an in-process gateway that follows the script of a test.
type gateway struct {
	pb.UnimplementedDialRequestServiceServer
	pb.UnimplementedCampaignServiceServer

	target string
	server *grpc.Server

	mu       sync.Mutex
	stream   func(*received, serverStream) error
	put      func(context.Context, *pb.PutDialRequestsRequest) (*pb.PutDialRequestsResponse, error)
	probe    func() error
	probes   int
	streams  int
	sizes    []int             // requests in each message
	marks    map[string][]bool // in_doubt of each token, in order
	metadata []metadata.MD
	ended    chan error // the context's error at the end of each stream
}

// received is what one stream has read so far.
type received struct {
	gateway *gateway
	stream  serverStream
	count   int
}

// next reads a message, and returns a result for each of its requests.
func (r *received) next(outcome pb.Outcome) ([]*pb.DialResult, error) {
	message, err := r.stream.Recv()
	if err != nil {
		return nil, err
	}
	r.gateway.note(message.GetDialRequests())
	results := make([]*pb.DialResult, 0, len(message.GetDialRequests()))
	for _, request := range message.GetDialRequests() {
		results = append(results, answer(request.GetClientToken(), r.count, outcome))
		r.count++
	}
	return results, nil
}

func (g *gateway) note(requests []*pb.DialRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sizes = append(g.sizes, len(requests))
	for _, request := range requests {
		g.marks[request.GetClientToken()] = append(g.marks[request.GetClientToken()], request.GetInDoubt())
	}
}

// waitForRequests waits until this many requests have arrived.
func (g *gateway) waitForRequests(count int) {
	for arrived := 0; arrived < count; time.Sleep(time.Millisecond) {
		g.mu.Lock()
		arrived = 0
		for _, size := range g.sizes {
			arrived += size
		}
		g.mu.Unlock()
	}
}

func (g *gateway) wantMarks(t *testing.T, token string, want ...bool) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	equal(t, g.marks[token], want)
}

// acceptAll answers all requests with ACCEPTED.
func acceptAll(r *received, stream serverStream) error {
	for {
		results, err := r.next(accepted)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(results) == 0:
			continue
		}
		if err := stream.Send(&pb.StreamDialRequestsResponse{Results: results}); err != nil {
			return err
		}
	}
}

// silent reads all requests, and answers none until the call is cancelled.
func silent(r *received, stream serverStream) error {
	for {
		if _, err := r.next(accepted); err != nil {
			<-stream.Context().Done()
			return err
		}
	}
}

// ending ends the first streams with a status after a number of requests, and then
// accepts all.
func ending(streams, requests int, end error) func(*received, serverStream) error {
	var mu sync.Mutex
	return func(r *received, stream serverStream) error {
		mu.Lock()
		streams--
		ends := streams >= 0
		mu.Unlock()
		if !ends {
			return acceptAll(r, stream)
		}
		for r.count < requests {
			if _, err := r.next(accepted); err != nil {
				return err
			}
		}
		return end
	}
}

func (g *gateway) StreamDialRequests(stream serverStream) error {
	sent, _ := metadata.FromIncomingContext(stream.Context())
	g.mu.Lock()
	g.streams++
	g.metadata = append(g.metadata, sent)
	script := g.stream
	g.mu.Unlock()
	err := script(&received{gateway: g, stream: stream}, stream)
	select {
	case g.ended <- stream.Context().Err():
	default:
	}
	return err
}

func (g *gateway) PutDialRequests(
	ctx context.Context, message *pb.PutDialRequestsRequest,
) (*pb.PutDialRequestsResponse, error) {
	g.mu.Lock()
	script, probe := g.put, g.probe
	if len(message.GetDialRequests()) == 0 {
		g.probes++
	}
	g.mu.Unlock()
	if len(message.GetDialRequests()) == 0 {
		return &pb.PutDialRequestsResponse{}, probe()
	}
	g.note(message.GetDialRequests())
	return script(ctx, message)
}

func acceptList(_ context.Context, message *pb.PutDialRequestsRequest) (*pb.PutDialRequestsResponse, error) {
	response := &pb.PutDialRequestsResponse{}
	for index, request := range message.GetDialRequests() {
		response.Results = append(response.Results, answer(request.GetClientToken(), index, accepted))
	}
	return response, nil
}

func newGateway(t *testing.T, options ...grpc.ServerOption) *gateway {
	t.Helper()
	g := &gateway{
		stream: acceptAll,
		put:    acceptList,
		probe:  func() error { return nil },
		marks:  make(map[string][]bool),
		ended:  make(chan error, 100),
	}
	g.serve(t, "127.0.0.1:0", options...)
	return g
}

func (g *gateway) serve(t *testing.T, address string, options ...grpc.ServerOption) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	pb.RegisterDialRequestServiceServer(server, g)
	pb.RegisterCampaignServiceServer(server, g)
	g.target, g.server = listener.Addr().String(), server
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
}

// newClient returns a client without pauses. Its log is discarded.
func newClient(t *testing.T, target string, options ...Option) *Client {
	t.Helper()
	client, err := New(target, append([]Option{WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	client.jitter = func() float64 { return 0 }
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func request(token string) Request {
	return Request{
		ClientToken: token,
		PhoneNumber: phone,
		ExpiresAt:   time.Now().Add(5 * time.Minute),
		Attributes:  map[string]string{"first_name": secret},
	}
}

func requests(count int) iter.Seq[Request] {
	return func(yield func(Request) bool) {
		for number := range count {
			if !yield(request(fmt.Sprintf("t-%d", number))) {
				return
			}
		}
	}
}

func requestList(count int) []Request {
	list := make([]Request, 0, count)
	for request := range requests(count) {
		list = append(list, request)
	}
	return list
}

// all reads a call to its end.
func all(results iter.Seq2[Result, error]) ([]Result, error) {
	var list []Result
	for result, err := range results {
		if err != nil {
			return list, err
		}
		list = append(list, result)
	}
	return list, nil
}

func wantAccepted(t *testing.T, results []Result, err error, count int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	same(t, len(results), count)
	seen := make(map[int]bool)
	for _, result := range results {
		same(t, result.Outcome, OutcomeAccepted)
		same(t, result.ClientToken, fmt.Sprintf("t-%d", result.Index))
		same(t, seen[result.Index], false)
		seen[result.Index] = true
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func failureIn(t *testing.T, err error) *Error {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return failure
}

func ends(code codes.Code) error { return status.Error(code, "dead") }

// goroutines returns the stacks of the goroutines that run one of these packages or
// functions.
func goroutines(names ...string) []string {
	buffer := make([]byte, 4<<20)
	buffer = buffer[:runtime.Stack(buffer, true)]
	var found []string
	for _, stack := range strings.Split(string(buffer), "\n\n") {
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(stack, name) }) {
			found = append(found, stack)
		}
	}
	return found
}

// No goroutine of the client or of its connections is left after all tests.
func TestMain(m *testing.M) {
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	code := m.Run()
	if strings.Contains(log.String(), phone) || strings.Contains(log.String(), secret) {
		fmt.Println("the log contains a number or an attribute")
		code = 1
	}
	ours := []string{"clients/go.(*stream)", "google.golang.org/grpc"}
	for until := time.Now().Add(patience); len(goroutines(ours...)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			fmt.Println("goroutines are left:\n" + strings.Join(goroutines(ours...), "\n\n"))
			code = 1
			break
		}
	}
	os.Exit(code)
}
