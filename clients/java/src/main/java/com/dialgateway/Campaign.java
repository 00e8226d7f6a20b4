package com.dialgateway;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One campaign, at one replica of the gateway or, if the replicas share a state, in the whole
 * fleet. In a fleet, counts and rates are sums. Ids, names, tags, details and reasons are
 * untrusted: show them as text, never as markup. A newer version of this package may add
 * components.
 *
 * @param id Amazon Connect's id, as callers sent it
 * @param state whether its dial requests flow
 * @param queued dial requests that wait for a call
 * @param inFlight dial requests in calls in flight
 * @param oldestWait how long the oldest queued one has waited
 * @param outcomes answers by outcome, since the gateway last forgot this campaign
 * @param acceptedPerSecond dial requests that Amazon Connect accepted per second, over about ten
 *     seconds
 * @param reason why it does not flow
 * @param detail the reason for a person, with what ends the state
 * @param since since when it does not flow; null if it flows
 * @param retryAfter when the gateway tries again; null if it flows or that is unknown
 * @param hold the hold; null if it is not held
 * @param lastAction the last action; null if none is remembered
 * @param replicas the part of each replica; empty without a fleet
 * @param name its name in the gateway's directory; empty if that does not know it
 * @param tags its tags in the gateway's directory
 */
public record Campaign(
    String id,
    CampaignState state,
    long queued,
    long inFlight,
    Duration oldestWait,
    Map<Outcome, Long> outcomes,
    double acceptedPerSecond,
    Reason reason,
    String detail,
    @Nullable Instant since,
    @Nullable Duration retryAfter,
    @Nullable Hold hold,
    @Nullable Action lastAction,
    List<ReplicaPart> replicas,
    String name,
    Map<String, String> tags) {}
