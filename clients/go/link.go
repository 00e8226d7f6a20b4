package dialgateway

import (
	"cmp"
	"slices"
	"time"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// A request on an open connection is overdue this long after its expiration;
// checks are this far apart. The gateway answers when a request expires, and a
// call to Amazon Connect takes a few seconds. So something between client and
// gateway holds the answer back.
const (
	overdueAfter     = 60 * time.Second
	overdueCheckEach = 30 * time.Second
)

// An entry is a request without an answer.
type entry struct {
	index   int    // in the source
	token   string // of the client
	message *pb.DialRequest
	size    int
	expires time.Time
	tries   int // answers that were not yielded, because they advised to send the request again
}

// A link is one connection's part of a call to Dial: the requests that were sent
// on it and have no answer, by their index on that connection.
type link struct {
	sent       map[uint64]*entry
	overdue    map[uint64]struct{} // answered by the client; a later answer is ignored
	count      uint64              // requests sent so far
	readyAt    time.Time           // when the connection was made; nothing is sent before
	heard      bool                // whether an answer has come
	draining   bool
	halfClosed bool
}

func newLink() *link {
	return &link{sent: make(map[uint64]*entry), overdue: make(map[uint64]struct{})}
}

// takeSent removes and returns the requests without an answer, in the order in
// which they were sent.
func (l *link) takeSent() []*entry {
	indexes := make([]uint64, 0, len(l.sent))
	for index := range l.sent {
		indexes = append(indexes, index)
	}
	slices.Sort(indexes)
	entries := make([]*entry, len(indexes))
	for at, index := range indexes {
		entries[at] = l.sent[index]
	}
	clear(l.sent)
	return entries
}

// overdueChecks finds overdue requests. lookAt is the time of the next check, zero
// if none is needed.
type overdueChecks struct {
	lookAt time.Time
}

// advance removes the overdue requests from their links and returns them.
func (o *overdueChecks) advance(links map[*link]struct{}, now time.Time) []*entry {
	var found []*entry
	if !o.lookAt.IsZero() && !now.Before(o.lookAt) {
		o.lookAt = time.Time{}
		for l := range links {
			for index, e := range l.sent {
				if !e.expires.Add(overdueAfter).After(now) {
					l.overdue[index] = struct{}{}
					delete(l.sent, index)
					found = append(found, e)
				}
			}
		}
	}
	if o.lookAt.IsZero() {
		for l := range links {
			if len(l.sent) > 0 {
				o.lookAt = now.Add(overdueCheckEach)
				break
			}
		}
	}
	slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(a.index, b.index) })
	return found
}
