package dialgateway

import (
	"container/list"
	"fmt"
)

// rememberedTokens is how many tokens in doubt a call remembers at least: a few
// megabytes at most.
const rememberedTokens = 10_000

// doubtfulTokens are the tokens of requests that Amazon Connect may have: a
// request was sent on a connection that ended before its answer, or was answered
// UNKNOWN. When it is full, the oldest token is forgotten.
//
// Another replica does not know about the earlier attempt, so the client sends
// such a request with in_doubt set. A gateway that is older than this field
// answers for its own attempt only. Its REJECTED, EXPIRED or NOT_ACCEPTED would
// say that nobody is dialed, although the earlier attempt may have succeeded;
// trueForAllAttempts replaces such an answer with UNKNOWN.
type doubtfulTokens struct {
	most   int
	tokens map[string]*list.Element
	order  *list.List // of strings, the oldest first
}

// newDoubtfulTokens makes an empty set with room for at least five times as many
// tokens as may be outstanding.
func newDoubtfulTokens(outstanding int) *doubtfulTokens {
	return &doubtfulTokens{
		most:   max(rememberedTokens, 5*outstanding),
		tokens: make(map[string]*list.Element),
		order:  list.New(),
	}
}

func (d *doubtfulTokens) add(token string) {
	if element, ok := d.tokens[token]; ok {
		d.order.MoveToBack(element)
		return
	}
	d.tokens[token] = d.order.PushBack(token)
	if len(d.tokens) > d.most {
		oldest := d.order.Front()
		d.order.Remove(oldest)
		if forgotten, ok := oldest.Value.(string); ok {
			delete(d.tokens, forgotten)
		}
	}
}

func (d *doubtfulTokens) has(token string) bool {
	_, ok := d.tokens[token]
	return ok
}

// trueForAllAttempts returns the answer that is true for all attempts of a request
// together.
func trueForAllAttempts(result Result, inDoubt bool) Result {
	if !inDoubt || result.Outcome == OutcomeAccepted || result.Outcome == OutcomeUnknown {
		return result
	}
	detail := fmt.Sprintf("now %s, but an earlier attempt ended without an answer", result.Outcome)
	if result.Detail != "" {
		detail += ": " + result.Detail
	}
	result.Outcome, result.RetryAdvice, result.Detail = OutcomeUnknown, RetrySameToken, detail
	return result
}

// expiredResult answers a request that expired while the gateway was unreachable.
func expiredResult(e *entry, inDoubt bool) Result {
	return trueForAllAttempts(Result{
		ClientToken: e.token,
		Index:       e.index,
		Outcome:     OutcomeExpired,
		Reason:      ReasonExpirationPassed,
		Detail:      "its time passed while the gateway could not be reached",
		RetryAdvice: RetrySameToken,
	}, inDoubt)
}

// refusedResult answers a request that cannot be sent.
func refusedResult(token string, index int, why string, inDoubt bool) Result {
	return trueForAllAttempts(Result{
		ClientToken: token,
		Index:       index,
		Outcome:     OutcomeRejected,
		Reason:      ReasonInvalidRequest,
		Detail:      why,
		RetryAdvice: RetryNever,
	}, inDoubt)
}

// overdueResult answers a request that was sent, expired long ago and got no
// answer.
func overdueResult(e *entry) Result {
	return Result{
		ClientToken: e.token,
		Index:       e.index,
		Outcome:     OutcomeUnknown,
		Reason:      ReasonConnectUnreachable,
		Detail:      "its time passed long ago, and no answer came over a connection that is open",
		RetryAdvice: RetrySameToken,
	}
}
