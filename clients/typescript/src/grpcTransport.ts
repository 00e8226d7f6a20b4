/** The transport over grpc-js. Only this file and `tls.ts` import it. */

import { fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import {
  Client,
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type StatusObject,
} from "@grpc/grpc-js";

import { readStatusDetails } from "./statusDetails.js";
import {
  STATUS_CODES,
  type CallMetadata,
  type Method,
  type RpcStatus,
  type ServerStreamCall,
  type StreamCall,
  type StreamEvents,
  type Transport,
  type UnaryCall,
} from "./transport.js";

const KEEPALIVE_TIMEOUT_MS = 10_000;
/** The largest message that the client reads, in bytes: results of one `put()` may be larger than its requests. */
const RECEIVED_BYTES = 16 << 20;
/** The bytes of responses on their way, per stream. HTTP/2's default of 64 KiB limits the rate over a long path. */
const FLOW_CONTROL_BYTES = 1 << 20;

/** The options of a channel that a caller chooses. */
export interface ChannelSettings {
  /** After this many milliseconds of silence during a call the connection is checked with a ping. */
  readonly keepaliveMs: number;
  /** Whether to use the proxy that the environment names. */
  readonly httpProxy: boolean;
  /** The name in the gateway's certificate, if it is not that of the target. */
  readonly serverName: string | undefined;
}

/** Returns the options of a channel for grpc-js, which ignores names that it does not know. */
export function channelOptions(settings: ChannelSettings): ClientOptions {
  const { keepaliveMs, serverName } = settings;
  return {
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": Math.min(keepaliveMs, KEEPALIVE_TIMEOUT_MS),
    // Without this, grpc-js would share a connection between channels to the same address.
    "grpc.use_local_subchannel_pool": 1,
    // The client decides itself what to send again: only it knows which requests are in doubt.
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    // By default grpc-js uses `http_proxy`, but a gateway is on the local network.
    "grpc.enable_http_proxy": settings.httpProxy ? 1 : 0,
    "grpc.max_receive_message_length": RECEIVED_BYTES,
    "grpc-node.flow_control_window": FLOW_CONTROL_BYTES,
    "grpc.enable_channelz": 0,
    ...(serverName === undefined
      ? {}
      : { "grpc.ssl_target_name_override": serverName, "grpc.default_authority": serverName }),
  };
}

/** A channel of grpc-js. It connects at its first call. */
export class GrpcTransport implements Transport {
  readonly #client: Client;

  constructor(target: string, credentials: ChannelCredentials, settings: ChannelSettings) {
    this.#client = new Client(target, credentials, channelOptions(settings));
  }

  /** Makes a unary call. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageShape<I>,
    options: { readonly metadata: CallMetadata; readonly timeoutMs: number },
  ): UnaryCall<MessageShape<O>> {
    const { path, serialize, deserialize } = codec(method);
    const metadata = grpcMetadata(options.metadata);
    const callOptions: CallOptions = { deadline: Date.now() + options.timeoutMs };
    let cancel = (): void => undefined;
    const end: UnaryCall<MessageShape<O>>["end"] = new Promise((resolve) => {
      const call = this.#client.makeUnaryRequest(
        path,
        serialize,
        deserialize,
        message,
        metadata,
        callOptions,
        (error, response) => {
          if (error !== null) resolve({ failure: rpcStatus(error, error) });
          else if (response !== undefined) resolve({ response });
          else resolve({ failure: { code: "INTERNAL", details: "the gateway answered without a message" } });
        },
      );
      cancel = () => {
        call.cancel();
      };
    });
    return { end, cancel };
  }

  /** Opens a stream in both directions. */
  bidi<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    metadata: CallMetadata,
    events: StreamEvents<MessageShape<O>>,
  ): StreamCall<MessageShape<I>> {
    const { path, serialize, deserialize } = codec(method);
    const call = this.#client.makeBidiStreamRequest(path, serialize, deserialize, grpcMetadata(metadata));
    const ended = report(call, events);
    return {
      write: (message) => written(call, message, ended),
      halfClose: () => {
        call.end();
      },
      cancel: () => {
        call.cancel();
      },
    };
  }

  /** Makes a call with a stream of responses. */
  serverStream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageShape<I>,
    metadata: CallMetadata,
    events: StreamEvents<MessageShape<O>>,
  ): ServerStreamCall {
    const { path, serialize, deserialize } = codec(method);
    const call = this.#client.makeServerStreamRequest(path, serialize, deserialize, message, grpcMetadata(metadata));
    void report(call, events);
    return {
      cancel: () => {
        call.cancel();
      },
      pause: () => {
        call.pause();
      },
      resume: () => {
        call.resume();
      },
    };
  }

  /** Closes the channel. */
  close(): void {
    this.#client.close();
  }
}

/** Reports the events of a call. Returns a promise that resolves at its end. */
function report<O>(call: ClientReadableStream<O>, events: StreamEvents<O>): Promise<void> {
  return new Promise((resolve) => {
    call.on("data", (message: O) => {
      events.onMessage(message);
    });
    call.on("error", () => undefined); // the status follows
    call.on("status", (status: StatusObject) => {
      resolve();
      events.onEnd(rpcStatus(status));
    });
  });
}

function written<I>(call: ClientDuplexStream<I, unknown>, message: I, ended: Promise<void>): Promise<void> {
  const flushed = new Promise<void>((resolve) => {
    call.write(message, () => {
      resolve();
    });
  });
  return Promise.race([flushed, ended]);
}

interface Codec<I, O> {
  readonly path: string;
  readonly serialize: (message: I) => Buffer;
  readonly deserialize: (bytes: Buffer) => O;
}

function codec<I extends DescMessage, O extends DescMessage>(
  method: Method<I, O>,
): Codec<MessageShape<I>, MessageShape<O>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    serialize: (message) => asBuffer(toBinary(method.input, message)),
    deserialize: (bytes) => fromBinary(method.output, bytes, { readUnknownFields: false }),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function grpcMetadata(values: CallMetadata): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}

function rpcStatus(status: StatusObject, cause?: unknown): RpcStatus {
  const [details] = status.metadata.get("grpc-status-details-bin");
  return {
    code: STATUS_CODES[status.code as number] ?? "UNKNOWN",
    details: status.details,
    ...(details instanceof Buffer ? readStatusDetails(details) : {}),
    cause,
  };
}
