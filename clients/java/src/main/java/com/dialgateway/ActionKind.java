package com.dialgateway;

/** An operator's action on a campaign. */
public enum ActionKind {
  /** An action that only a newer gateway knows. */
  UNSPECIFIED,
  /** It was held. */
  HOLD,
  /** It was released. */
  RELEASE,
  /** Its queued dial requests were removed. */
  PURGE
}
