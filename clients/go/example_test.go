package dialgateway_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dialgateway "github.com/dial-gateway/dial-gateway/clients/go"
)

func dial(ctx context.Context, requests []dialgateway.Request) error {
	client, err := dialgateway.New("dial-gateway.dialing:50051",
		dialgateway.WithTLSFiles("ca.crt", "tls.crt", "tls.key"))
	if err != nil {
		return err
	}
	defer client.Close()
	for result, err := range client.Dial(ctx, "my-campaign", slices.Values(requests)) {
		if err != nil {
			return err
		}
		fmt.Println(result.ClientToken, result.Outcome, result.Reason)
	}
	return nil
}

func Example() {
	requests := []dialgateway.Request{{
		ClientToken: dialgateway.NewClientToken(), // store it before you send it
		PhoneNumber: "+12025550123",
		ExpiresAt:   time.Now().Add(10 * time.Minute),
		Attributes:  map[string]string{"first_name": "Ava"},
	}}
	if err := dial(context.Background(), requests); err != nil {
		log.Print(err)
	}
}

// The code below is that of README.md, which a test compares with this file.

func readmeDial(ctx context.Context, target string, requests []dialgateway.Request) error {
	client, err := dialgateway.New(target, dialgateway.WithTLSFiles("ca.crt", "tls.crt", "tls.key"))
	if err != nil {
		return err
	}
	for result, err := range client.Dial(ctx, "my-campaign", slices.Values(requests)) {
		if err != nil {
			return err
		}
		fmt.Println(result.ClientToken, result.Outcome, result.Reason)
	}
	return nil
}

type rowReader interface {
	Next() bool
	Err() error
}

func readmeSource(
	ctx context.Context, client *dialgateway.Client, rows rowReader, scan func(rowReader) (dialgateway.Request, error),
) error {
	var failed error
	source := func(yield func(dialgateway.Request) bool) {
		for rows.Next() {
			request, err := scan(rows)
			if err != nil {
				failed = err
				return
			}
			if !yield(request) {
				return
			}
		}
		failed = rows.Err()
	}
	for result, err := range client.Dial(ctx, "my-campaign", source) {
		if err != nil {
			return err
		}
		fmt.Println(result)
	}
	return failed
}

func readmeGiveUp(target string) (*dialgateway.Client, error) {
	client, err := dialgateway.New(target, dialgateway.WithRetry(dialgateway.RetryPolicy{
		GiveUpAfter: 30 * time.Second,
	}))
	return client, err
}

func readmeErrors(err error, later func(error) error, resend func(unanswered, inDoubt []string)) error {
	var failure *dialgateway.Error
	switch {
	case errors.Is(err, dialgateway.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return later(err)
	case errors.As(err, &failure):
		resend(failure.Unanswered, failure.InDoubt) // with the same tokens
		log.Printf("%s %s: %v", failure.Code, failure.StatusReason, err)
	}
	return nil
}

func readmeCampaigns(ctx context.Context, client *dialgateway.Client) error {
	if _, err := client.HoldCampaign(ctx, "name:payment-reminders", "wrong list"); err != nil {
		return err
	}
	for seen, err := range client.WatchCampaigns(ctx, time.Second) {
		if err != nil {
			return err
		}
		for _, campaign := range seen.List {
			fmt.Println(campaign.ID, campaign.State, campaign.Queued)
		}
	}
	return nil
}

// The code of README.md compiles: each block is in this file.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```go\n")[1:]
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(unindented(string(own)), unindented(code)) {
			t.Errorf("not in example_test.go:\n%s", code)
		}
	}
	if len(blocks) < 6 {
		t.Errorf("only %d blocks", len(blocks))
	}
	for _, used := range []any{readmeDial, readmeSource, readmeGiveUp, readmeErrors, readmeCampaigns} {
		_ = used
	}
}

func unindented(code string) string {
	lines := strings.Split(code, "\n")
	for at, line := range lines {
		lines[at] = strings.TrimLeft(line, "\t")
	}
	return strings.Join(lines, "\n")
}
