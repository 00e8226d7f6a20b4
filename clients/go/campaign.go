package dialgateway

import (
	"time"

	pb "github.com/dial-gateway/dial-gateway/clients/go/gen/dialgateway/v1"
)

// A CampaignState says whether a campaign's dial requests flow to Amazon Connect.
// It is empty if only a newer gateway knows the state.
type CampaignState string

// The states of a campaign.
const (
	CampaignFlowing CampaignState = "FLOWING"
	// CampaignCooling: there are too few agents or lines; the gateway pauses.
	CampaignCooling CampaignState = "COOLING"
	// CampaignParked: Amazon Connect says that the campaign does not run.
	CampaignParked CampaignState = "PARKED"
	// CampaignHeld: an operator holds it.
	CampaignHeld CampaignState = "HELD"
)

// An ActionKind is the kind of an operator's action. It is empty if only a newer
// gateway knows it.
type ActionKind string

// The kinds of actions.
const (
	ActionHold    ActionKind = "HOLD"
	ActionRelease ActionKind = "RELEASE"
	ActionPurge   ActionKind = "PURGE"
)

// Counts are answers by outcome, since the gateway last forgot the campaign.
type Counts struct {
	Accepted, Rejected, Expired, NotAccepted, Unknown uint64
}

// A Campaign is one campaign, at one replica of the gateway or, if the replicas
// share a state, in the whole fleet: then counts and rates are sums.
//
// ID, Name, Tags, Detail and reasons are untrusted: show them as text, never as
// markup.
type Campaign struct {
	// ID is Amazon Connect's id of the campaign, as callers sent it.
	ID string
	// Name and Tags come from the gateway's campaign directory, and are empty if it
	// does not know them.
	Name string
	Tags map[string]string
	// State says whether dial requests flow.
	State CampaignState
	// Queued is how many dial requests wait for a call; InFlight is how many are in
	// calls.
	Queued, InFlight uint64
	// OldestWait is how long the oldest queued dial request has waited.
	OldestWait time.Duration
	// Outcomes counts the answers.
	Outcomes Counts
	// AcceptedPerSecond is over about the last ten seconds.
	AcceptedPerSecond float64
	// Reason and Detail say why the campaign does not flow, and what ends that.
	Reason Reason
	Detail string
	// Since is when it stopped flowing; zero if it flows.
	Since time.Time
	// RetryAfter is the time until the next attempt; 0 if that is unknown.
	RetryAfter time.Duration
	// Hold is the hold, nil if the campaign is not held.
	Hold *Hold
	// LastAction is the last operator's action, nil if none is remembered.
	LastAction *Action
	// Replicas has the part of each replica of a fleet.
	Replicas []ReplicaPart
}

// A Hold says who holds a campaign, why and since when.
type Hold struct {
	Caller, Reason string
	Since          time.Time
	// Answered says that dial requests are answered during the hold with reason
	// HELD. Otherwise they wait.
	Answered bool
}

// An Action is an operator's action on a campaign.
type Action struct {
	Kind           ActionKind
	Caller, Reason string
	At             time.Time
	// Answered is how many dial requests it answered.
	Answered uint64
}

// A ReplicaPart is one replica's part of a campaign. The fields are those of
// Campaign.
type ReplicaPart struct {
	Replica           string
	State             CampaignState
	Queued, InFlight  uint64
	OldestWait        time.Duration
	Outcomes          Counts
	AcceptedPerSecond float64
}

// A Replica is a replica of a fleet. Its campaigns are part of a listing if it has
// Reported.
type Replica struct {
	Name     string
	Reported bool
}

// A Campaigns value is the state of campaigns at one instant.
type Campaigns struct {
	// AsOf is that instant.
	AsOf time.Time
	// List has the campaigns, in the order of their ids.
	List []Campaign
	// Changed has the ids that have changed since the state before, also of
	// campaigns that are gone. Only WatchCampaigns sets it.
	Changed []string
	// Replicas are those of the fleet; none if the gateway has no shared state.
	Replicas []Replica
}

// A Confirmation says which replicas of a fleet have carried out an action.
type Confirmation struct {
	// Confirmed and Unconfirmed are names of replicas. The unconfirmed ones have not
	// said so in time, and may not know of the action yet.
	Confirmed, Unconfirmed []string
	// OnlyHere says that the shared state could not record the action, so only the
	// replica that was asked has carried it out.
	OnlyHere bool
}

// Complete reports whether all replicas have carried out the action.
func (c Confirmation) Complete() bool {
	return len(c.Unconfirmed) == 0 && !c.OnlyHere
}

// An ActionResult is what came of an action on a campaign.
type ActionResult struct {
	// Campaign is the campaign after the action.
	Campaign Campaign
	// Answered is how many queued dial requests the action answered.
	Answered uint64
	// Confirmation is nil if the gateway has no shared state: then the action
	// applies to one replica only.
	Confirmation *Confirmation
}

var (
	campaignStates = namesOf[CampaignState](pb.CampaignState_name, "CAMPAIGN_STATE_")
	actionKinds    = namesOf[ActionKind](pb.ActionKind_name, "ACTION_KIND_")
)

func campaignOf(message *pb.Campaign) Campaign {
	campaign := Campaign{
		ID:                message.GetCampaignId(),
		Name:              message.GetName(),
		Tags:              message.GetTags(),
		State:             campaignStates[int32(message.GetState())],
		Queued:            message.GetQueued(),
		InFlight:          message.GetInFlight(),
		OldestWait:        durationOf(message.GetOldestWait()),
		Outcomes:          countsOf(message.GetOutcomes()),
		AcceptedPerSecond: message.GetAcceptedPerSecond(),
		Reason:            reasons[int32(message.GetReason())],
		Detail:            message.GetDetail(),
		Since:             timeOf(message.GetSince()),
		RetryAfter:        durationOf(message.GetRetryAfter()),
		Hold:              holdOf(message.GetHold()),
		LastAction:        actionOf(message.GetLastAction()),
	}
	for _, part := range message.GetReplicas() {
		campaign.Replicas = append(campaign.Replicas, partOf(part))
	}
	return campaign
}

func countsOf(message *pb.OutcomeCounts) Counts {
	return Counts{
		Accepted:    message.GetAccepted(),
		Rejected:    message.GetRejected(),
		Expired:     message.GetExpired(),
		NotAccepted: message.GetNotAccepted(),
		Unknown:     message.GetUnknown(),
	}
}

func holdOf(message *pb.Hold) *Hold {
	if message == nil {
		return nil
	}
	return &Hold{
		Caller:   message.GetCaller(),
		Reason:   message.GetReason(),
		Since:    timeOf(message.GetHoldTime()),
		Answered: message.GetHeldRequests() == pb.HeldRequests_HELD_REQUESTS_ANSWER,
	}
}

func actionOf(message *pb.Action) *Action {
	if message == nil {
		return nil
	}
	return &Action{
		Kind:     actionKinds[int32(message.GetKind())],
		Caller:   message.GetCaller(),
		Reason:   message.GetReason(),
		At:       timeOf(message.GetActionTime()),
		Answered: message.GetAnswered(),
	}
}

func partOf(message *pb.ReplicaPart) ReplicaPart {
	return ReplicaPart{
		Replica:           message.GetReplica(),
		State:             campaignStates[int32(message.GetState())],
		Queued:            message.GetQueued(),
		InFlight:          message.GetInFlight(),
		OldestWait:        durationOf(message.GetOldestWait()),
		Outcomes:          countsOf(message.GetOutcomes()),
		AcceptedPerSecond: message.GetAcceptedPerSecond(),
	}
}

func replicasOf(messages []*pb.Replica) []Replica {
	var replicas []Replica
	for _, message := range messages {
		replicas = append(replicas, Replica{Name: message.GetName(), Reported: message.GetReported()})
	}
	return replicas
}

func confirmationOf(message *pb.Confirmation) *Confirmation {
	if message == nil {
		return nil
	}
	return &Confirmation{
		Confirmed:   message.GetConfirmedReplicas(),
		Unconfirmed: message.GetUnconfirmedReplicas(),
		OnlyHere:    message.GetOnlyHere(),
	}
}
