/** The calls of CampaignService. */

import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";

import type { ActionDone, Campaign, CampaignListing, CampaignUpdate, HeldRequests } from "./campaigns.js";
import { actionDone, campaign, replicas, WatchedCampaigns } from "./campaignWire.js";
import type { Channels } from "./channels.js";
import { CallFailed, fromStatus } from "./errors.js";
import * as pb from "./gen/dialgateway/v1/campaign_service_pb.js";
import type { CallMetadata, Method, RpcStatus, ServerStreamCall } from "./transport.js";
import { Wakeup } from "./wakeup.js";
import { dateOf } from "./wire.js";

/** How long a call may take, in milliseconds. Purging a long queue takes the longest. */
const TIMEOUT_MS = 30_000;
const PAGE_SIZE = 1000;

/** Options of every call. */
export interface CallOptions {
  /** Cancels the call, which then rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

/** What the calls need of the client. */
export interface CampaignCaller {
  /** Lends its connections. */
  readonly channels: Channels;
  /** Sent with each call. */
  readonly metadata: CallMetadata;
  /** The calls in progress, which the client aborts when it is closed. */
  readonly calls: Set<{ abort(error: unknown): void }>;
  /** Throws ClientClosed if the client is closed. */
  checkOpen(): void;
}

/**
 * Lists, watches, holds, releases and purges campaigns: `gateway.campaigns`.
 *
 * Each method fails with {@link GatewayUnavailable}, {@link AccessDenied}, {@link GatewayOverloaded} (a limit of the
 * gateway is reached), {@link DeadlineExceeded}, {@link ClientClosed}, or {@link CallFailed} with the status in `code`:
 * `INVALID_ARGUMENT` where a field breaks a rule, `NOT_FOUND` for the release of a campaign that is not held,
 * `FAILED_PRECONDITION` for a release that the shared state of a fleet cannot record.
 *
 * A campaign is an id, or `name:NAME` if the gateway has a campaign directory.
 */
export class Campaigns {
  readonly #caller: CampaignCaller;

  /** @internal */
  constructor(caller: CampaignCaller) {
    this.#caller = caller;
  }

  /**
   * Returns all campaigns that the gateway knows, ordered by id, and the replicas of its fleet.
   *
   * @param options - With `matching`, only those that it means: an id, `name:NAME` or `tag:KEY=VALUE`, each with `*`
   * for any characters. Then campaigns without dial requests are listed too, if the gateway has a directory.
   */
  async list(options: CallOptions & { readonly matching?: string } = {}): Promise<CampaignListing> {
    const { matching = "", signal } = options;
    const found: Campaign[] = [];
    let pageToken = "";
    for (;;) {
      const request = create(pb.ListCampaignsRequestSchema, { pageSize: PAGE_SIZE, pageToken, campaign: matching });
      const page = await this.#unary(pb.CampaignService.method.listCampaigns, request, signal);
      if (page.campaign !== matching) {
        const text = "this gateway is too old to find campaigns by pattern, name or tag";
        throw new CallFailed(text, { code: "UNIMPLEMENTED" });
      }
      found.push(...page.campaigns.map(campaign));
      pageToken = page.nextPageToken;
      if (pageToken === "") return { asOf: dateOf(page.asOf), campaigns: found, replicas: replicas(page.replicas) };
    }
  }

  /**
   * Yields all campaigns now and after each change, at most once in `everyMs` (250 to 60,000, by default 1,000
   * milliseconds). A slow reader gets fewer states, each complete. Fails with {@link GatewayUnavailable} when the
   * replica shuts down.
   */
  async *watch(
    options: CallOptions & { readonly everyMs?: number } = {},
  ): AsyncGenerator<CampaignUpdate, void, undefined> {
    const { everyMs = 1000, signal } = options;
    const minInterval = { seconds: BigInt(Math.floor(everyMs / 1000)), nanos: Math.round((everyMs % 1000) * 1e6) };
    const watched = new WatchedCampaigns();
    for await (const message of this.#responses(create(pb.WatchCampaignsRequestSchema, { minInterval }), signal)) {
      const update = watched.add(message);
      if (update !== undefined) yield update;
    }
  }

  /**
   * Stops calls to Amazon Connect for a campaign.
   *
   * @param campaignId - The campaign.
   * @param reason - Why, for those who see the hold later. The gateway requires it.
   * @param options - `heldRequests`: what happens to its dial requests, by default `WAIT`. `knownOnly`: fail with
   * `NOT_FOUND` for a campaign that the gateway does not know.
   */
  async hold(
    campaignId: string,
    reason: string,
    options: CallOptions & { readonly heldRequests?: HeldRequests; readonly knownOnly?: boolean } = {},
  ): Promise<ActionDone> {
    const { heldRequests = "WAIT", knownOnly = false, signal } = options;
    const request = create(pb.HoldCampaignRequestSchema, {
      campaignId,
      reason,
      heldRequests: pb.HeldRequests[heldRequests],
      knownOnly,
    });
    const done = await this.#unary(pb.CampaignService.method.holdCampaign, request, signal);
    return actionDone(done.campaign, unseen(campaignId), done.answered, done.confirmation);
  }

  /** Allows calls for a held campaign again. */
  async release(campaignId: string, reason = "", options: CallOptions = {}): Promise<ActionDone> {
    const request = create(pb.ReleaseCampaignRequestSchema, { campaignId, reason });
    const done = await this.#unary(pb.CampaignService.method.releaseCampaign, request, options.signal);
    return actionDone(done.campaign, unseen(campaignId), 0n, done.confirmation);
  }

  /**
   * Answers all queued dial requests of a campaign with reason `PURGED`; `answered` says how many there were.
   *
   * @param campaignId - The campaign.
   * @param reason - Why. The gateway requires it.
   * @param options - `knownOnly`: fail with `NOT_FOUND` for a campaign that the gateway does not know.
   */
  async purge(
    campaignId: string,
    reason: string,
    options: CallOptions & { readonly knownOnly?: boolean } = {},
  ): Promise<ActionDone> {
    const { knownOnly = false, signal } = options;
    const request = create(pb.PurgeCampaignRequestSchema, { campaignId, reason, knownOnly });
    const done = await this.#unary(pb.CampaignService.method.purgeCampaign, request, signal);
    return actionDone(done.campaign, unseen(campaignId), done.purged, done.confirmation);
  }

  async #unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageShape<I>,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    signal?.throwIfAborted();
    const { channels, metadata } = this.#caller;
    this.#caller.checkOpen();
    const lease = channels.acquire();
    const call = lease.transport.unary(method, message, { metadata, timeoutMs: TIMEOUT_MS });
    const ending = this.#ending(call, signal);
    try {
      const end = await call.end;
      if ("response" in end) return end.response;
      if (end.failure.code === "UNAVAILABLE") channels.retire(lease);
      throw ending.errorOf(end.failure);
    } finally {
      ending.release();
      channels.release(lease);
    }
  }

  async *#responses(
    request: pb.WatchCampaignsRequest,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<pb.WatchCampaignsResponse, void, undefined> {
    signal?.throwIfAborted();
    const { channels, metadata } = this.#caller;
    this.#caller.checkOpen();
    const lease = channels.acquire();
    const arrived = new Wakeup();
    const queue: pb.WatchCampaignsResponse[] = [];
    let status: RpcStatus | undefined;
    const method = pb.CampaignService.method.watchCampaigns;
    const call: ServerStreamCall = lease.transport.serverStream(method, request, metadata, {
      onMessage: (message) => {
        queue.push(message);
        call.pause(); // the gateway keeps only the newest state for a slow reader
        arrived.set();
      },
      onEnd: (end) => {
        status = end;
        arrived.set();
      },
    });
    const ending = this.#ending(call, signal);
    try {
      for (;;) {
        arrived.clear();
        const message = queue.shift();
        if (message !== undefined) {
          yield message;
          continue;
        }
        call.resume();
        if (status !== undefined) break;
        await arrived.wait();
      }
      if (status.code === "OK") return;
      if (status.code === "UNAVAILABLE") channels.retire(lease);
      throw ending.errorOf(status);
    } finally {
      ending.release();
      call.cancel();
      channels.release(lease);
    }
  }

  /** Cancels a call when its signal is aborted or the client is closed, and names the error of its end. */
  #ending(
    call: { cancel(): void },
    signal: AbortSignal | undefined,
  ): { errorOf(status: RpcStatus): unknown; release(): void } {
    const { calls } = this.#caller;
    let aborted: { readonly error: unknown } | undefined;
    const abort = (error: unknown): void => {
      aborted ??= { error };
      call.cancel();
    };
    const onSignal = (): void => {
      abort(signal?.reason);
    };
    const entry = { abort };
    calls.add(entry);
    signal?.addEventListener("abort", onSignal, { once: true });
    return {
      errorOf: (status) => (aborted === undefined ? fromStatus(status, CallFailed) : aborted.error),
      release: () => {
        calls.delete(entry);
        signal?.removeEventListener("abort", onSignal);
      },
    };
  }
}

function unseen(campaignId: string): pb.Campaign {
  return create(pb.CampaignSchema, { campaignId });
}
