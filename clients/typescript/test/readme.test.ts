/** The examples of README.md are those in examples/, and the first one runs. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";

import { ScriptedGateway } from "./scripted.js";

const CLIENT = new URL("../../", import.meta.url);

function read(path: string): string {
  return readFileSync(new URL(path, CLIENT), "utf8");
}

test("each example of README.md is part of a file in examples/", () => {
  const examples = readdirSync(new URL("examples/", CLIENT)).map((name) => read(`examples/${name}`));
  const blocks = [...read("README.md").matchAll(/```ts\n(.*?)```/gs)].map(([, code = ""]) => code);
  assert.ok(blocks.length >= 4);
  for (const block of blocks)
    assert.ok(
      examples.some((example) => example.includes(block)),
      block,
    );
});

test("the first example has ten lines or fewer, runs, and ends by itself", { timeout: 120_000 }, async () => {
  assert.ok(read("examples/dial.ts").trim().split("\n").length <= 10);
  assert.ok(read("examples/tls.ts").trim().split("\n").length <= 11, "ten lines besides those of the function");
  const gateway = await ScriptedGateway.start();
  const index = new URL("src/index.js", new URL("build/", CLIENT)).href;
  const code = read("build/examples/dial.js")
    .replace('"dial-gateway-client"', JSON.stringify(index))
    .replace("127.0.0.1:50051", gateway.target);
  const file = fileURLToPath(new URL("build/examples/run.mjs", CLIENT));
  writeFileSync(file, code);
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file]);
    assert.match(stdout, /^[\w-]+ ACCEPTED UNSPECIFIED (ab){16}\n$/);
    assert.equal(stderr, "");
  } finally {
    rmSync(file);
    await gateway.stop();
  }
});
