/** Dial requests: what is refused, and that nothing shows a phone number or an attribute. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { format, inspect } from "node:util";

import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";

import { DialRequestSchema, PutDialRequestsRequestSchema } from "../src/gen/dialgateway/v1/dial_request_service_pb.js";
import { DialRequest, newClientToken, type Channel, type DialRequestInit, type Telephony } from "../src/index.js";
import { putMessage, sizeOf } from "../src/wire.js";
import { PHONE, request, SECRET } from "./scripted.js";

const valid: DialRequestInit = { clientToken: "t", phoneNumber: PHONE, expiresAt: new Date(Date.now() + 60_000) };

suite("what is refused", () => {
  const wrong: [string, object, RegExp][] = [
    // A text may lack a time zone, so only a Date is taken: it is an instant.
    ["a text as expiration", { expiresAt: "2030-01-01T12:00:00" }, /TypeError: expiresAt must be a Date, not string/],
    ["a number as expiration", { expiresAt: Date.now() }, /TypeError: expiresAt must be a Date, not number/],
    ["an invalid date", { expiresAt: new Date("tomorrow") }, /RangeError: expiresAt is not a valid date/],
    ["no expiration", { expiresAt: undefined }, /TypeError: expiresAt must be a Date, not undefined/],
    ["a number as token", { clientToken: 7 }, /TypeError: clientToken must be a string, not number/],
    ["no phone number", { phoneNumber: null }, /TypeError: phoneNumber must be a string, not null/],
    ["half of a surrogate pair", { clientToken: "\ud800" }, /RangeError: clientToken is not valid Unicode text/],
    ["an attribute that is no text", { attributes: { count: 7 } }, /TypeError: a value of attributes must be a string/],
    ["an unknown channel", { channel: { kind: "pigeon" } }, /TypeError: channel.kind must be telephony, sms/],
    [
      "a source that is no text",
      { channel: { kind: "sms", templateArn: 7 } },
      /TypeError: channel.templateArn must be/,
    ],
    [
      "an e-mail without address",
      { channel: { kind: "email" } },
      /TypeError: channel.destinationAddress must be a str/,
    ],
    ["half a millisecond", { channel: { kind: "telephony", ringTimeoutMs: 0.5 } }, /RangeError: channel.ringTimeoutMs/],
    ["an attribute key of half a pair", { attributes: { "\udc00": "" } }, /RangeError: a key of attributes/],
  ];
  for (const [name, change, message] of wrong) {
    test(name, () => {
      assert.throws(
        () => new DialRequest({ ...valid, ...change }),
        (error: Error) => message.test(error.toString()) && !error.message.includes(PHONE),
      );
    });
  }
});

suite("what is shown", () => {
  const secret = request("t-1");
  const texts = {
    inspect: inspect(secret, { depth: Infinity, showHidden: true }),
    console: format("%o %j %s", secret, secret, secret),
    nested: inspect({ list: [secret] }, { depth: Infinity }),
    template: String(secret),
    json: JSON.stringify({ secret }),
    // eslint-disable-next-line @typescript-eslint/no-misused-spread -- the caller's mistake is what is tested
    spread: inspect({ ...secret }),
  };
  for (const [name, text] of Object.entries(texts)) {
    test(`neither phone number nor attributes, but the token: ${name}`, () => {
      assert.ok(!text.includes(PHONE) && !text.includes(SECRET), text);
      assert.match(text, /t-1/);
    });
  }
});

suite("channels", () => {
  const channels: Channel[] = [
    {
      kind: "telephony",
      sourcePhoneNumber: "+12065550199",
      ringTimeoutMs: 30_500,
      answerMachineDetection: { enabled: true, awaitPrompt: false },
    },
    { kind: "telephony" },
    { kind: "sms", sourcePhoneNumberArn: "arn:one", templateArn: "arn:two" },
    { kind: "whatsApp", templateArn: "arn:two" },
    { kind: "email", destinationAddress: "ada@example.com", sourceAddress: "news@example.com", templateArn: "arn" },
  ];
  for (const channel of channels) {
    test(`${channel.kind} with ${Object.keys(channel).length.toString()} fields arrives, and is not shown`, () => {
      const made = new DialRequest({ ...valid, channel });
      const sent = fromBinary(PutDialRequestsRequestSchema, written(made)).dialRequests[0]?.channel;
      const { kind, ...fields } = channel;
      assert.equal(sent?.case, kind);
      assert.deepEqual(toJson(DialRequestSchema, { ...create(DialRequestSchema), channel: sent }), {
        [kind]: contract(fields as Partial<Telephony>),
      });
      assert.deepEqual(made.markedInDoubt().channel, channel);
      const shown = `${inspect(made, { depth: Infinity, showHidden: true })} ${JSON.stringify(made)} ${String(made)}`;
      assert.ok(!/2065550199|arn|example/.test(shown), shown);
      assert.ok(sizeOf(made) <= made.mostBytes);
    });
  }

  // The JSON of the contract has a duration as a text.
  function contract({ ringTimeoutMs, ...others }: Partial<Telephony>): object {
    return ringTimeoutMs === undefined ? others : { ...others, ringTimeout: `${(ringTimeoutMs / 1000).toFixed(3)}s` };
  }

  function written(one: DialRequest): Uint8Array {
    return toBinary(PutDialRequestsRequestSchema, putMessage("c", [one], "NORMAL"));
  }
});

test("a request copies its values", () => {
  const expiresAt = new Date(1_900_000_000_000);
  const attributes = { a: "1" };
  const made = new DialRequest({ ...valid, expiresAt, attributes });
  expiresAt.setTime(0);
  attributes.a = "2";
  assert.equal(made.expiresAt.getTime(), 1_900_000_000_000);
  assert.deepEqual(made.attributes, { a: "1" });
  assert.deepEqual(made.markedInDoubt().attributes, { a: "1" });
  assert.equal(made.markedInDoubt().inDoubt, true);
});

test("an attribute may be named like a property of every object", () => {
  const attributes = JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, string>;
  assert.deepEqual(Object.entries(new DialRequest({ ...valid, attributes }).attributes), Object.entries(attributes));
});

test("the size bound of a request is never below its real size", () => {
  const large = "é".repeat(30_000);
  for (const made of [
    new DialRequest(valid),
    new DialRequest({ ...valid, clientToken: "t".repeat(200), traceparent: `00-${"a".repeat(52)}`, inDoubt: true }),
    new DialRequest({
      ...valid,
      attributes: Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [String(n), ""])),
    }),
    new DialRequest({ ...valid, clientToken: large, attributes: { "😀": large } }),
  ]) {
    assert.ok(sizeOf(made) <= made.mostBytes, `${String(sizeOf(made))} > ${String(made.mostBytes)}`);
  }
});

test("tokens are unique and valid for Amazon Connect", () => {
  assert.match(newClientToken(), /^[\w.-]{1,200}$/);
  assert.notEqual(newClientToken(), newClientToken());
});
