/** Converts the messages of CampaignService to the values of this package. */

import { create } from "@bufbuild/protobuf";

import type {
  Action,
  ActionDone,
  ActionKind,
  Campaign,
  CampaignCounts,
  CampaignState,
  CampaignUpdate,
  Confirmation,
  Hold,
  Replica,
} from "./campaigns.js";
import * as pb from "./gen/dialgateway/v1/campaign_service_pb.js";
import { dateOf, durationMs, reasonOf } from "./wire.js";

const STATES: Readonly<Record<number, CampaignState>> = {
  [pb.CampaignState.FLOWING]: "FLOWING",
  [pb.CampaignState.COOLING]: "COOLING",
  [pb.CampaignState.PARKED]: "PARKED",
  [pb.CampaignState.HELD]: "HELD",
};

const KINDS: Readonly<Record<number, ActionKind>> = {
  [pb.ActionKind.HOLD]: "HOLD",
  [pb.ActionKind.RELEASE]: "RELEASE",
  [pb.ActionKind.PURGE]: "PURGE",
};

/** Converts one campaign. */
export function campaign(message: pb.Campaign): Campaign {
  return {
    campaignId: message.campaignId,
    ...counts(message),
    reason: reasonOf(message.reason),
    detail: message.detail,
    since: dateOf(message.since),
    retryAfterMs: durationMs(message.retryAfter),
    hold: message.hold === undefined ? undefined : hold(message.hold),
    lastAction: message.lastAction === undefined ? undefined : action(message.lastAction),
    replicas: message.replicas.map((part) => ({ replica: part.replica, ...counts(part) })),
    name: message.name,
    tags: { ...message.tags },
  };
}

/** Converts the replicas of a listing. */
export function replicas(messages: readonly pb.Replica[]): Replica[] {
  return messages.map(({ name, reported }) => ({ name, reported }));
}

/** Converts what came of an action. `missing` stands for a campaign that the response does not have. */
export function actionDone(
  after: pb.Campaign | undefined,
  missing: pb.Campaign,
  answered: bigint,
  confirmed: pb.Confirmation | undefined,
): ActionDone {
  return {
    campaign: campaign(after ?? missing),
    answered: Number(answered),
    confirmation: confirmed === undefined ? undefined : confirmation(confirmed),
  };
}

/** Applies the differences that a watch sends to the state of all campaigns. */
export class WatchedCampaigns {
  readonly #campaigns = new Map<string, Campaign>();
  #changed = new Set<string>();

  /** Applies a message. Returns the state if it is complete now. */
  add(message: pb.WatchCampaignsResponse): CampaignUpdate | undefined {
    for (const one of message.campaigns) {
      this.#campaigns.set(one.campaignId, campaign(one));
      this.#changed.add(one.campaignId);
    }
    for (const gone of message.goneCampaignIds) {
      this.#campaigns.delete(gone);
      this.#changed.add(gone);
    }
    if (!message.complete) return undefined;
    const changed = this.#changed;
    this.#changed = new Set();
    const campaigns = [...this.#campaigns.values()].sort((one, other) => (one.campaignId < other.campaignId ? -1 : 1));
    return { asOf: dateOf(message.asOf), campaigns, changed, replicas: replicas(message.replicas) };
  }
}

function counts(message: pb.Campaign | pb.ReplicaPart): CampaignCounts {
  return {
    state: STATES[message.state] ?? "UNSPECIFIED",
    queued: Number(message.queued),
    inFlight: Number(message.inFlight),
    oldestWaitMs: durationMs(message.oldestWait) ?? 0,
    outcomes: outcomes(message.outcomes ?? create(pb.OutcomeCountsSchema)),
    acceptedPerSecond: message.acceptedPerSecond,
  };
}

function outcomes(message: pb.OutcomeCounts): CampaignCounts["outcomes"] {
  return {
    ACCEPTED: Number(message.accepted),
    REJECTED: Number(message.rejected),
    EXPIRED: Number(message.expired),
    NOT_ACCEPTED: Number(message.notAccepted),
    UNKNOWN: Number(message.unknown),
  };
}

function hold(message: pb.Hold): Hold {
  return {
    caller: message.caller,
    reason: message.reason,
    heldAt: dateOf(message.holdTime),
    heldRequests: message.heldRequests === pb.HeldRequests.ANSWER ? "ANSWER" : "WAIT",
  };
}

function action(message: pb.Action): Action {
  return {
    kind: KINDS[message.kind] ?? "UNSPECIFIED",
    caller: message.caller,
    reason: message.reason,
    doneAt: dateOf(message.actionTime),
    answered: Number(message.answered),
  };
}

function confirmation(message: pb.Confirmation): Confirmation {
  const { confirmedReplicas: confirmed, unconfirmedReplicas: unconfirmed, onlyHere } = message;
  return { confirmed, unconfirmed, onlyHere, complete: unconfirmed.length === 0 && !onlyHere };
}
