package dialgateway

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

func (g *gateway) ListCampaigns(
	_ context.Context, request *pb.ListCampaignsRequest,
) (*pb.ListCampaignsResponse, error) {
	if request.GetPageToken() == "" {
		return &pb.ListCampaignsResponse{
			Campaigns:     []*pb.Campaign{{CampaignId: "a", State: pb.CampaignState_CAMPAIGN_STATE_HELD, Hold: &pb.Hold{Reason: "r"}}},
			NextPageToken: "next",
			Campaign:      request.GetCampaign(),
		}, nil
	}
	return &pb.ListCampaignsResponse{
		Campaigns: []*pb.Campaign{{CampaignId: "b", Queued: 7, State: 99}},
		Replicas:  []*pb.Replica{{Name: "r-0", Reported: true}},
		Campaign:  request.GetCampaign(),
	}, nil
}

func (g *gateway) HoldCampaign(
	_ context.Context, request *pb.HoldCampaignRequest,
) (*pb.HoldCampaignResponse, error) {
	if request.GetReason() == "" {
		return nil, ends(codes.InvalidArgument)
	}
	return &pb.HoldCampaignResponse{
		Campaign:     &pb.Campaign{CampaignId: request.GetCampaignId(), State: pb.CampaignState_CAMPAIGN_STATE_HELD},
		Answered:     uint64(request.GetHeldRequests()),
		Confirmation: &pb.Confirmation{ConfirmedReplicas: []string{"r-0"}, UnconfirmedReplicas: []string{"r-1"}},
	}, nil
}

func (g *gateway) WatchCampaigns(
	_ *pb.WatchCampaignsRequest, stream grpc.ServerStreamingServer[pb.WatchCampaignsResponse],
) error {
	for _, message := range []*pb.WatchCampaignsResponse{
		{Campaigns: []*pb.Campaign{{CampaignId: "b"}}},
		{Campaigns: []*pb.Campaign{{CampaignId: "a"}}, Complete: true},
		{GoneCampaignIds: []string{"b"}, Complete: true},
	} {
		if err := stream.Send(message); err != nil {
			return err
		}
	}
	return ends(codes.Unavailable)
}

// All pages are listed. A state that only a newer gateway knows is empty.
func TestCampaigns(t *testing.T) {
	g := newGateway(t)
	seen, err := newClient(t, g.target).Campaigns(within(t), "name:*")
	if err != nil {
		t.Fatal(err)
	}
	same(t, len(seen.List), 2)
	same(t, seen.List[0].State, CampaignHeld)
	same(t, seen.List[0].Hold.Reason, "r")
	same(t, seen.List[1].State, "")
	same(t, seen.List[1].Queued, 7)
	same(t, seen.Replicas[0].Name, "r-0")
}

// A watch yields complete states with what has changed, and ends with an error.
func TestWatchCampaigns(t *testing.T) {
	g := newGateway(t)
	var changed []string
	var end error
	for seen, err := range newClient(t, g.target).WatchCampaigns(within(t), 250*time.Millisecond) {
		if err != nil {
			end = err
			break
		}
		changed = append(changed, seen.Changed...)
		changed = append(changed, "|")
	}
	equal(t, changed, []string{"a", "b", "|", "b", "|"})
	same(t, errors.Is(end, ErrUnavailable), true)
}

// Actions return the campaign and which replicas have confirmed them.
func TestActions(t *testing.T) {
	g := newGateway(t)
	client := newClient(t, g.target)
	done, err := client.HoldCampaign(within(t), "c", "why", AnswerRequests())
	if err != nil {
		t.Fatal(err)
	}
	same(t, done.Campaign.State, CampaignHeld)
	same(t, done.Answered, uint64(pb.HeldRequests_HELD_REQUESTS_ANSWER))
	same(t, done.Confirmation.Complete(), false)
	_, err = client.HoldCampaign(within(t), "c", "")
	same(t, failureIn(t, err).Code, codes.InvalidArgument)
	_, err = client.ReleaseCampaign(within(t), "c", "")
	same(t, failureIn(t, err).Code, codes.Unimplemented)
	_, err = client.PurgeCampaign(within(t), "c", "why", KnownOnly())
	same(t, failureIn(t, err).Code, codes.Unimplemented)
	same(t, errors.Is(err, io.EOF), false)
}
