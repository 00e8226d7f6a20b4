/** What the client needs of gRPC. `grpcTransport.ts` provides it with grpc-js; tests may provide it themselves. */

import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";

/** The status codes of gRPC by their names. */
export const STATUS_CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** The name of a status code of gRPC. */
export type StatusCode = (typeof STATUS_CODES)[number];

/** How a call has ended. */
export interface RpcStatus {
  /** The status code. */
  readonly code: StatusCode;
  /** Text for a person. */
  readonly details: string;
  /** The reason of `google.rpc.ErrorInfo` in the details of the status. */
  readonly reason?: string | undefined;
  /** The pause of `google.rpc.RetryInfo` in the details of the status, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The error below, if any. */
  readonly cause?: unknown;
}

/** Metadata of a call: names in lower case, and their values. */
export type CallMetadata = Readonly<Record<string, string>>;

/** The end of a unary call: its response, or the status with which it failed. */
export type UnaryEnd<O> = { readonly response: O } | { readonly failure: RpcStatus };

/** A unary call in progress. */
export interface UnaryCall<O> {
  /** Its end. It never rejects. */
  readonly end: Promise<UnaryEnd<O>>;
  /** Cancels the call; its status is then `CANCELLED`. */
  readonly cancel: () => void;
}

/** What a stream in progress reports. After `onEnd` nothing more is reported. */
export interface StreamEvents<O> {
  /** A message has arrived. */
  readonly onMessage: (message: O) => void;
  /** The call has ended. */
  readonly onEnd: (status: RpcStatus) => void;
}

/** A stream in progress. */
export interface StreamCall<I> {
  /** Sends a message. Resolves when the transport has room for the next one, or when the call has ended. */
  readonly write: (message: I) => Promise<void>;
  /** Ends the requests; responses may still arrive. */
  readonly halfClose: () => void;
  /** Cancels the call; its status is then `CANCELLED`. */
  readonly cancel: () => void;
}

/** A stream of responses in progress. */
export interface ServerStreamCall {
  /** Cancels the call; its status is then `CANCELLED`. */
  readonly cancel: () => void;
  /** Stops the reading of responses. */
  readonly pause: () => void;
  /** Continues the reading of responses. */
  readonly resume: () => void;
}

/** The method of a service, as `protoc-gen-es` generates it. */
export type Method<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> = DescMethod & {
  input: I;
  output: O;
};

/** One channel to a gateway: a connection that is made at its first call. */
export interface Transport {
  /** Makes a unary call that ends after `timeoutMs` milliseconds at the latest. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageShape<I>,
    options: { readonly metadata: CallMetadata; readonly timeoutMs: number },
  ): UnaryCall<MessageShape<O>>;
  /** Opens a stream in both directions. */
  bidi<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    metadata: CallMetadata,
    events: StreamEvents<MessageShape<O>>,
  ): StreamCall<MessageShape<I>>;
  /** Makes a call with one request and a stream of responses. */
  serverStream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageShape<I>,
    metadata: CallMetadata,
    events: StreamEvents<MessageShape<O>>,
  ): ServerStreamCall;
  /** Closes the channel. Calls in progress continue to their ends. */
  close(): void;
}
