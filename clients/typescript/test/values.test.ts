/** Dial requests: what is refused, and that nothing shows a phone number or an attribute. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { format, inspect } from "node:util";

import { DialRequest, newClientToken, type DialRequestInit } from "../src/index.js";
import { sizeOf } from "../src/wire.js";
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
