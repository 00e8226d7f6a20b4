package com.dialgateway;

import java.time.Instant;

/**
 * The last operator action on a campaign.
 *
 * @param kind its kind
 * @param caller who did it
 * @param reason the reason that the caller gave
 * @param doneAt when
 * @param answered how many dial requests it answered
 */
public record Action(
    ActionKind kind, String caller, String reason, Instant doneAt, long answered) {}
