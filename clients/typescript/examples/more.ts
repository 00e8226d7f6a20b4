import { DialGateway, GatewayUnavailable, type DialRequest } from "dial-gateway-client";

/** Dials until the service is stopped, and returns the tokens that have no answer. */
export async function dialUntil(
  stopped: AbortSignal,
  gateway: DialGateway,
  requests: AsyncIterable<DialRequest>,
): Promise<readonly string[]> {
  const results = gateway.dial("my-campaign", requests, {
    signal: stopped,
    priority: "HIGH",
    onNotice: (notice) => {
      console.log(notice.campaignId, notice.kind, notice.retryAfterMs);
    },
  });
  try {
    for await (const result of results) console.log(result.clientToken, result.outcome);
  } catch (error) {
    if (error instanceof GatewayUnavailable) console.error(error.message);
    else if (!stopped.aborted) throw error;
  }
  return results.unanswered; // send these again with the same tokens, and those in `results.inDoubt` with inDoubt
}

/** Holds a campaign, and shows what waits for it. */
export async function hold(gateway: DialGateway): Promise<void> {
  const { campaign, confirmation } = await gateway.campaigns.hold("name:payment-reminders", "wrong list");
  console.log(campaign.campaignId, campaign.queued, confirmation?.complete);
  for await (const { campaigns } of gateway.campaigns.watch({ everyMs: 1000 })) {
    for (const each of campaigns) console.log(each.campaignId, each.state, each.queued, each.hold?.reason);
    if (campaigns.every((each) => each.queued === 0)) break;
  }
}
