/**
 * The program of this client for the conformance scenarios: it carries out commands from standard input, one JSON
 * object a line, and writes what happens to standard output. It uses only the public API.
 */

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import {
  CallFailed,
  DialGateway,
  DialRequest,
  type Channel,
  type DialRequestInit,
  type DialResult,
  type Notice,
  type Priority,
} from "../src/index.js";

const PHONE = "+12025550123";

/** The fields of all channels. */
interface ChannelFields {
  readonly kind: "telephony" | "sms" | "whats_app" | "email";
  readonly source?: string;
  readonly template?: string;
  readonly address?: string;
  readonly ring_timeout_s?: number;
  readonly await_prompt?: boolean;
}

interface Command {
  readonly do: string;
  readonly id: string;
  readonly campaign?: string;
  readonly campaigns?: readonly string[];
  readonly reason?: string;
  readonly requests?: readonly {
    readonly token: string;
    readonly phone: string;
    readonly expires_in_s: number;
    readonly attributes?: Record<string, string>;
    readonly in_doubt?: boolean;
    readonly channel?: ChannelFields;
  }[];
  readonly generate?: {
    readonly count: number;
    readonly prefix: string;
    readonly expires_in_s: number;
    readonly attribute_bytes: number;
  };
  readonly priority?: Priority;
  readonly close_after?: number;
  readonly throw_after?: number;
  readonly pause_after?: number;
  readonly pause_s?: number;
  readonly quiet?: boolean;
}

/** The error of a reader that fails. */
class OwnError extends Error {}

function write(document: object): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

function nameOf(value: string): string {
  return value === "UNSPECIFIED" ? "" : value;
}

function answerOf(campaign: string, result: DialResult): object {
  return {
    campaign,
    token: result.clientToken,
    outcome: result.outcome,
    reason: nameOf(result.reason),
    detail: result.detail,
    retry_advice: nameOf(result.retryAdvice),
    retry_after_s: (result.retryAfterMs ?? 0) / 1000,
    attempts: result.attempts,
    replayed: result.replayed,
    dial_request_id: result.dialRequestId,
    trace_id: result.traceId,
  };
}

function noticeOf(notice: Notice): object {
  const { campaignId, kind, retryAfterMs = 0 } = notice;
  return { campaign: campaignId, kind: nameOf(kind), retry_after_s: retryAfterMs / 1000 };
}

function inSeconds(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}

/** Makes every `step`-th request of a command from `first` on. */
function* requestsOf(command: Command, first: number, step: number): Generator<DialRequestInit> {
  const { generate, requests = [] } = command;
  if (generate !== undefined) {
    const attributes = generate.attribute_bytes > 0 ? { k: "x".repeat(generate.attribute_bytes) } : {};
    for (let number = first; number < generate.count; number += step) {
      const clientToken = generate.prefix + String(number);
      yield new DialRequest({
        clientToken,
        phoneNumber: PHONE,
        expiresAt: inSeconds(generate.expires_in_s),
        attributes,
      });
    }
  }
  for (const { token, phone, expires_in_s, attributes = {}, in_doubt = false, channel } of requests) {
    const expiresAt = inSeconds(expires_in_s);
    yield {
      clientToken: token,
      phoneNumber: phone,
      expiresAt,
      attributes,
      inDoubt: in_doubt,
      channel: channel && channelOf(channel),
    };
  }
}

function channelOf(fields: ChannelFields): Channel {
  const { kind, source, template: templateArn, address = "", ring_timeout_s = 30, await_prompt } = fields;
  switch (kind) {
    case "sms":
      return { kind, sourcePhoneNumberArn: source, templateArn };
    case "whats_app":
      return { kind: "whatsApp", sourcePhoneNumberArn: source, templateArn };
    case "email":
      return { kind, destinationAddress: address, sourceAddress: source, templateArn };
    case "telephony": {
      const answerMachineDetection = { enabled: true, awaitPrompt: await_prompt };
      return { kind, sourcePhoneNumber: source, ringTimeoutMs: ring_timeout_s * 1000, answerMachineDetection };
    }
  }
}

/** Carries out commands with one client. */
class Program {
  constructor(readonly gateway: DialGateway) {}

  async run(command: Command): Promise<void> {
    const { id } = command;
    try {
      await this.carryOut(command);
      write({ id, end: "ok" });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const own = error instanceof OwnError;
      const { code, reason } = error instanceof CallFailed ? error : { code: "", reason: "" };
      const status = { status: code, reason: reason ?? "" };
      write({ id, end: "error", error: own ? "OWN" : error.name, ...status, message: error.message });
    }
  }

  private async carryOut(command: Command): Promise<void> {
    const { campaign = "", reason = "" } = command;
    const { campaigns } = this.gateway;
    const actions: Record<string, () => Promise<unknown>> = {
      dial: () => this.dial(command),
      put: () => this.put(command),
      hold: () => campaigns.hold(campaign, reason),
      release: () => campaigns.release(campaign, reason),
      purge: () => campaigns.purge(campaign, reason),
      campaigns: () => this.list(command.id),
      memory: () => memory(command.id),
    };
    const action = actions[command.do];
    if (action === undefined) throw new RangeError(`unknown command ${command.do}`);
    await action();
  }

  private async put(command: Command): Promise<void> {
    const { id, campaign = "" } = command;
    for (const result of await this.gateway.put(campaign, requestsOf(command, 0, 1))) {
      write({ id, answer: answerOf(campaign, result) });
    }
  }

  private async dial(command: Command): Promise<void> {
    const { id, campaigns = [command.campaign ?? ""] } = command;
    const counts: Record<string, number> = {};
    let offered = 0;
    function* offer(requests: Iterable<DialRequestInit>): Generator<DialRequestInit> {
      for (const request of requests) {
        offered += 1;
        yield request;
      }
    }
    await Promise.all(
      campaigns.map((campaign, first) =>
        this.dialOne(command, campaign, offer(requestsOf(command, first, campaigns.length)), counts),
      ),
    );
    write({ id, offered });
    if (command.quiet === true) write({ id, counts });
  }

  private async dialOne(
    command: Command,
    campaign: string,
    requests: Iterable<DialRequestInit>,
    counts: Record<string, number>,
  ): Promise<void> {
    const { id, quiet = false, priority = "NORMAL" } = command;
    const onNotice = (notice: Notice): void => {
      if (!quiet) write({ id, notice: noticeOf(notice) });
    };
    let answers = 0;
    for await (const result of this.gateway.dial(campaign, requests, { priority, onNotice })) {
      counts[result.outcome] = (counts[result.outcome] ?? 0) + 1;
      if (!quiet) write({ id, answer: answerOf(campaign, result) });
      answers += 1;
      if (answers === command.throw_after) throw new OwnError("the reader has failed");
      if (answers === command.close_after) break;
      if (answers === command.pause_after) await sleep((command.pause_s ?? 0) * 1000);
    }
  }

  private async list(id: string): Promise<void> {
    const { campaigns } = await this.gateway.campaigns.list();
    write({
      id,
      campaigns: campaigns.map(({ campaignId, state, queued }) => ({ campaign: campaignId, state, queued })),
    });
  }
}

async function memory(id: string): Promise<void> {
  const statm = await readFile("/proc/self/statm", "utf8");
  const pages = Number(statm.split(" ")[1]);
  const { user, system } = process.cpuUsage();
  write({ id, rss_bytes: pages * 4096, cpu_s: (user + system) / 1e6 });
}

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    ca: { type: "string" },
    cert: { type: "string" },
    key: { type: "string" },
    authority: { type: "string" },
    window: { type: "string" },
    keepalive: { type: "string" },
  },
});
const tls =
  values.ca === undefined
    ? undefined
    : { caFile: values.ca, certFile: values.cert, keyFile: values.key, serverName: values.authority };
const gateway = new DialGateway(values.target ?? "127.0.0.1:50051", {
  tls,
  window: values.window === undefined ? undefined : Number(values.window),
  keepaliveMs: values.keepalive === undefined ? undefined : Number(values.keepalive) * 1000,
});
const program = new Program(gateway);
const running: Promise<void>[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== "") running.push(program.run(JSON.parse(line) as Command));
}
await Promise.all(running);
await gateway.close();
