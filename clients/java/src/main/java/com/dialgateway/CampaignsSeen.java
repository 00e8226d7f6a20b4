package com.dialgateway;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * All campaigns at one instant.
 *
 * @param asOf when the gateway took the snapshot
 * @param campaigns the campaigns by id, in the order of the ids
 * @param changed the ids that have changed since the state before, those that are gone included;
 *     empty in a list
 * @param replicas the replicas of the fleet; empty without one
 */
public record CampaignsSeen(
    Instant asOf, Map<String, Campaign> campaigns, Set<String> changed, List<Replica> replicas) {}
