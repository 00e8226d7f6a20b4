package dialgateway

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// campaignTimeout is how long a call about campaigns takes at most, if its context
// has no deadline. Purging a long queue takes the longest.
const campaignTimeout = 30 * time.Second

// campaignPage is how many campaigns are listed by one call.
const campaignPage = 1000

// Campaigns lists the campaigns that the gateway knows, in the order of their ids.
//
// match is an id, "name:NAME" or "tag:KEY=VALUE", each with "*" for any characters;
// then campaigns without dial requests are listed too, if the gateway has a
// campaign directory. With "" all campaigns are listed that have dial requests,
// are held or were active lately.
func (c *Client) Campaigns(ctx context.Context, match string) (*Campaigns, error) {
	var seen *Campaigns
	err := c.campaignCall(ctx, func(ctx context.Context, stub pb.CampaignServiceClient) error {
		var err error
		seen, err = listCampaigns(ctx, stub, match)
		return err
	})
	if err != nil {
		return nil, err
	}
	return seen, nil
}

func listCampaigns(ctx context.Context, stub pb.CampaignServiceClient, match string) (*Campaigns, error) {
	seen := &Campaigns{}
	request := &pb.ListCampaignsRequest{PageSize: campaignPage, Campaign: match}
	for {
		page, err := stub.ListCampaigns(ctx, request)
		if err != nil {
			return nil, err
		}
		if page.GetCampaign() != match {
			return nil, &Error{
				Code:    codes.Unimplemented,
				message: "this gateway is too old to find campaigns by pattern, name or tag",
			}
		}
		for _, message := range page.GetCampaigns() {
			seen.List = append(seen.List, campaignOf(message))
		}
		seen.AsOf, seen.Replicas = timeOf(page.GetAsOf()), replicasOf(page.GetReplicas())
		if page.GetNextPageToken() == "" {
			return seen, nil
		}
		request.PageToken = page.GetNextPageToken()
	}
}

// WatchCampaigns yields all campaigns now and after each change, at most once in
// each interval of 0.25 to 60 s; 0 means 1 s. A slow reader gets fewer states, each
// complete. An error ends it: [ErrUnavailable] when the replica shuts down.
func (c *Client) WatchCampaigns(ctx context.Context, interval time.Duration) iter.Seq2[*Campaigns, error] {
	return func(yield func(*Campaigns, error) bool) {
		ctx, done := c.callContext(ctx)
		defer done()
		l, err := c.channels.acquire()
		if err != nil {
			yield(nil, unavailable(err))
			return
		}
		defer c.channels.release(l)
		request := &pb.WatchCampaignsRequest{}
		if interval != 0 {
			request.MinInterval = durationpb.New(interval)
		}
		watch, err := l.campaigns.WatchCampaigns(ctx, request)
		if err != nil {
			yield(nil, c.campaignFailure(ctx, l, err))
			return
		}
		watched := watchedCampaigns{campaigns: make(map[string]Campaign), changed: make(map[string]struct{})}
		for {
			message, err := watch.Recv()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(nil, c.campaignFailure(ctx, l, err))
				}
				return
			}
			if seen := watched.add(message); seen != nil && !yield(seen, nil) {
				return
			}
		}
	}
}

// watchedCampaigns applies the differences that a watch sends to the state of all
// campaigns.
type watchedCampaigns struct {
	campaigns map[string]Campaign
	changed   map[string]struct{}
}

// add applies a message. It returns the state if it is complete now, otherwise nil.
func (w *watchedCampaigns) add(message *pb.WatchCampaignsResponse) *Campaigns {
	for _, one := range message.GetCampaigns() {
		w.campaigns[one.GetCampaignId()] = campaignOf(one)
		w.changed[one.GetCampaignId()] = struct{}{}
	}
	for _, id := range message.GetGoneCampaignIds() {
		delete(w.campaigns, id)
		w.changed[id] = struct{}{}
	}
	if !message.GetComplete() {
		return nil
	}
	changed := slices.Sorted(maps.Keys(w.changed))
	clear(w.changed)
	return &Campaigns{
		AsOf: timeOf(message.GetAsOf()),
		List: slices.SortedFunc(maps.Values(w.campaigns), func(a, b Campaign) int {
			return strings.Compare(a.ID, b.ID)
		}),
		Changed:  changed,
		Replicas: replicasOf(message.GetReplicas()),
	}
}

// An ActionOption changes a call to [Client.HoldCampaign] or [Client.PurgeCampaign].
type ActionOption func(*actionConfig)

type actionConfig struct {
	answerRequests bool
	knownOnly      bool
}

// AnswerRequests answers the dial requests of a held campaign with NOT_ACCEPTED and
// reason HELD. Without it they wait.
func AnswerRequests() ActionOption {
	return func(c *actionConfig) { c.answerRequests = true }
}

// KnownOnly refuses an action on a campaign that the gateway does not know: the
// error has the code NOT_FOUND. Without it an unknown campaign is held in advance.
func KnownOnly() ActionOption {
	return func(c *actionConfig) { c.knownOnly = true }
}

func actionConfigOf(opts []ActionOption) actionConfig {
	var config actionConfig
	for _, opt := range opts {
		opt(&config)
	}
	return config
}

// HoldCampaign stops calls to Amazon Connect for a campaign, at all replicas after a
// second at most. The gateway requires a reason, for those who see the hold later.
func (c *Client) HoldCampaign(
	ctx context.Context, campaign, reason string, opts ...ActionOption,
) (*ActionResult, error) {
	config := actionConfigOf(opts)
	request := &pb.HoldCampaignRequest{
		CampaignId:   campaign,
		Reason:       reason,
		HeldRequests: pb.HeldRequests_HELD_REQUESTS_WAIT,
		KnownOnly:    config.knownOnly,
	}
	if config.answerRequests {
		request.HeldRequests = pb.HeldRequests_HELD_REQUESTS_ANSWER
	}
	return c.act(ctx, func(ctx context.Context, stub pb.CampaignServiceClient) (*ActionResult, error) {
		response, err := stub.HoldCampaign(ctx, request)
		return &ActionResult{
			Campaign:     campaignOf(response.GetCampaign()),
			Answered:     response.GetAnswered(),
			Confirmation: confirmationOf(response.GetConfirmation()),
		}, err
	})
}

// ReleaseCampaign allows calls for a held campaign again. The reason may be empty.
// The error has the code NOT_FOUND if the campaign is not held.
func (c *Client) ReleaseCampaign(ctx context.Context, campaign, reason string) (*ActionResult, error) {
	request := &pb.ReleaseCampaignRequest{CampaignId: campaign, Reason: reason}
	return c.act(ctx, func(ctx context.Context, stub pb.CampaignServiceClient) (*ActionResult, error) {
		response, err := stub.ReleaseCampaign(ctx, request)
		return &ActionResult{
			Campaign:     campaignOf(response.GetCampaign()),
			Confirmation: confirmationOf(response.GetConfirmation()),
		}, err
	})
}

// PurgeCampaign answers all queued dial requests of a campaign with PURGED. The
// gateway requires a reason.
func (c *Client) PurgeCampaign(
	ctx context.Context, campaign, reason string, opts ...ActionOption,
) (*ActionResult, error) {
	request := &pb.PurgeCampaignRequest{
		CampaignId: campaign,
		Reason:     reason,
		KnownOnly:  actionConfigOf(opts).knownOnly,
	}
	return c.act(ctx, func(ctx context.Context, stub pb.CampaignServiceClient) (*ActionResult, error) {
		response, err := stub.PurgeCampaign(ctx, request)
		return &ActionResult{
			Campaign:     campaignOf(response.GetCampaign()),
			Answered:     response.GetPurged(),
			Confirmation: confirmationOf(response.GetConfirmation()),
		}, err
	})
}

func (c *Client) act(
	ctx context.Context, action func(context.Context, pb.CampaignServiceClient) (*ActionResult, error),
) (*ActionResult, error) {
	var result *ActionResult
	err := c.campaignCall(ctx, func(ctx context.Context, stub pb.CampaignServiceClient) error {
		var err error
		result, err = action(ctx, stub)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// campaignCall makes one call about campaigns, and translates its error.
func (c *Client) campaignCall(
	ctx context.Context, call func(context.Context, pb.CampaignServiceClient) error,
) error {
	ctx, done := c.callContext(ctx)
	defer done()
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, campaignTimeout)
		defer cancel()
	}
	l, err := c.channels.acquire()
	if err != nil {
		return unavailable(err)
	}
	defer c.channels.release(l)
	if err := call(ctx, l.campaigns); err != nil {
		return c.campaignFailure(ctx, l, err)
	}
	return nil
}

// campaignFailure returns the error of a call, and gives up its channel if the
// connection may be the cause.
func (c *Client) campaignFailure(ctx context.Context, l *lease, err error) *Error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	failure := c.failure(ctx, err)
	if reconnects(failure.Code) {
		c.channels.retire(l)
	}
	return failure
}
