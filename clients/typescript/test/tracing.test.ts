/** The trace context comes from OpenTelemetry. */

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { context, trace, TraceFlags } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";

import { DialGateway, DialRequest } from "../src/index.js";
import { all, PHONE, ScriptedGateway } from "./scripted.js";

const SPAN = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
};
const TRACEPARENT = `00-${SPAN.traceId}-${SPAN.spanId}-01`;
const OTHER = "00-11111111111111111111111111111111-2222222222222222-00";

const init = { clientToken: "t", phoneNumber: PHONE, expiresAt: new Date(Date.now() + 60_000) };

function inSpan<T>(run: () => T): T {
  return context.with(trace.setSpanContext(context.active(), SPAN), run);
}

suite("tracing", () => {
  before(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  });
  after(() => {
    context.disable();
  });

  test("a request keeps the span in which it was made, or that of the caller", () => {
    assert.equal(inSpan(() => new DialRequest(init)).traceparent, TRACEPARENT);
    assert.equal(inSpan(() => new DialRequest({ ...init, traceparent: OTHER })).traceparent, OTHER);
    assert.equal(inSpan(() => new DialRequest({ ...init, traceparent: "" })).traceparent, undefined);
    assert.equal(new DialRequest(init).traceparent, undefined);
  });

  test("calls carry the span in which they were made", async () => {
    const gateway = await ScriptedGateway.start();
    const client = new DialGateway(gateway.target);
    await inSpan(() => all(client.dial("c", [init, new DialRequest({ ...init, traceparent: OTHER })])));
    await all(client.dial("c", [init]));
    const [traced, untraced] = gateway.streams;
    assert.equal(traced?.metadata["traceparent"], TRACEPARENT);
    assert.deepEqual(
      traced.messages.flatMap((message) => message.dialRequests.map((each) => each.traceparent)),
      ["", OTHER],
    );
    assert.equal(untraced?.metadata["traceparent"], undefined);
    await client.close();
    await gateway.stop();
  });
});
