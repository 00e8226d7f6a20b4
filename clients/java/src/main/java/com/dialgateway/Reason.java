package com.dialgateway;

/** Why a dial request was not accepted, or why a campaign does not flow. */
public enum Reason {
  /** No reason: the request was accepted. Also a reason that only a newer gateway knows. */
  UNSPECIFIED,
  /** The gateway's own validation refused it; the detail names the field. */
  INVALID_REQUEST,
  /** Amazon Connect refused it as invalid. */
  INVALID_INPUT,
  /** The token belongs to another phone number or to other attributes. */
  TOKEN_CONFLICT,
  /** Amazon Connect does not know the campaign. */
  CAMPAIGN_NOT_FOUND,
  /** The campaign is not running; the detail names its state. */
  CAMPAIGN_NOT_RUNNING,
  /** The gateway, or this caller, may not send for this campaign. */
  ACCESS_DENIED,
  /** The expiration passed before it could be sent. */
  EXPIRATION_PASSED,
  /** The backlog is so long that it would expire before its turn. */
  WOULD_EXPIRE,
  /** Amazon Connect throttled it until it expired. */
  THROTTLED,
  /** Amazon Connect failed on every attempt. */
  CONNECT_ERROR,
  /** Amazon Connect could not be reached, or an answer was lost. */
  CONNECT_UNREACHABLE,
  /** The replica is shutting down. */
  DRAINING,
  /** An operator holds the campaign. */
  HELD,
  /** An operator removed the waiting requests of the campaign. */
  PURGED,
  /** The gateway had no room for it. */
  OVERLOADED,
  /** The timeout of a {@code put} was about to end. */
  DEADLINE,
  /** It may not be called at this time. */
  OUTSIDE_CALLING_HOURS,
  /** The number must not be called. */
  SUPPRESSED,
  /** The number was called as often as it may be. */
  CONTACT_LIMIT,
  /** Numbers of this kind or region may not be called. */
  NUMBER_NOT_ALLOWED
}
