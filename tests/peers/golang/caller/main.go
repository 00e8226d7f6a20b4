// Command caller makes one call to a gateway with grpc-go and passes its messages through as they are.
//
// It reads commands from stdin, one a line: "send HEX" sends a message, "end" half-closes. It writes what comes
// back: "headers" once the server's initial metadata is there, "message HEX", and last "status CODE DETAILS".
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
	_ "unsafe" // for go:linkname

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// grpc-go raises every keepalive to this time, ten seconds. Tests set it lower so that they need not wait.
//
//go:linkname leastKeepalive google.golang.org/grpc/internal.KeepaliveMinPingTime
var leastKeepalive time.Duration

// raw passes messages through as bytes.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "proto" }

func main() {
	target := flag.String("target", "", "address of the gateway or proxy")
	method := flag.String("method", "", "/package.Service/Method")
	unary := flag.Bool("unary", false, "whether the method takes one message and returns one")
	ping := flag.Duration("keepalive", 0, "time between pings of a quiet connection; 0 for none")
	flag.Parse()
	leastKeepalive = time.Millisecond

	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})),
	}
	if *ping > 0 {
		options = append(options, grpc.WithKeepaliveParams(
			keepalive.ClientParameters{Time: *ping, Timeout: 5 * time.Second, PermitWithoutStream: true}))
	}
	connection, err := grpc.NewClient(*target, options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer connection.Close()
	if *unary {
		err = once(connection, *method)
	} else {
		err = stream(connection, *method)
	}
	fmt.Println("status", status.Code(err), status.Convert(err).Message())
}

// commands yields the messages to send, and ends with the half-close.
func commands() func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		lines := bufio.NewReaderSize(os.Stdin, 1<<24)
		for {
			line, err := lines.ReadString('\n')
			word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if err != nil || word == "end" {
				return
			}
			message, err := hex.DecodeString(value)
			if err != nil || word != "send" || !yield(message) {
				return
			}
		}
	}
}

func once(connection *grpc.ClientConn, method string) error {
	for message := range commands() {
		var answer []byte
		if err := connection.Invoke(context.Background(), method, &message, &answer); err != nil {
			return err
		}
		fmt.Println("message", hex.EncodeToString(answer))
	}
	return nil
}

func stream(connection *grpc.ClientConn, method string) error {
	description := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	call, err := connection.NewStream(context.Background(), description, method)
	if err != nil {
		return err
	}
	go func() {
		for message := range commands() {
			if call.SendMsg(&message) != nil {
				return
			}
		}
		call.CloseSend()
	}()
	if _, err := call.Header(); err == nil {
		fmt.Println("headers")
	}
	for {
		var answer []byte
		if err := call.RecvMsg(&answer); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
		fmt.Println("message", hex.EncodeToString(answer))
	}
}
