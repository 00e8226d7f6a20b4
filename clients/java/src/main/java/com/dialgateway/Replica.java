package com.dialgateway;

/**
 * A replica of a fleet.
 *
 * @param name its name
 * @param reported whether its campaigns are part of the listing
 */
public record Replica(String name, boolean reported) {}
