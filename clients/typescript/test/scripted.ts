/** A gateway that follows the script of a test, with real sockets and without Amazon Connect. */

import { create, fromBinary, toBinary, type DescMethod, type MessageInitShape } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  status,
  type Metadata,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type StatusObject,
  type UntypedHandleCall,
} from "@grpc/grpc-js";

import { DialRequest, type DialRequestInit, type DialResult } from "../src/index.js";
import * as pb from "../src/gen/dialgateway/v1/dial_request_service_pb.js";
import { deferred } from "../src/wakeup.js";

export const PHONE = "+12025550123";
export const SECRET = "Ludmilla-Attribute";

type Code = keyof typeof status;
type Sent = pb.StreamDialRequestsRequest;
type Answer = pb.StreamDialRequestsResponse;

export function request(token: string, more: Partial<DialRequestInit> = {}): DialRequest {
  const expiresAt = new Date(Date.now() + 300_000);
  return new DialRequest({
    clientToken: token,
    phoneNumber: PHONE,
    expiresAt,
    attributes: { first_name: SECRET },
    ...more,
  });
}

export function* requests(count: number, start = 0): Generator<DialRequest> {
  for (let number = start; number < start + count; number += 1) yield request(`t-${String(number)}`);
}

export function result(
  index: number,
  token: string,
  more: MessageInitShape<typeof pb.DialResultSchema> = {},
): pb.DialResult {
  return create(pb.DialResultSchema, {
    clientToken: token,
    index: BigInt(index),
    outcome: pb.Outcome.ACCEPTED,
    dialRequestId: `id-${String(index)}`,
    attempts: 1,
    traceId: "ab".repeat(16),
    ...more,
  });
}

/** Collects all results of a dial. */
export async function all(results: AsyncIterable<DialResult>): Promise<DialResult[]> {
  const found: DialResult[] = [];
  for await (const each of results) found.push(each);
  return found;
}

/** The end of a call with a status, as a script throws it. */
export class Abort extends Error {
  constructor(
    readonly code: Code,
    readonly details = "broken",
    readonly metadata?: Metadata,
  ) {
    super(details);
  }
}

/** One stream of the client, as its script sees it. */
export class ScriptedStream {
  readonly tokens: string[] = [];
  readonly sizes: number[] = [];
  readonly marks: boolean[] = [];
  readonly messages: Sent[] = [];
  readonly ended: Promise<void>;
  readonly peer: string;
  #read = 0;
  #closed = false;
  #halfClosed = false;
  #wake = deferred<undefined>();

  constructor(readonly call: ServerDuplexStream<Sent, Answer>) {
    const { promise, resolve } = deferred<undefined>();
    this.ended = promise;
    this.peer = call.getPeer();
    call.on("data", (message: Sent) => {
      this.#add(message);
    });
    call.on("end", () => {
      this.#halfClosed = true;
      this.#wake.resolve(undefined);
    });
    call.on("cancelled", () => {
      this.#closed = true;
      resolve(undefined);
      this.#wake.resolve(undefined);
    });
    call.on("error", () => undefined);
  }

  get cancelled(): boolean {
    return this.#closed;
  }

  get metadata(): Record<string, unknown> {
    return this.call.metadata.getMap();
  }

  /** Yields the requests of each message with their indexes. */
  async *pairs(): AsyncGenerator<[number, string][]> {
    for (;;) {
      if (this.#read < this.messages.length) {
        const start = this.sizes.slice(0, this.#read).reduce((sum, size) => sum + size, 0);
        const message = this.messages[this.#read];
        this.#read += 1;
        yield message?.dialRequests.map((each, at): [number, string] => [start + at, each.clientToken]) ?? [];
        continue;
      }
      if (this.#halfClosed || this.#closed) return;
      await this.#wake.promise;
      this.#wake = deferred();
    }
  }

  /** Waits for at least this many requests. */
  async read(count: number): Promise<void> {
    for await (const _ of this.pairs()) if (this.tokens.length >= count) return;
  }

  /** Accepts requests that were read, by their indexes. */
  accept(...indexes: number[]): void {
    this.send({ results: indexes.map((index) => result(index, this.tokens[index] ?? "")) });
  }

  send(response: MessageInitShape<typeof pb.StreamDialRequestsResponseSchema>): void {
    this.call.write(create(pb.StreamDialRequestsResponseSchema, response));
  }

  #add(message: Sent): void {
    this.messages.push(message);
    this.sizes.push(message.dialRequests.length);
    for (const each of message.dialRequests) {
      this.tokens.push(each.clientToken);
      this.marks.push(each.inDoubt);
    }
    this.#wake.resolve(undefined);
  }
}

export type StreamScript = (stream: ScriptedStream) => Promise<void>;
export type PutScript = (message: pb.PutDialRequestsRequest) => Promise<pb.DialResult[]>;

export async function acceptAll(stream: ScriptedStream): Promise<void> {
  for await (const pairs of stream.pairs()) stream.accept(...pairs.map(([index]) => index));
}

/** Waits until the client ends the call. */
export async function withhold(stream: ScriptedStream): Promise<void> {
  await stream.ended;
}

/** Uses the next script for each stream, and the last one for all further streams. */
export function inTurn(...scripts: [StreamScript, ...StreamScript[]]): StreamScript {
  return async (stream) => {
    const [chosen] = scripts;
    if (scripts.length > 1) scripts.shift();
    await chosen(stream);
  };
}

/** Answers the first requests and ends with a status. */
export function breaks(code: Code, read: number, answered: number): StreamScript {
  return async (stream) => {
    await stream.read(read);
    if (answered > 0) stream.accept(...Array.from({ length: answered }, (_, index) => index));
    throw new Abort(code);
  };
}

/** Serializes the messages of a method. */
export function definition(method: DescMethod): MethodDefinition<object, object> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "bidi_streaming",
    responseStream: method.methodKind !== "unary",
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
    responseSerialize: (message: object) => Buffer.from(toBinary(method.output, message as never)),
    responseDeserialize: () => ({}),
  };
}

/** A gateway on a port of the loopback interface. */
export class ScriptedGateway implements AsyncDisposable {
  script: StreamScript = acceptAll;
  putScript: PutScript = (message) =>
    Promise.resolve(message.dialRequests.map((each, index) => result(index, each.clientToken)));
  probeScript: () => Promise<void> = () => Promise.resolve();
  probes = 0;
  target = "";
  readonly streams: ScriptedStream[] = [];
  readonly puts: pb.PutDialRequestsRequest[] = [];
  readonly #server = new Server();
  readonly #opened = deferred<ScriptedStream>();

  /** Serves; with the name of a host for TLS. */
  static async start(
    options: { credentials?: ServerCredentials; address?: string; more?: Record<string, UntypedHandleCall> } = {},
  ): Promise<ScriptedGateway> {
    const gateway = new ScriptedGateway();
    const { streamDialRequests, putDialRequests } = pb.DialRequestService.method;
    gateway.#server.addService(
      { stream: definition(streamDialRequests), put: definition(putDialRequests) },
      {
        stream: (call: ServerDuplexStream<Sent, Answer>) => {
          void gateway.#stream(call);
        },
        put: (
          call: ServerUnaryCall<pb.PutDialRequestsRequest, pb.PutDialRequestsResponse>,
          done: (error: Partial<StatusObject> | null, response?: pb.PutDialRequestsResponse) => void,
        ) => {
          gateway.#put(call.request).then(
            (results) => {
              done(null, create(pb.PutDialRequestsResponseSchema, { results }));
            },
            (error: unknown) => {
              done(ended(error));
            },
          );
        },
      },
    );
    const credentials = options.credentials ?? ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) => {
      gateway.#server.bindAsync(options.address ?? "127.0.0.1:0", credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    gateway.target = `127.0.0.1:${String(port)}`;
    return gateway;
  }

  /** The first stream. */
  get opened(): Promise<ScriptedStream> {
    return this.#opened.promise;
  }

  /** Ends all connections, like a process that is killed. */
  stop(): Promise<void> {
    this.#server.forceShutdown();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stream(call: ServerDuplexStream<Sent, Answer>): Promise<void> {
    const stream = new ScriptedStream(call);
    this.streams.push(stream);
    this.#opened.resolve(stream);
    try {
      await this.script(stream);
      call.end();
    } catch (error) {
      call.emit("error", ended(error));
    }
  }

  async #put(message: pb.PutDialRequestsRequest): Promise<pb.DialResult[]> {
    if (message.dialRequests.length === 0) {
      this.probes += 1;
      await this.probeScript();
      return [];
    }
    this.puts.push(message);
    return this.putScript(message);
  }
}

function ended(error: unknown): Partial<StatusObject> {
  if (!(error instanceof Abort)) return { code: status.UNKNOWN, details: String(error) };
  const { code, details, metadata } = error;
  return { code: status[code], details, ...(metadata === undefined ? {} : { metadata }) };
}
