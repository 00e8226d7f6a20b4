package com.dialgateway;

import java.util.List;

/**
 * Which replicas of a fleet have carried out an action.
 *
 * @param confirmed the names of those that have
 * @param unconfirmed the names of those that have not said so in time; they may not know of it
 * @param onlyHere whether the shared state could not record it, so that only the replica that was
 *     asked has carried it out. It records a hold as soon as it can; a purge must be asked for
 *     again
 */
public record Confirmation(List<String> confirmed, List<String> unconfirmed, boolean onlyHere) {
  /**
   * Returns whether all replicas have carried it out.
   *
   * @return true if none is missing
   */
  public boolean complete() {
    return unconfirmed.isEmpty() && !onlyHere;
  }
}
