/**
 * The client of the dial gateway: stream dial requests to it, and read one answer for each client token.
 *
 * @packageDocumentation
 */

export type {
  Action,
  ActionDone,
  ActionKind,
  Campaign,
  CampaignCounts,
  CampaignListing,
  CampaignState,
  CampaignUpdate,
  Confirmation,
  HeldRequests,
  Hold,
  Replica,
  ReplicaPart,
} from "./campaigns.js";
export type { CallOptions, Campaigns } from "./campaignCalls.js";
export type { AnswerMachineDetection, Channel, Email, Sms, Telephony, WhatsApp } from "./contactChannels.js";
export type { Requests } from "./dialSource.js";
export {
  AccessDenied,
  CallFailed,
  ClientClosed,
  DeadlineExceeded,
  DialGatewayError,
  GatewayOverloaded,
  GatewayUnavailable,
  ProtocolError,
  StreamBroken,
  type CallFailure,
} from "./errors.js";
export {
  DialGateway,
  type DialGatewayOptions,
  type DialOptions,
  type DialResults,
  type PutOptions,
} from "./gateway.js";
export { NO_RETRIES, type ResubmittedOutcome, type RetryPolicy } from "./retry.js";
export type { TlsOptions } from "./tls.js";
export type {
  CallMetadata,
  Method,
  RpcStatus,
  ServerStreamCall,
  StatusCode,
  StreamCall,
  StreamEvents,
  Transport,
  UnaryCall,
  UnaryEnd,
} from "./transport.js";
export {
  DialRequest,
  newClientToken,
  type DialRequestInit,
  type DialResult,
  type Notice,
  type NoticeKind,
  type Outcome,
  type Priority,
  type Reason,
  type RetryAdvice,
} from "./values.js";
