package com.dialgateway;

/** Whether a campaign's dial requests flow to Amazon Connect. */
public enum CampaignState {
  /** A state that only a newer gateway knows. */
  UNSPECIFIED,
  /** Dial requests flow. */
  FLOWING,
  /** Too few agents or lines: the gateway pauses, then sends small calls. */
  COOLING,
  /** Amazon Connect says that the campaign does not run. */
  PARKED,
  /** An operator holds it. */
  HELD
}
