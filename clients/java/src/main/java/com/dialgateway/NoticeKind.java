package com.dialgateway;

/** The subject of a notice. */
public enum NoticeKind {
  /** A kind that only a newer gateway knows. Ignore it. */
  UNSPECIFIED,
  /** The replica is shutting down, or the stream has reached its age. The client reconnects. */
  DRAINING,
  /** Too few agents or lines: the gateway pauses, then tries again by itself. */
  CAMPAIGN_COOLING,
  /** Amazon Connect says that the campaign does not run. */
  CAMPAIGN_PARKED,
  /** An operator holds the campaign. */
  CAMPAIGN_HELD,
  /** The campaign flows again. */
  CAMPAIGN_RESUMED
}
