package com.dialgateway;

import java.time.Instant;

/**
 * An operator's hold of a campaign.
 *
 * @param caller who holds it
 * @param reason the reason that the caller gave
 * @param heldAt since when
 * @param heldRequests what happens to its dial requests
 */
public record Hold(String caller, String reason, Instant heldAt, HeldRequests heldRequests) {}
