// Command conformance carries out the commands of the shared scenarios with the Go
// client. It uses only the client's public API.
//
// It reads one JSON object a line from standard input, and writes one a line to
// standard output. Commands run at the same time.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"

	dialgateway "github.com/dial-gateway/dial-gateway/clients/go"
)

type command struct {
	Do         string    `json:"do"`
	ID         string    `json:"id"`
	Campaign   string    `json:"campaign"`
	Campaigns  []string  `json:"campaigns"`
	Requests   []request `json:"requests"`
	Generate   *generate `json:"generate"`
	Priority   string    `json:"priority"`
	CloseAfter int       `json:"close_after"`
	ThrowAfter int       `json:"throw_after"`
	PauseAfter int       `json:"pause_after"`
	PauseS     float64   `json:"pause_s"`
	Reason     string    `json:"reason"`
	Quiet      bool      `json:"quiet"`
}

type request struct {
	Token      string            `json:"token"`
	Phone      string            `json:"phone"`
	ExpiresInS float64           `json:"expires_in_s"`
	Attributes map[string]string `json:"attributes"`
	InDoubt    bool              `json:"in_doubt"`
	Channel    channel           `json:"channel"`
}

// A channel has the fields of all channels. Kind is the name in the contract.
type channel struct {
	Kind         string  `json:"kind"`
	Source       string  `json:"source"`
	Template     string  `json:"template"`
	Address      string  `json:"address"`
	RingTimeoutS float64 `json:"ring_timeout_s"`
	AwaitPrompt  bool    `json:"await_prompt"`
}

func (c channel) value() dialgateway.Channel {
	switch c.Kind {
	case "telephony":
		detection := &dialgateway.AnswerMachineDetection{Enabled: true, AwaitPrompt: &c.AwaitPrompt}
		return dialgateway.Telephony{
			SourcePhoneNumber: c.Source, RingTimeout: seconds(c.RingTimeoutS), AnswerMachineDetection: detection,
		}
	case "sms":
		return dialgateway.SMS{SourcePhoneNumberARN: c.Source, TemplateARN: c.Template}
	case "whats_app":
		return dialgateway.WhatsApp{SourcePhoneNumberARN: c.Source, TemplateARN: c.Template}
	case "email":
		return dialgateway.Email{DestinationAddress: c.Address, SourceAddress: c.Source, TemplateARN: c.Template}
	}
	return nil
}

type generate struct {
	Count          int     `json:"count"`
	Prefix         string  `json:"prefix"`
	ExpiresInS     float64 `json:"expires_in_s"`
	AttributeBytes int     `json:"attribute_bytes"`
}

type document map[string]any

// A program carries out commands with one client.
type program struct {
	client *dialgateway.Client
	mu     sync.Mutex
	out    *json.Encoder
}

// errReader is the error of a reader that fails. The reader panics with it.
var errReader = errors.New("the reader has failed")

func (p *program) write(line document) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.out.Encode(line); err != nil {
		slog.Error("cannot write", "error", err)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// generated makes every step-th request of a command from the first one on.
func generated(c command, first, step int) iter.Seq[dialgateway.Request] {
	return func(yield func(dialgateway.Request) bool) {
		var attributes map[string]string
		if c.Generate.AttributeBytes > 0 {
			attributes = map[string]string{"k": strings.Repeat("x", c.Generate.AttributeBytes)}
		}
		for number := first; number < c.Generate.Count; number += step {
			if !yield(dialgateway.Request{
				ClientToken: c.Generate.Prefix + strconv.Itoa(number),
				PhoneNumber: "+12025550123",
				ExpiresAt:   time.Now().Add(seconds(c.Generate.ExpiresInS)),
				Attributes:  attributes,
			}) {
				return
			}
		}
	}
}

// listed makes the requests that a command lists.
func listed(c command) iter.Seq[dialgateway.Request] {
	return func(yield func(dialgateway.Request) bool) {
		for _, each := range c.Requests {
			if !yield(dialgateway.Request{
				ClientToken: each.Token,
				PhoneNumber: each.Phone,
				ExpiresAt:   time.Now().Add(seconds(each.ExpiresInS)),
				Attributes:  each.Attributes,
				InDoubt:     each.InDoubt,
				Channel:     each.Channel.value(),
			}) {
				return
			}
		}
	}
}

func answerOf(campaign string, r dialgateway.Result) document {
	return document{
		"campaign": campaign, "token": r.ClientToken, "outcome": r.Outcome, "reason": r.Reason,
		"detail": r.Detail, "retry_advice": r.RetryAdvice, "retry_after_s": r.RetryAfter.Seconds(),
		"attempts": r.Attempts, "replayed": r.Replayed, "dial_request_id": r.DialRequestID, "trace_id": r.TraceID,
	}
}

// run carries out one command, and writes how it ended.
func (p *program) run(ctx context.Context, c command) {
	err := p.do(ctx, c)
	var failure *dialgateway.Error
	switch {
	case err == nil:
		p.write(document{"id": c.ID, "end": "ok"})
	case errors.Is(err, errReader):
		p.write(document{"id": c.ID, "end": "error", "error": "OWN", "status": "", "reason": "", "message": err.Error()})
	case errors.As(err, &failure):
		p.write(document{
			"id": c.ID, "end": "error", "error": kindOf(err), "status": statusName(failure.Code),
			"reason": failure.StatusReason, "message": err.Error(),
		})
	default:
		p.write(document{"id": c.ID, "end": "error", "error": "argument", "status": "", "reason": "", "message": err.Error()})
	}
}

func kindOf(err error) string {
	for name, kind := range map[string]error{
		"ErrClosed": dialgateway.ErrClosed, "ErrUnavailable": dialgateway.ErrUnavailable,
		"ErrOverloaded": dialgateway.ErrOverloaded, "ErrAccessDenied": dialgateway.ErrAccessDenied,
		"ErrProtocol": dialgateway.ErrProtocol, "context.DeadlineExceeded": context.DeadlineExceeded,
		"context.Canceled": context.Canceled,
	} {
		if errors.Is(err, kind) {
			return name
		}
	}
	return "Error"
}

// statusName returns the name of a status as the contract writes it: UNAVAILABLE,
// PERMISSION_DENIED.
func statusName(code codes.Code) string {
	if code == codes.OK {
		return ""
	}
	if code == codes.Canceled {
		return "CANCELLED"
	}
	var name strings.Builder
	for at, letter := range code.String() {
		if at > 0 && letter >= 'A' && letter <= 'Z' {
			name.WriteByte('_')
		}
		name.WriteRune(letter)
	}
	return strings.ToUpper(name.String())
}

func (p *program) do(ctx context.Context, c command) error {
	switch c.Do {
	case "dial":
		return p.dial(ctx, c)
	case "put":
		return p.put(ctx, c)
	case "hold":
		_, err := p.client.HoldCampaign(ctx, c.Campaign, c.Reason)
		return err
	case "release":
		_, err := p.client.ReleaseCampaign(ctx, c.Campaign, c.Reason)
		return err
	case "purge":
		_, err := p.client.PurgeCampaign(ctx, c.Campaign, c.Reason)
		return err
	case "campaigns":
		return p.campaigns(ctx, c)
	case "memory":
		return p.memory(c)
	}
	return fmt.Errorf("unknown command %q", c.Do)
}

func (p *program) dial(ctx context.Context, c command) error {
	campaigns := c.Campaigns
	if len(campaigns) == 0 {
		campaigns = []string{c.Campaign}
	}
	var offered atomic.Int64
	errs := make([]error, len(campaigns))
	counts := counts{answers: make(map[dialgateway.Outcome]int)}
	var dials sync.WaitGroup
	for at, campaign := range campaigns {
		requests := listed(c)
		if c.Generate != nil {
			requests = generated(c, at, len(campaigns))
		}
		dials.Go(func() { errs[at] = p.dialOne(ctx, c, campaign, counted(requests, &offered), &counts) })
	}
	dials.Wait()
	if c.Quiet {
		p.write(document{"id": c.ID, "counts": counts.answers})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	p.write(document{"id": c.ID, "offered": offered.Load()})
	return nil
}

// counts are the answers of a quiet command by outcome.
type counts struct {
	mu      sync.Mutex
	answers map[dialgateway.Outcome]int
}

func (c *counts) add(outcome dialgateway.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[outcome]++
}

func counted(requests iter.Seq[dialgateway.Request], count *atomic.Int64) iter.Seq[dialgateway.Request] {
	return func(yield func(dialgateway.Request) bool) {
		for request := range requests {
			count.Add(1)
			if !yield(request) {
				return
			}
		}
	}
}

// dialOne dials for one campaign. A reader that fails panics in its loop.
func (p *program) dialOne(
	ctx context.Context, c command, campaign string, requests iter.Seq[dialgateway.Request], counts *counts,
) (err error) {
	defer func() {
		if value := recover(); value != nil {
			thrown, ok := value.(error)
			if !ok || !errors.Is(thrown, errReader) {
				panic(value)
			}
			err = thrown
		}
	}()
	answers := 0
	onNotice := dialgateway.OnNotice(func(n dialgateway.Notice) {
		if c.Quiet {
			return
		}
		p.write(document{"id": c.ID, "notice": document{
			"campaign": n.Campaign, "kind": n.Kind, "retry_after_s": n.RetryAfter.Seconds(),
		}})
	})
	priority := dialgateway.WithPriority(dialgateway.Priority(c.Priority))
	for result, err := range p.client.Dial(ctx, campaign, requests, onNotice, priority) {
		if err != nil {
			return err
		}
		if c.Quiet {
			counts.add(result.Outcome)
		} else {
			p.write(document{"id": c.ID, "answer": answerOf(campaign, result)})
		}
		answers++
		switch answers {
		case c.ThrowAfter:
			panic(errReader)
		case c.CloseAfter:
			return nil
		case c.PauseAfter:
			time.Sleep(seconds(c.PauseS))
		}
	}
	return nil
}

func (p *program) put(ctx context.Context, c command) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var requests []dialgateway.Request
	for request := range listed(c) {
		requests = append(requests, request)
	}
	results, err := p.client.Put(ctx, c.Campaign, requests)
	for _, result := range results {
		p.write(document{"id": c.ID, "answer": answerOf(c.Campaign, result)})
	}
	return err
}

func (p *program) campaigns(ctx context.Context, c command) error {
	seen, err := p.client.Campaigns(ctx, "")
	if err != nil {
		return err
	}
	list := []document{}
	for _, each := range seen.List {
		list = append(list, document{"campaign": each.ID, "state": each.State, "queued": each.Queued})
	}
	p.write(document{"id": c.ID, "campaigns": list})
	return nil
}

func (p *program) memory(c command) error {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	var total, resident int
	if _, err := fmt.Sscan(string(statm), &total, &resident); err != nil {
		return err
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return err
	}
	cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
	p.write(document{"id": c.ID, "rss_bytes": resident * os.Getpagesize(), "cpu_s": cpu.Seconds()})
	return nil
}

func newClient() (*dialgateway.Client, error) {
	target := flag.String("target", "", "host:port of the gateway")
	ca, cert, key := flag.String("ca", "", ""), flag.String("cert", "", ""), flag.String("key", "", "")
	authority := flag.String("authority", "", "name in the gateway's certificate")
	window := flag.Int("window", 2000, "requests without an answer")
	keepalive := flag.Float64("keepalive", 30, "seconds")
	flag.Parse()
	options := []dialgateway.Option{
		dialgateway.WithWindow(*window),
		dialgateway.WithKeepalive(seconds(*keepalive)),
		dialgateway.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))),
	}
	if *ca != "" || *cert != "" {
		options = append(options, dialgateway.WithTLSFiles(*ca, *cert, *key))
	}
	if *authority != "" {
		options = append(options, dialgateway.WithServerName(*authority))
	}
	return dialgateway.New(*target, options...)
}

func serve(commands io.Reader, out io.Writer) error {
	client, err := newClient()
	if err != nil {
		return err
	}
	defer client.Close()
	p := &program{client: client, out: json.NewEncoder(out)}
	lines := bufio.NewScanner(commands)
	lines.Buffer(nil, 1<<24)
	var running sync.WaitGroup
	defer running.Wait()
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		running.Go(func() { p.run(context.Background(), c) })
	}
	return lines.Err()
}

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		slog.Error("the program failed", "error", err)
		os.Exit(1)
	}
}
