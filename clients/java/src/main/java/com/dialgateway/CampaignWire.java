package com.dialgateway;

import com.dialgateway.v1.ListCampaignsResponse;
import com.dialgateway.v1.OutcomeCounts;
import com.dialgateway.v1.WatchCampaignsResponse;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Converts between the messages of CampaignService and the values of this package. */
final class CampaignWire {
  private static final WireNames<CampaignState> STATES =
      new WireNames<>(
          CampaignState.class, "CAMPAIGN_STATE_", com.dialgateway.v1.CampaignState.values());
  private static final WireNames<ActionKind> KINDS =
      new WireNames<>(ActionKind.class, "ACTION_KIND_", com.dialgateway.v1.ActionKind.values());

  private CampaignWire() {}

  /** Converts all pages of a list; instant and replicas are those of the last. */
  static CampaignsSeen listed(List<ListCampaignsResponse> pages) {
    Map<String, Campaign> found = new LinkedHashMap<>();
    for (ListCampaignsResponse page : pages) {
      page.getCampaignsList().forEach(each -> found.put(each.getCampaignId(), campaign(each)));
    }
    ListCampaignsResponse last = pages.get(pages.size() - 1);
    return new CampaignsSeen(
        Wire.instant(last.getAsOf()),
        Collections.unmodifiableMap(found),
        Set.of(),
        replicas(last.getReplicasList()));
  }

  static com.dialgateway.v1.HeldRequests heldRequests(HeldRequests heldRequests) {
    return heldRequests == HeldRequests.ANSWER
        ? com.dialgateway.v1.HeldRequests.HELD_REQUESTS_ANSWER
        : com.dialgateway.v1.HeldRequests.HELD_REQUESTS_WAIT;
  }

  static Confirmation confirmation(com.dialgateway.v1.Confirmation told) {
    return new Confirmation(
        List.copyOf(told.getConfirmedReplicasList()),
        List.copyOf(told.getUnconfirmedReplicasList()),
        told.getOnlyHere());
  }

  static Campaign campaign(com.dialgateway.v1.Campaign message) {
    return new Campaign(
        message.getCampaignId(),
        STATES.get(message.getStateValue(), CampaignState.UNSPECIFIED),
        message.getQueued(),
        message.getInFlight(),
        Wire.duration(message.getOldestWait()),
        outcomes(message.getOutcomes()),
        message.getAcceptedPerSecond(),
        Wire.reason(message.getReasonValue()),
        message.getDetail(),
        message.hasSince() ? Wire.instant(message.getSince()) : null,
        message.hasRetryAfter() ? Wire.duration(message.getRetryAfter()) : null,
        message.hasHold() ? hold(message.getHold()) : null,
        message.hasLastAction() ? action(message.getLastAction()) : null,
        message.getReplicasList().stream().map(CampaignWire::part).toList(),
        message.getName(),
        Map.copyOf(message.getTagsMap()));
  }

  /** Applies the differences that a watch sends to the state of all campaigns. */
  static final class Watched {
    private final SortedMap<String, Campaign> campaigns = new TreeMap<>();
    private final Set<String> changed = new HashSet<>();

    /** Applies a message. Returns the state if it is complete now. */
    @Nullable CampaignsSeen add(WatchCampaignsResponse message) {
      for (com.dialgateway.v1.Campaign each : message.getCampaignsList()) {
        campaigns.put(each.getCampaignId(), campaign(each));
        changed.add(each.getCampaignId());
      }
      for (String gone : message.getGoneCampaignIdsList()) {
        campaigns.remove(gone);
        changed.add(gone);
      }
      if (!message.getComplete()) {
        return null;
      }
      CampaignsSeen seen =
          new CampaignsSeen(
              Wire.instant(message.getAsOf()),
              Collections.unmodifiableMap(new LinkedHashMap<>(campaigns)),
              Set.copyOf(changed),
              replicas(message.getReplicasList()));
      changed.clear();
      return seen;
    }
  }

  private static List<Replica> replicas(List<com.dialgateway.v1.Replica> messages) {
    return messages.stream().map(each -> new Replica(each.getName(), each.getReported())).toList();
  }

  private static ReplicaPart part(com.dialgateway.v1.ReplicaPart message) {
    return new ReplicaPart(
        message.getReplica(),
        STATES.get(message.getStateValue(), CampaignState.UNSPECIFIED),
        message.getQueued(),
        message.getInFlight(),
        Wire.duration(message.getOldestWait()),
        outcomes(message.getOutcomes()),
        message.getAcceptedPerSecond());
  }

  private static Hold hold(com.dialgateway.v1.Hold message) {
    boolean answer =
        message.getHeldRequests() == com.dialgateway.v1.HeldRequests.HELD_REQUESTS_ANSWER;
    return new Hold(
        message.getCaller(),
        message.getReason(),
        Wire.instant(message.getHoldTime()),
        answer ? HeldRequests.ANSWER : HeldRequests.WAIT);
  }

  private static Action action(com.dialgateway.v1.Action message) {
    return new Action(
        KINDS.get(message.getKindValue(), ActionKind.UNSPECIFIED),
        message.getCaller(),
        message.getReason(),
        Wire.instant(message.getActionTime()),
        message.getAnswered());
  }

  private static Map<Outcome, Long> outcomes(OutcomeCounts counts) {
    Map<Outcome, Long> outcomes = new EnumMap<>(Outcome.class);
    outcomes.put(Outcome.ACCEPTED, counts.getAccepted());
    outcomes.put(Outcome.REJECTED, counts.getRejected());
    outcomes.put(Outcome.EXPIRED, counts.getExpired());
    outcomes.put(Outcome.NOT_ACCEPTED, counts.getNotAccepted());
    outcomes.put(Outcome.UNKNOWN, counts.getUnknown());
    return Collections.unmodifiableMap(outcomes);
  }
}
