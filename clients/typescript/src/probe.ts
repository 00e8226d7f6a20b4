/**
 * Probes new connections.
 *
 * A probe is a unary call with an empty list. It is sent over each new connection before any dial request. If the
 * gateway is unreachable or draining, even behind a proxy that accepts connections, the probe fails and no request is
 * in doubt, because none was sent.
 */

import type { CallContext } from "./callContext.js";
import type { Lease } from "./channels.js";
import { fromStatus, type CallFailed } from "./errors.js";
import { DialRequestService } from "./gen/dialgateway/v1/dial_request_service_pb.js";
import { RECONNECT_STATUSES } from "./retry.js";
import type { RpcStatus } from "./transport.js";
import { putMessage } from "./wire.js";

/** How long connecting and the answer to the probe may take together, in milliseconds. */
export const PROBE_MS = 10_000;

/** Sends an empty list. Returns the failure, or undefined if the gateway has answered. */
export async function askForNothing(
  lease: Lease,
  context: CallContext,
  timeoutMs: number,
  onCancel: (cancel: () => void) => void,
): Promise<CallFailed | undefined> {
  const message = putMessage(context.campaignId, [], context.priority);
  const options = { metadata: context.metadata, timeoutMs: Math.min(timeoutMs, PROBE_MS) };
  const call = lease.transport.unary(DialRequestService.method.putDialRequests, message, options);
  onCancel(call.cancel);
  const end = await call.end;
  return "failure" in end ? fromStatus(ofProbe(end.failure)) : undefined;
}

/** Probes a channel that was not probed before. Returns the failure, or undefined if the gateway has answered. */
export async function probe(
  lease: Lease,
  context: CallContext,
  timeoutMs: number,
  onCancel: (cancel: () => void) => void,
): Promise<CallFailed | undefined> {
  if (lease.probed) return undefined;
  const failure = await askForNothing(lease, context, timeoutMs, onCancel);
  // Any other status shows that something answers for the gateway. The call itself gets its own status, and may be
  // permitted although the probe is not.
  if (failure !== undefined && RECONNECT_STATUSES.has(failure.code)) return failure;
  lease.probed = true;
  return undefined;
}

function ofProbe(status: RpcStatus): RpcStatus {
  if (status.code !== "DEADLINE_EXCEEDED") return status;
  return { ...status, code: "UNAVAILABLE", details: `no answer in time (${status.details})` };
}
