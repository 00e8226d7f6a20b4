package com.dialgateway;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * A message of the gateway besides results. It may be ignored. A newer version of this package may
 * add components.
 *
 * @param kind its subject
 * @param campaign the campaign concerned, as the caller named it; empty if it concerns the whole
 *     gateway
 * @param retryAfter how long the condition may last; null if the gateway does not know
 * @param detail the notice as text for a person, not for parsing
 */
public record Notice(
    NoticeKind kind, String campaign, @Nullable Duration retryAfter, String detail) {}
