/** `gateway.campaigns` against a scripted service with real sockets. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Server, ServerCredentials, status, type ServerUnaryCall, type ServerWritableStream } from "@grpc/grpc-js";

import * as pb from "../src/gen/dialgateway/v1/campaign_service_pb.js";
import { CallFailed, DialGateway, GatewayUnavailable, type CampaignUpdate } from "../src/index.js";
import { definition } from "./scripted.js";

type Done = (error: object | null, response?: unknown) => void;
type Handlers = Record<string, (call: never, done: Done) => void>;

/** Runs a test with a service of some methods and a client. */
async function withService(handlers: Handlers, run: (client: DialGateway) => Promise<void>): Promise<void> {
  const server = new Server();
  const methods = Object.entries(pb.CampaignService.method).filter(([name]) => name in handlers);
  server.addService(Object.fromEntries(methods.map(([name, method]) => [name, definition(method)])), handlers as never);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const client = new DialGateway(`127.0.0.1:${String(port)}`);
  try {
    await run(client);
  } finally {
    await client.close();
    server.forceShutdown();
  }
}

const HELD: MessageInitShape<typeof pb.CampaignSchema> = {
  campaignId: "a",
  state: pb.CampaignState.HELD,
  queued: 3n,
  inFlight: 2n,
  oldestWait: { seconds: 1n, nanos: 500_000_000 },
  outcomes: { accepted: 7n, notAccepted: 1n },
  acceptedPerSecond: 1.5,
  reason: 13,
  detail: "held",
  since: { seconds: 1_900_000_000n },
  hold: { caller: "ops", reason: "wrong list", holdTime: { seconds: 1_900_000_000n }, heldRequests: 2 },
  lastAction: { kind: pb.ActionKind.HOLD, caller: "ops", reason: "wrong list", answered: 4n },
  replicas: [{ replica: "one", state: 77 as pb.CampaignState, queued: 3n }],
  name: "payments",
  tags: { team: "billing" },
};

suite("campaigns", { timeout: 120_000 }, () => {
  test("all pages are listed", async () => {
    const asked: [string, string][] = [];
    await withService(
      {
        listCampaigns: ({ request }: ServerUnaryCall<pb.ListCampaignsRequest, never>, done) => {
          asked.push([request.pageToken, request.campaign]);
          const more = request.pageToken === "";
          const campaigns = more ? [HELD] : [{ campaignId: "b", state: pb.CampaignState.FLOWING }];
          const page = { campaigns, nextPageToken: more ? "2" : "", campaign: request.campaign };
          const replicas = [{ name: "one", reported: true }];
          done(null, create(pb.ListCampaignsResponseSchema, { ...page, replicas, asOf: { seconds: 1_900_000_000n } }));
        },
      },
      async (client) => {
        const listing = await client.campaigns.list({ matching: "name:pay*" });
        assert.deepEqual(asked, [
          ["", "name:pay*"],
          ["2", "name:pay*"],
        ]);
        assert.deepEqual(listing.replicas, [{ name: "one", reported: true }]);
        assert.deepEqual(listing.asOf, new Date(1_900_000_000_000));
        assert.deepEqual(
          listing.campaigns.map((each) => [each.campaignId, each.state]),
          [
            ["a", "HELD"],
            ["b", "FLOWING"],
          ],
        );
        const [held] = listing.campaigns;
        assert.equal(held?.oldestWaitMs, 1500);
        assert.deepEqual(held.outcomes, { ACCEPTED: 7, REJECTED: 0, EXPIRED: 0, NOT_ACCEPTED: 1, UNKNOWN: 0 });
        assert.deepEqual(held.hold, {
          caller: "ops",
          reason: "wrong list",
          heldAt: new Date(1_900_000_000_000),
          heldRequests: "ANSWER",
        });
        assert.equal(held.lastAction?.kind, "HOLD");
        assert.deepEqual([held.reason, held.name, held.tags], ["HELD", "payments", { team: "billing" }]);
        assert.equal(held.replicas[0]?.state, "UNSPECIFIED");
      },
    );
  });

  test("a gateway that does not know patterns is reported", async () => {
    await withService(
      {
        listCampaigns: (_: never, done) => {
          done(null, create(pb.ListCampaignsResponseSchema));
        },
      },
      async (client) => {
        await assert.rejects(client.campaigns.list({ matching: "a*" }), { name: "CallFailed", code: "UNIMPLEMENTED" });
      },
    );
  });

  test("actions send their arguments and return what came of them", async () => {
    const seen: object[] = [];
    const confirmation = { confirmedReplicas: ["one"], unconfirmedReplicas: ["two"] };
    await withService(
      {
        holdCampaign: ({ request }: ServerUnaryCall<pb.HoldCampaignRequest, never>, done) => {
          seen.push(request);
          done(null, create(pb.HoldCampaignResponseSchema, { campaign: HELD, answered: 4n, confirmation }));
        },
        releaseCampaign: ({ request }: ServerUnaryCall<pb.ReleaseCampaignRequest, never>, done) => {
          seen.push(request);
          done({ code: status.NOT_FOUND, details: "campaign_id: not held" });
        },
        purgeCampaign: ({ request }: ServerUnaryCall<pb.PurgeCampaignRequest, never>, done) => {
          seen.push(request);
          done(null, create(pb.PurgeCampaignResponseSchema, { campaign: HELD, purged: 5n }));
        },
      },
      async (client) => {
        const held = await client.campaigns.hold("a", "wrong list", { heldRequests: "ANSWER", knownOnly: true });
        assert.equal(held.answered, 4);
        assert.deepEqual(held.confirmation, {
          confirmed: ["one"],
          unconfirmed: ["two"],
          onlyHere: false,
          complete: false,
        });
        await assert.rejects(client.campaigns.release("a"), (error: CallFailed) => {
          assert.equal(error.constructor, CallFailed);
          assert.equal(error.code, "NOT_FOUND");
          return true;
        });
        const purged = await client.campaigns.purge("a", "wrong list");
        assert.equal(purged.answered, 5);
        assert.equal(purged.confirmation, undefined);
      },
    );
    const [hold, release, purge] = seen as [pb.HoldCampaignRequest, pb.ReleaseCampaignRequest, pb.PurgeCampaignRequest];
    assert.deepEqual([hold.campaignId, hold.reason, hold.heldRequests, hold.knownOnly], ["a", "wrong list", 2, true]);
    assert.equal(release.campaignId, "a");
    assert.deepEqual([purge.reason, purge.knownOnly], ["wrong list", false]);
  });

  test("a watch applies differences, and ends with a break", async () => {
    let cancelled = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    const messages: MessageInitShape<typeof pb.WatchCampaignsResponseSchema>[] = [
      { campaigns: [{ campaignId: "b" }] },
      { campaigns: [HELD], complete: true },
      { campaigns: [{ campaignId: "c" }], goneCampaignIds: ["b"], complete: true },
    ];
    await withService(
      {
        watchCampaigns: (call: ServerWritableStream<pb.WatchCampaignsRequest, pb.WatchCampaignsResponse>) => {
          assert.equal(call.request.minInterval?.nanos, 250_000_000);
          call.on("cancelled", cancelled);
          for (const message of messages) call.write(create(pb.WatchCampaignsResponseSchema, message));
        },
      },
      async (client) => {
        const updates: CampaignUpdate[] = [];
        for await (const update of client.campaigns.watch({ everyMs: 250 })) {
          updates.push(update);
          if (updates.length === 2) break;
        }
        assert.deepEqual(
          updates.map((update) => update.campaigns.map((each) => each.campaignId)),
          [
            ["a", "b"],
            ["a", "c"],
          ],
        );
        assert.deepEqual(updates[1]?.changed, new Set(["b", "c"]));
        await ended;
      },
    );
  });

  test("a watch ends with the replica, with a signal and with the client", async () => {
    let ends = 0;
    await withService(
      {
        watchCampaigns: (call: ServerWritableStream<pb.WatchCampaignsRequest, pb.WatchCampaignsResponse>) => {
          ends += 1;
          call.write(create(pb.WatchCampaignsResponseSchema, { complete: true }));
          if (ends === 1) call.emit("error", { code: status.UNAVAILABLE, details: "draining" });
        },
      },
      async (client) => {
        const watch = async (signal?: AbortSignal, onFirst?: () => void): Promise<void> => {
          for await (const _ of client.campaigns.watch({ signal })) onFirst?.();
        };
        await assert.rejects(watch(), GatewayUnavailable);
        const controller = new AbortController();
        await assert.rejects(
          watch(controller.signal, () => {
            controller.abort(new Error("enough"));
          }),
          /enough/,
        );
        await assert.rejects(
          watch(undefined, () => {
            void client.close();
          }),
          { name: "ClientClosed" },
        );
      },
    );
  });
});
