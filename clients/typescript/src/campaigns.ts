/** The values of campaigns: their state, holds and operator actions. */

import type { Outcome, Reason } from "./values.js";

/** The state of a campaign. `UNSPECIFIED` is a state that this version of the client does not know. */
export type CampaignState = "UNSPECIFIED" | "FLOWING" | "COOLING" | "PARKED" | "HELD";

/** What happens to the dial requests of a held campaign: they wait, or are answered with reason `HELD`. */
export type HeldRequests = "WAIT" | "ANSWER";

/** An operator's action. `UNSPECIFIED` is an action that this version of the client does not know. */
export type ActionKind = "UNSPECIFIED" | "HOLD" | "RELEASE" | "PURGE";

/** Who holds a campaign, why and since when. */
export interface Hold {
  /** The caller's identity, or its address if it has none. */
  readonly caller: string;
  /** The reason that the caller gave. */
  readonly reason: string;
  /** Since when. */
  readonly heldAt: Date | undefined;
  /** What happens to its dial requests. */
  readonly heldRequests: HeldRequests;
}

/** The last operator action on a campaign. */
export interface Action {
  /** The kind of the action. */
  readonly kind: ActionKind;
  /** Who did it. */
  readonly caller: string;
  /** The reason that the caller gave. */
  readonly reason: string;
  /** When. */
  readonly doneAt: Date | undefined;
  /** How many dial requests it answered. */
  readonly answered: number;
}

/** Counts, rates and state of a campaign, at one replica or in a whole fleet. */
export interface CampaignCounts {
  /** Whether dial requests flow. */
  readonly state: CampaignState;
  /** Dial requests that wait for a call to Amazon Connect. */
  readonly queued: number;
  /** Dial requests in calls in flight. */
  readonly inFlight: number;
  /** How long the oldest queued dial request has waited, in milliseconds. */
  readonly oldestWaitMs: number;
  /** Answers by outcome, since the gateway last forgot this campaign. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Dial requests that Amazon Connect accepted per second, over about the last ten seconds. */
  readonly acceptedPerSecond: number;
}

/** One replica's part of a campaign. */
export interface ReplicaPart extends CampaignCounts {
  /** The name of the replica. */
  readonly replica: string;
}

/**
 * One campaign, at one replica of the gateway or, if the replicas share a state, in the whole fleet.
 *
 * `campaignId`, `detail`, names, tags and reasons are untrusted: show them as text, never as markup.
 */
export interface Campaign extends CampaignCounts {
  /** Amazon Connect's id of the campaign. */
  readonly campaignId: string;
  /** Why the campaign does not flow. */
  readonly reason: Reason;
  /** The same for people, with what ends the state. */
  readonly detail: string;
  /** Since when it does not flow; undefined if it flows. */
  readonly since: Date | undefined;
  /** The time until the gateway tries again, in milliseconds, if that is known. */
  readonly retryAfterMs: number | undefined;
  /** The hold, if the campaign is held. */
  readonly hold: Hold | undefined;
  /** The last operator action, if it is remembered. */
  readonly lastAction: Action | undefined;
  /** The part of each replica of a fleet; empty without a shared state. */
  readonly replicas: readonly ReplicaPart[];
  /** Its name in the gateway's campaign directory; empty if that is not known. */
  readonly name: string;
  /** Its tags in the directory; empty if they are not known. */
  readonly tags: Readonly<Record<string, string>>;
}

/** A replica of a fleet. */
export interface Replica {
  /** Its name. */
  readonly name: string;
  /** Whether its campaigns are part of the listing. */
  readonly reported: boolean;
}

/** All campaigns that a gateway knows, at one instant. */
export interface CampaignListing {
  /** When the gateway took the snapshot. */
  readonly asOf: Date | undefined;
  /** The campaigns, in the order of their ids. */
  readonly campaigns: readonly Campaign[];
  /** The replicas of the fleet; empty if the gateway has no shared state. */
  readonly replicas: readonly Replica[];
}

/** A listing of a watch. */
export interface CampaignUpdate extends CampaignListing {
  /** The ids of the campaigns that have changed or gone since the update before. */
  readonly changed: ReadonlySet<string>;
}

/** Which replicas of a fleet have carried out an action. */
export interface Confirmation {
  /** The names of those that have. */
  readonly confirmed: readonly string[];
  /** The names of those that have not said so in time. They may not know of it yet. */
  readonly unconfirmed: readonly string[];
  /**
   * The shared state could not record it, so only the replica that was asked has carried it out. It records a hold as
   * soon as it can; a purge must be asked for again.
   */
  readonly onlyHere: boolean;
  /** Whether all replicas have carried it out. */
  readonly complete: boolean;
}

/** What came of an action. */
export interface ActionDone {
  /** The campaign after it. */
  readonly campaign: Campaign;
  /** How many dial requests it answered. */
  readonly answered: number;
  /** Undefined if the gateway has no shared state: then the action applies to one replica only. */
  readonly confirmation: Confirmation | undefined;
}
