package com.dialgateway;

import java.time.Duration;
import java.util.Map;

/**
 * One replica's part of a campaign. The components are those of {@link Campaign}.
 *
 * @param replica the name of the replica
 * @param state whether dial requests flow from it
 * @param queued dial requests that wait there
 * @param inFlight dial requests in calls in flight from there
 * @param oldestWait how long the oldest queued one has waited
 * @param outcomes answers by outcome
 * @param acceptedPerSecond dial requests that Amazon Connect accepted per second
 */
public record ReplicaPart(
    String replica,
    CampaignState state,
    long queued,
    long inFlight,
    Duration oldestWait,
    Map<Outcome, Long> outcomes,
    double acceptedPerSecond) {}
