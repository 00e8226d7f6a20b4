/** The client: `DialGateway`. */

import { SYSTEM_CLOCK, type CallContext } from "./callContext.js";
import { Campaigns, type CallOptions } from "./campaignCalls.js";
import { Channels } from "./channels.js";
import { DialState } from "./dialState.js";
import { DialStream } from "./dialStream.js";
import type { Requests } from "./dialSource.js";
import { ClientClosed, DialGatewayError, type CallFailed } from "./errors.js";
import { GrpcTransport } from "./grpcTransport.js";
import { askForNothing, PROBE_MS } from "./probe.js";
import { Put, PutAttempts } from "./put.js";
import { retryPolicy, type RetryPolicy } from "./retry.js";
import { Credentials, type TlsOptions } from "./tls.js";
import { activeTraceparent } from "./tracing.js";
import type { CallMetadata, Transport } from "./transport.js";
import { asDialRequest, type DialRequestInit, type DialResult, type Notice, type Priority } from "./values.js";
import { checkPriority, largestRequest } from "./wire.js";

/** Options of a client. */
export interface DialGatewayOptions {
  /** TLS, and mutual TLS: files or their contents; `true` for TLS with the authorities of Node.js. Default: no TLS. */
  readonly tls?: TlsOptions | boolean | undefined;
  /**
   * How many requests of one `dial()` may be without an answer. No more than this are read from its source in advance.
   * Default: 2,000.
   */
  readonly window?: number | undefined;
  /** How many requests are sent in one message at most. Default: 100. */
  readonly chunk?: number | undefined;
  /** Sent with every call, such as the caller's credentials. Names are in lower case. */
  readonly metadata?: CallMetadata | undefined;
  /** What is sent again, how fast and until when; `NO_RETRIES` switches it off. */
  readonly retry?: Partial<RetryPolicy> | undefined;
  /**
   * During calls the connection is checked after this much silence, in milliseconds, and a stream that waits for
   * answers sends an empty message. The gateway allows 10,000 or more. Default: 30,000.
   */
  readonly keepaliveMs?: number | undefined;
  /**
   * Whether to use the proxy that the environment names (`grpc_proxy`, `https_proxy`, `http_proxy`, except for the
   * hosts in `no_proxy`). By default it is ignored.
   */
  readonly httpProxy?: boolean | undefined;
  /**
   * Called when a connection fails or could not be made, while the client goes on to reconnect: with the reason, such
   * as a refused connection or a certificate that is not trusted. By default the process emits a warning, which
   * Node.js writes to standard error.
   */
  readonly onConnectionLost?: ((error: CallFailed) => void) | undefined;
  /** Returns numbers from 0 to 1, for the lengths of pauses. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Opens a connection to the gateway. Default: with grpc-js. For tests, and for other transports. */
  readonly openTransport?: (() => Transport) | undefined;
}

/** Options of one `dial()`. */
export interface DialOptions extends CallOptions {
  /** How urgent these requests are compared with others at the gateway. Default: `NORMAL`. */
  readonly priority?: Priority | undefined;
  /** Called with each notice of the gateway. An error that it throws ends the `dial()`. */
  readonly onNotice?: ((notice: Notice) => void) | undefined;
}

/** Options of one `put()`. */
export interface PutOptions extends CallOptions {
  /**
   * The time for all attempts together, in milliseconds. Shortly before it ends the gateway answers: with the settled
   * results, and for the rest `NOT_ACCEPTED` or `UNKNOWN` with reason `DEADLINE`. Default: 30,000.
   */
  readonly timeoutMs?: number | undefined;
  /** How urgent these requests are compared with others at the gateway. Default: `NORMAL`. */
  readonly priority?: Priority | undefined;
}

/** The results of one `dial()`. Use it in `for await`; a `break` cancels the stream. */
export interface DialResults extends AsyncIterableIterator<DialResult, undefined, undefined> {
  /** The tokens of the requests that were read from the source and have no answer, oldest first. */
  readonly unanswered: readonly string[];
  /** Those of `unanswered` that Amazon Connect may have. */
  readonly inDoubt: readonly string[];
  /** Ends the `dial()`: cancels the stream, and closes the source. */
  return(): Promise<IteratorResult<DialResult, undefined>>;
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Sends dial requests to a gateway and gives one answer to each.
 *
 * ```ts
 * const gateway = new DialGateway("127.0.0.1:50051");
 * for await (const result of gateway.dial("my-campaign", requests)) {
 *   console.log(result.clientToken, result.outcome);
 * }
 * await gateway.close();
 * ```
 *
 * One client has one connection, and replaces it when it breaks or its replica shuts down. Share it: any number of
 * `dial()` and `put()` may run at the same time.
 */
export class DialGateway {
  /** Lists, watches, holds, releases and purges campaigns. */
  readonly campaigns: Campaigns;
  readonly #channels: Channels;
  readonly #calls = new Set<{ abort(error: unknown): void; close?(): Promise<void> }>();
  readonly #settings: Settings;
  #closed = false;

  /**
   * Prepares a client. It connects at its first call.
   *
   * @param target - `host:port` of the gateway, or any target of gRPC, such as `dns:///name:port`.
   * @param options - How to connect, what to send and what to repeat.
   * @throws RangeError for options that contradict each other, and the error of a file of `tls` that cannot be read.
   */
  constructor(target: string, options: DialGatewayOptions = {}) {
    this.#settings = settingsOf(options);
    this.#channels = new Channels(options.openTransport ?? grpcOf(target, options, this.#settings.keepaliveMs));
    this.campaigns = new Campaigns({
      channels: this.#channels,
      metadata: this.#settings.metadata,
      calls: this.#calls,
      checkOpen: () => {
        this.#checkOpen();
      },
    });
  }

  /**
   * Sends the requests, and gives the one answer to each as soon as it is known.
   *
   * This is one stream over any number of connections. When a connection breaks or its replica drains, the requests
   * without an answer are sent again over another one, with the same tokens. Answers that advise to send the same token
   * again are not given to the caller: the client does that itself, as the retry policy says, until the request
   * expires. A request of more than 256 KiB is `REJECTED` without being sent.
   *
   * Requests are read from the source as far as the window allows, and sent as soon as the source has no further one
   * ready. Leaving the loop early cancels the stream: the gateway drops the requests that it has not yet sent to Amazon
   * Connect, and the source is closed.
   *
   * The iteration fails with
   * - {@link GatewayUnavailable}: the gateway was unreachable for longer than the retry policy allows;
   * - {@link AccessDenied}, {@link GatewayOverloaded}, {@link StreamBroken}: the stream ended with an error that a new
   *   connection cannot fix. `error.unanswered` has the tokens without an answer: send them again unchanged, and those
   *   in `error.inDoubt` with `inDoubt`;
   * - {@link ClientClosed}: the client was closed;
   * - the reason of `options.signal`, when that is aborted;
   * - any error of the source, after the stream is cancelled.
   *
   * @param campaignId - Amazon Connect's id of the campaign that all the requests belong to, or `name:` and its name if
   *   the gateway has a campaign directory.
   * @param requests - The source: any iterable or async iterable. It is closed at the end.
   */
  dial(campaignId: string, requests: Requests, options: DialOptions = {}): DialResults {
    const { window, chunk, policy, jitter } = this.#settings;
    const context = this.#context(campaignId, options.priority);
    const state = new DialState({ window, chunk, policy, jitter, largest: largestRequest(campaignId) });
    const stream = new DialStream(this.#channels, context, requests, state);
    return new Results(this.#run(stream, options), stream, state);
  }

  /**
   * Sends one short list and waits for all its answers, in the order of the requests.
   *
   * If the gateway or the connection fails (`UNAVAILABLE`, `INTERNAL`, or `CANCELLED` but not by this client), the list
   * is sent again with the same tokens, as the retry policy says.
   *
   * It fails with
   * - {@link GatewayUnavailable}: the gateway was not reached in time, or every attempt was broken off;
   * - {@link GatewayOverloaded}: the gateway took nothing of the list;
   * - RangeError: the list is too large for one message; nothing was sent;
   * - {@link DeadlineExceeded}, {@link StreamBroken}: the gateway may have taken the list: send the same tokens again;
   * - {@link ClientClosed}: the client was closed;
   * - the reason of `options.signal`, when that is aborted.
   *
   * @param campaignId - Amazon Connect's id of the campaign that all the requests belong to, or `name:` and its name if
   *   the gateway has a campaign directory.
   * @param requests - At most as many as the gateway's window (5,000 unless configured otherwise), and at most 4 MiB as
   * one message.
   */
  async put(campaignId: string, requests: Iterable<DialRequestInit>, options: PutOptions = {}): Promise<DialResult[]> {
    const { timeoutMs = 30_000, signal } = options;
    this.#checkOpen();
    signal?.throwIfAborted();
    const { policy, jitter } = this.#settings;
    const context = this.#context(campaignId, options.priority);
    const list = Array.from(requests, asDialRequest);
    const put = new Put(this.#channels, context, new PutAttempts(context, list, timeoutMs, policy, jitter));
    return this.#tracked(put, signal, () => put.run());
  }

  /**
   * Connects now. This is not necessary: it shows at once, for example at the start of a service, whether the gateway
   * can be reached, trusts this client and is trusted by it.
   *
   * @throws GatewayUnavailable within ten seconds with the reason, AccessDenied if the gateway does not serve this
   * caller, and StreamBroken if something else answers.
   */
  async connect(options: CallOptions = {}): Promise<void> {
    this.#checkOpen();
    options.signal?.throwIfAborted();
    const lease = this.#channels.acquire();
    let aborted: { readonly error: unknown } | undefined;
    let cancel = (): void => undefined;
    const call = {
      abort: (error: unknown) => {
        aborted ??= { error };
        cancel();
      },
    };
    try {
      await this.#tracked(call, options.signal, async () => {
        const failure = await askForNothing(lease, this.#context("", undefined), PROBE_MS, (cancelProbe) => {
          cancel = cancelProbe;
        });
        if (aborted !== undefined) throw aborted.error;
        if (failure === undefined) return;
        this.#channels.retire(lease);
        throw failure;
      });
      lease.probed = true;
    } finally {
      this.#channels.release(lease);
    }
  }

  /** Closes the connection. Calls in progress fail with {@link ClientClosed}. May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    const calls = [...this.#calls];
    for (const call of calls) call.abort(new ClientClosed("the client was closed"));
    await Promise.all(calls.map(async (call) => call.close?.()));
    this.#channels.close();
  }

  /** Closes the connection, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#run(stream: DialStream, options: DialOptions): AsyncGenerator<DialResult, undefined, undefined> {
    const { onNotice, signal } = options;
    this.#checkOpen();
    signal?.throwIfAborted();
    const onAbort = (): void => {
      stream.abort(signal?.reason);
    };
    this.#calls.add(stream);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      stream.start();
      for (;;) {
        const results = await stream.receive(onNotice);
        if (results === undefined) return undefined;
        for (const result of results) yield result;
      }
    } finally {
      this.#calls.delete(stream);
      signal?.removeEventListener("abort", onAbort);
      await stream.close();
    }
  }

  async #tracked<T>(
    call: { abort(error: unknown): void },
    signal: AbortSignal | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    const onAbort = (): void => {
      call.abort(signal?.reason);
    };
    this.#calls.add(call);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await run();
    } finally {
      this.#calls.delete(call);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #context(campaignId: string, priority: Priority = "NORMAL"): CallContext {
    checkPriority(priority);
    const { metadata, keepaliveMs, onConnectionLost } = this.#settings;
    const traceparent = activeTraceparent();
    return {
      campaignId,
      priority,
      metadata: traceparent === undefined ? metadata : { traceparent, ...metadata },
      clock: SYSTEM_CLOCK,
      idleMessageMs: keepaliveMs,
      onConnectionLost,
    };
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClientClosed("the client is closed");
  }
}

interface Settings {
  readonly window: number;
  readonly chunk: number;
  readonly policy: RetryPolicy;
  readonly jitter: () => number;
  readonly metadata: CallMetadata;
  readonly keepaliveMs: number;
  readonly onConnectionLost: (error: CallFailed) => void;
}

function settingsOf(options: DialGatewayOptions): Settings {
  const { window = 2000, chunk = 100, keepaliveMs = 30_000 } = options;
  if (!(window >= 1 && chunk >= 1)) throw new RangeError("window and chunk must be at least 1");
  if (!(keepaliveMs > 0)) throw new RangeError("keepaliveMs must be more than 0");
  return {
    window,
    chunk,
    keepaliveMs,
    policy: retryPolicy(options.retry),
    jitter: options.random ?? Math.random,
    metadata: { ...options.metadata },
    onConnectionLost: options.onConnectionLost ?? warn,
  };
}

function grpcOf(target: string, options: DialGatewayOptions, keepaliveMs: number): () => Transport {
  const credentials = new Credentials(options.tls);
  const settings = { keepaliveMs, httpProxy: options.httpProxy ?? false, serverName: credentials.serverName };
  return () => new GrpcTransport(target, credentials.current(), settings);
}

function warn(error: CallFailed): void {
  const text = `a connection to the dial gateway ended, the client reconnects: ${error.message}`;
  process.emitWarning(text, { type: "DialGatewayWarning", code: "DIAL_GATEWAY_CONNECTION_LOST" });
}

/** The results of a `dial()`: a generator that can be ended while somebody waits for its next result. */
class Results implements DialResults {
  readonly #generator: AsyncGenerator<DialResult, undefined, undefined>;
  readonly #stream: DialStream;
  readonly #state: DialState;

  constructor(generator: AsyncGenerator<DialResult, undefined, undefined>, stream: DialStream, state: DialState) {
    this.#generator = generator;
    this.#stream = stream;
    this.#state = state;
  }

  get unanswered(): readonly string[] {
    return this.#state.unanswered;
  }

  get inDoubt(): readonly string[] {
    return this.#state.inDoubt;
  }

  next(): Promise<IteratorResult<DialResult, undefined>> {
    return this.#generator.next();
  }

  async return(): Promise<IteratorResult<DialResult, undefined>> {
    this.#stream.abort(new DialGatewayError("the dial was ended by its reader"));
    return this.#generator.return(undefined);
  }

  async throw(error: unknown): Promise<IteratorResult<DialResult, undefined>> {
    this.#stream.abort(error);
    return this.#generator.throw(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
