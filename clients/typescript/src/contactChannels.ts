/** The channels of a dial request: how a person is contacted, and the settings for that. */

import type { DialRequest as Message } from "./gen/dialgateway/v1/dial_request_service_pb.js";

/** Whether Amazon Connect finds out if an answering machine answers a call. */
export interface AnswerMachineDetection {
  /** Whether it does. */
  readonly enabled: boolean;
  /** Whether it then waits until the machine's announcement has ended; by default as the campaign says. */
  readonly awaitPrompt?: boolean | undefined;
}

/** A telephone call with settings of its own. What is not set is as the campaign says. */
export interface Telephony {
  /** Which channel this is. */
  readonly kind: "telephony";
  /** The number that the call comes from, in E.164. It belongs to the Amazon Connect instance. */
  readonly sourcePhoneNumber?: string | undefined;
  /** How long the phone rings, in milliseconds: 15 to 60 whole seconds. */
  readonly ringTimeoutMs?: number | undefined;
  /** Whether Amazon Connect finds out if a machine answers. */
  readonly answerMachineDetection?: AnswerMachineDetection | undefined;
}

/** An SMS to the request's phone number; the attributes are the parameters of its template. */
export interface Sms {
  /** Which channel this is. */
  readonly kind: "sms";
  /** ARN of the phone number that it comes from; by default the campaign's. */
  readonly sourcePhoneNumberArn?: string | undefined;
  /** ARN of the message template; by default the campaign's. */
  readonly templateArn?: string | undefined;
}

/** A WhatsApp message to the request's phone number; the attributes are the parameters of its template. */
export interface WhatsApp {
  /** Which channel this is. */
  readonly kind: "whatsApp";
  /** ARN of the WhatsApp phone number that it comes from; by default the campaign's. */
  readonly sourcePhoneNumberArn?: string | undefined;
  /** ARN of the message template; by default the campaign's. */
  readonly templateArn?: string | undefined;
}

/** An e-mail. The request's phone number is empty; the attributes are the parameters of its template. */
export interface Email {
  /** Which channel this is. */
  readonly kind: "email";
  /** Whom to send it to. */
  readonly destinationAddress: string;
  /** The address that it comes from; by default the campaign's. */
  readonly sourceAddress?: string | undefined;
  /** ARN of the message template; by default the campaign's. */
  readonly templateArn?: string | undefined;
}

/**
 * How a person is contacted. Only campaigns of Amazon Connect's API V2 have channels; a gateway answers
 * `REJECTED` for a campaign of V1.
 */
export type Channel = Telephony | Sms | Email | WhatsApp;

/** Returns the texts of a channel with their names. Throws TypeError for an unknown kind. */
export function textsOf(channel: Channel): [string, unknown][] {
  switch (channel.kind) {
    case "telephony":
      return [["channel.sourcePhoneNumber", channel.sourcePhoneNumber ?? ""]];
    case "sms":
    case "whatsApp":
      return [
        ["channel.sourcePhoneNumberArn", channel.sourcePhoneNumberArn ?? ""],
        ["channel.templateArn", channel.templateArn ?? ""],
      ];
    case "email":
      return [
        ["channel.destinationAddress", channel.destinationAddress],
        ["channel.sourceAddress", channel.sourceAddress ?? ""],
        ["channel.templateArn", channel.templateArn ?? ""],
      ];
    default:
      throw new TypeError("channel.kind must be telephony, sms, email or whatsApp");
  }
}

/** Throws RangeError for a ring timeout that cannot be sent, and TypeError for one that is no number. */
export function checkRingTimeout(milliseconds: unknown): void {
  if (milliseconds === undefined) return;
  if (typeof milliseconds !== "number") throw new TypeError("channel.ringTimeoutMs must be a number");
  if (!Number.isSafeInteger(milliseconds)) throw new RangeError("channel.ringTimeoutMs must be a whole number");
}

/** Returns a channel as the contract has it. */
export function channelMessage(channel: Channel | undefined): Message["channel"] {
  switch (channel?.kind) {
    case undefined:
      return { case: undefined };
    case "telephony":
      return { case: "telephony", value: telephony(channel) };
    case "email":
      return { case: "email", value: email(channel) };
    case "sms":
      return { case: "sms", value: { $typeName: "dialgateway.v1.Sms", ...textMessage(channel) } };
    case "whatsApp":
      return { case: "whatsApp", value: { $typeName: "dialgateway.v1.WhatsApp", ...textMessage(channel) } };
  }
}

function textMessage(channel: Sms | WhatsApp): { sourcePhoneNumberArn: string; templateArn: string } {
  return { sourcePhoneNumberArn: channel.sourcePhoneNumberArn ?? "", templateArn: channel.templateArn ?? "" };
}

function email(channel: Email): Extract<Message["channel"], { case: "email" }>["value"] {
  const { destinationAddress, sourceAddress = "", templateArn = "" } = channel;
  return { $typeName: "dialgateway.v1.Email", destinationAddress, sourceAddress, templateArn };
}

type TelephonyMessage = Extract<Message["channel"], { case: "telephony" }>["value"];

function telephony(channel: Telephony): TelephonyMessage {
  const { sourcePhoneNumber = "", ringTimeoutMs, answerMachineDetection: detection } = channel;
  const message: TelephonyMessage = { $typeName: "dialgateway.v1.Telephony", sourcePhoneNumber };
  if (ringTimeoutMs !== undefined) {
    const seconds = Math.trunc(ringTimeoutMs / 1000);
    const nanos = (ringTimeoutMs - seconds * 1000) * 1_000_000;
    message.ringTimeout = { $typeName: "google.protobuf.Duration", seconds: BigInt(seconds), nanos };
  }
  if (detection !== undefined) {
    message.answerMachineDetection = { $typeName: "dialgateway.v1.AnswerMachineDetection", enabled: detection.enabled };
    if (detection.awaitPrompt !== undefined) message.answerMachineDetection.awaitPrompt = detection.awaitPrompt;
  }
  return message;
}
