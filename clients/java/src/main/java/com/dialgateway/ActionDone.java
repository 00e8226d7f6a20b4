package com.dialgateway;

import org.jspecify.annotations.Nullable;

/**
 * What came of an action.
 *
 * @param campaign the campaign after it
 * @param answered how many dial requests it answered
 * @param confirmation by the replicas; null if the gateway has no shared state, so that the action
 *     applies to one replica only
 */
public record ActionDone(Campaign campaign, long answered, @Nullable Confirmation confirmation) {}
