package dialgateway

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// The clients of all languages give the answers of this file.
const truthFile = "../../conformance/truth.json"

type truthCase struct {
	Name     string         `json:"name"`
	InDoubt  bool           `json:"in_doubt"`
	Attempts []truthAttempt `json:"attempts"`
	Answer   truthAnswer    `json:"answer"`
}

type truthAnswer struct {
	Outcome     string `json:"outcome"`
	Reason      string `json:"reason"`
	RetryAdvice string `json:"retry_advice"`
}

type truthAttempt struct {
	truthAnswer
	Event       string `json:"event"`
	Sent        bool   `json:"sent"`
	Marked      bool   `json:"marked"`
	RetryAfterS int    `json:"retry_after_s"`
	SentAgain   bool   `json:"sent_again"`
}

// Answers are true for all attempts of a request together.
func TestTruth(t *testing.T) {
	text, err := os.ReadFile(truthFile)
	if err != nil {
		t.Fatal(err)
	}
	var cases []truthCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 400 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, one := range cases {
		t.Run(one.Name, func(t *testing.T) { runTruthCase(t, one) })
	}
}

func runTruthCase(t *testing.T, one truthCase) {
	m := newManual(t, 100, 100, RetryPolicy{})
	m.state.jitter = func() float64 { return 0 }
	m.state.connections.jitter = m.state.jitter
	request := Request{ClientToken: "t", PhoneNumber: phone, ExpiresAt: m.now.Add(life), InDoubt: one.InDoubt}
	if one.Attempts[0].Event == "too_large" {
		request.Attributes = map[string]string{"k": strings.Repeat("v", 300_000)}
	}
	m.takeOne(request)
	var open *link
	connected := func() *link {
		if wanted := m.state.advance(m.now); open == nil && wanted {
			open = m.connect()
		}
		return open
	}
	for _, attempt := range one.Attempts {
		switch attempt.Event {
		case "broken":
			if attempt.Sent {
				sendMarked(t, m, connected(), attempt.Marked)
			}
			failure := &Error{Code: codes.Unavailable, StatusReason: StatusReason(attempt.Reason), message: "gone"}
			m.state.lost(connected(), failure, m.now)
			open = nil
		case "answered":
			sendMarked(t, m, connected(), attempt.Marked)
			m.settle(open, &pb.DialResult{
				ClientToken: "t",
				Index:       open.count - 1,
				Outcome:     pb.Outcome(pb.Outcome_value["OUTCOME_"+attempt.Outcome]),
				Reason:      pb.Reason(pb.Reason_value["REASON_"+attempt.Reason]),
				RetryAdvice: pb.RetryAdvice(pb.RetryAdvice_value["RETRY_ADVICE_"+attempt.RetryAdvice]),
				RetryAfter:  durationpb.New(time.Duration(attempt.RetryAfterS) * time.Second),
			})
			same(t, len(m.state.answers) == 0, attempt.SentAgain)
		case "expired":
			if open != nil {
				m.lose(open, codes.Unavailable)
			}
			m.lose(m.connect(), codes.Unavailable)
			m.later(life + time.Second)
		}
	}
	results := m.state.takeAnswers()
	same(t, len(results), 1)
	got := truthAnswer{string(results[0].Outcome), string(results[0].Reason), string(results[0].RetryAdvice)}
	same(t, got, one.Answer)
}

func sendMarked(t *testing.T, m *manual, l *link, marked bool) {
	t.Helper()
	sent := m.state.nextChunk(l)
	same(t, len(sent), 1)
	same(t, sent[0].GetInDoubt(), marked)
}
