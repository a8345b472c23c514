// flwr.proto.ClientMessage: replies on the wire.
import type { FederationError, Parameters, Reply } from "@perennial-fl/core";
import { carriedCount } from "../carried.js";
import { announcedField, chunkFields, readAnnounced } from "./chunks.js";
import type { Announced } from "./chunks.js";
import { encodeParameters, readParameters } from "./parameters.js";
import type { WireParameters } from "./parameters.js";
import { bytesIn, fieldsOf, floatIn, malformed, safeIntegerIn, textIn, uint64In } from "./protobuf-reader.js";
import type { Field } from "./protobuf-reader.js";
import { bytesField, floatField, join, textField, varintField } from "./protobuf-writer.js";
import type { Pieces } from "./protobuf-writer.js";
import { ScalarsReader, encodeScalars } from "./scalars.js";

/** The members of the oneof, by their field numbers. */
const numbers = { disconnect: 1, properties: 2, parameters: 3, fit: 4, evaluate: 5 } as const;
const answers = ["properties", "parameters", "fit", "evaluate"] as const;
export type Answer = (typeof answers)[number];

const names = {
  properties: "get_properties_res",
  parameters: "get_parameters_res",
  fit: "fit_res",
  evaluate: "evaluate_res",
} as const;

/** flwr.proto.Reason by its numbers. */
const reasons = ["UNKNOWN", "RECONNECT", "POWER_DISCONNECTED", "WIFI_UNAVAILABLE", "ACK"] as const;

/** What a client says: an answer, its update perhaps in chunks after it, or that it leaves. */
export type ClientMessage =
  Reply<WireParameters> | AnnouncedFit | { readonly type: "disconnect"; readonly reason: string };

type FitReply = Extract<Reply<Parameters>, { type: "fit" }>;

/** A fit answer whose update is yet to come. */
export interface AnnouncedFit {
  readonly type: "announced";
  readonly announced: Announced;
  readonly answer: Omit<FitReply, "update">;
}

/** What Flower's own clients say with an answer that is one. */
const success: Pieces = bytesField(1, textField(2, "Success"));

/**
 * The bytes of a reply to an instruction of the type `asked`. A refusal is an answer of that type whose Status is not
 * OK. Throws `argument/invalid` for what cannot travel.
 */
export function encodeReply(reply: Reply<Parameters>, asked: Answer): Buffer {
  switch (reply.type) {
    case "properties":
      return answer("properties", success, encodeScalars(2, reply.properties));
    case "parameters":
      return answer("parameters", success, bytesField(2, encodeParameters(reply.update)));
    case "fit":
      return fitAnswer(reply, bytesField(2, encodeParameters(reply.update)));
    case "evaluate": {
      // proto3 leaves out a zero, but not a negative zero.
      const loss = Object.is(reply.loss, 0) ? [] : floatField(2, reply.loss);
      return answer("evaluate", success, loss, countField(reply.numExamples), encodeScalars(4, reply.metrics));
    }
    case "refused":
      return answer(asked, refusal(asked, reply.message));
  }
}

/** The bytes of a fit answer whose update follows in chunks. */
export function encodeAnnouncedFit(reply: Omit<FitReply, "update">, announced: Announced): Buffer {
  return fitAnswer(reply, announcedField(announced));
}

function fitAnswer({ numExamples, metrics }: Omit<FitReply, "update">, update: Pieces): Buffer {
  return answer("fit", success, update, countField(numExamples), encodeScalars(4, metrics));
}

/** The bytes with which a client leaves when it was told to reconnect. */
export function encodeDisconnect(): Buffer {
  return join(bytesField(numbers.disconnect, varintField(1, BigInt(reasons.indexOf("RECONNECT")))));
}

/** The four codes besides OK say which method is not there; there is none for other refusals, so the message tells. */
function refusal(asked: Answer, message: string): Pieces {
  return bytesField(1, [...varintField(1, BigInt(answers.indexOf(asked) + 1)), ...textField(2, message)]);
}

function answer(type: Answer, ...fields: readonly Pieces[]): Buffer {
  return join(bytesField(numbers[type], fields.flat()));
}

function countField(numExamples: number): Pieces {
  return numExamples === 0 ? [] : varintField(3, BigInt(carriedCount(numExamples)));
}

/**
 * What a client's message says; parameters are views of the message. Throws `wire/malformed` or `wire/unsupported`,
 * naming the field.
 */
export function decodeClientMessage(message: Uint8Array): ClientMessage {
  let said: ClientMessage | undefined;
  for (const field of fieldsOf(message, "ClientMessage")) {
    const member = memberOf(field.number);
    if (member === undefined) {
      checkNoChunk(field.number);
      continue;
    }
    if (said !== undefined) throw moreThanOneAnswer();
    const bytes = bytesIn(field, nameOfMember(member));
    said = member === "disconnect" ? readDisconnect(bytes) : readAnswer(member, bytes);
  }
  if (said === undefined) throw noAnswer();
  return said;
}

/** The member of the oneof that a field of a ClientMessage is, if it is one. */
export function memberOf(fieldNumber: number): Answer | "disconnect" | undefined {
  return (["disconnect", ...answers] as const).find((member) => numbers[member] === fieldNumber);
}

/** The member's name in the .proto file. */
export function nameOfMember(member: Answer | "disconnect"): string {
  return member === "disconnect" ? "disconnect_res" : names[member];
}

/** The fields of an answer that {@link AnswerReader} reads. */
const smallFields: Readonly<Record<Answer, readonly number[]>> = {
  properties: [1, 2],
  parameters: [1],
  fit: [1, 3, 4, chunkFields.announced],
  evaluate: [1, 2, 3, 4],
};

/** Whether a field of an answer is one that {@link AnswerReader} reads; others than these and tensors are unknown. */
export function isSmallField(type: Answer, fieldNumber: number): boolean {
  return smallFields[type].includes(fieldNumber);
}

/** Whether a field of an answer holds its tensors; everything else in an answer is small. */
export function holdsParameters(type: Answer, fieldNumber: number): type is "fit" | "parameters" {
  return (type === "fit" || type === "parameters") && fieldNumber === 2;
}

export function noAnswer(): FederationError {
  return malformed("ClientMessage", "holds no answer");
}

export function moreThanOneAnswer(): FederationError {
  return malformed("ClientMessage", "holds more than one answer");
}

/** A chunk is only looked for after its announcement. */
export function checkNoChunk(fieldNumber: number): void {
  if (fieldNumber === chunkFields.chunk)
    throw malformed("ClientMessage", "holds a chunk of an update that nothing announced");
}

export function readDisconnect(message: Uint8Array): ClientMessage & { readonly type: "disconnect" } {
  let reason = 0n;
  for (const field of fieldsOf(message, "disconnect_res")) {
    if (field.number === 1) reason = uint64In(field, "disconnect_res.reason");
  }
  return { type: "disconnect", reason: reasons[Number(reason)] ?? `reason ${reason}` };
}

function readAnswer(type: Answer, message: Uint8Array): Reply<WireParameters> | AnnouncedFit {
  const reader = new AnswerReader(type);
  const files: Uint8Array[] = [];
  let tensorType = "";
  for (const field of fieldsOf(message, names[type])) {
    if (holdsParameters(type, field.number)) {
      const name = `${names[type]}.parameters`;
      const part = readParameters(bytesIn(field, name), name);
      files.push(...part.files);
      tensorType = part.tensorType || tensorType;
    } else reader.read(field);
  }
  return reader.announcedFit(files.length > 0) ?? reader.reply({ files, tensorType });
}

/** Reads an answer field by field, all but its tensors. */
export class AnswerReader {
  readonly #type: Answer;
  readonly #scalars: ScalarsReader;
  #refused: string | undefined;
  #announced: Announced | undefined;
  #loss = 0;
  #numExamples = 0;

  constructor(type: Answer) {
    this.#type = type;
    this.#scalars = new ScalarsReader(type === "properties" ? `${names[type]}.properties` : `${names[type]}.metrics`);
  }

  /** Whether the fields so far say that there is no answer: then tensors, if any come, mean nothing. */
  get refused(): boolean {
    return this.#refused !== undefined;
  }

  read(field: Field): void {
    const type = this.#type;
    const name = names[type];
    if (!isSmallField(type, field.number)) return;
    if (field.number === 1) this.#refused = readStatus(bytesIn(field, `${name}.status`), `${name}.status`);
    else if (field.number === 3) this.#numExamples = safeIntegerIn(field, `${name}.num_examples`);
    else if (field.number === chunkFields.announced) this.#announced = readAnnounced(field, `${name}.announced`);
    else if (field.number === (type === "properties" ? 2 : 4)) this.#scalars.read(field);
    else this.#loss = floatIn(field, `${name}.loss`);
  }

  /** The answer, if its update comes in chunks; tensors must then not have come with it. */
  announcedFit(hasTensors: boolean): AnnouncedFit | undefined {
    if (this.#announced === undefined || this.refused) return undefined;
    if (hasTensors) throw malformed("fit_res", "holds an update and announces another");
    const answer = { type: "fit", numExamples: this.#numExamples, metrics: this.#scalars.scalars } as const;
    return { type: "announced", announced: this.#announced, answer };
  }

  /** The whole answer, with its tensors held in whatever way. */
  reply<Update>(update: Update): Reply<Update> {
    if (this.#refused !== undefined) return { type: "refused", message: this.#refused };
    const { scalars } = this.#scalars;
    switch (this.#type) {
      case "properties":
        return { type: "properties", properties: scalars };
      case "parameters":
        return { type: "parameters", update };
      case "fit":
        return { type: "fit", update, numExamples: this.#numExamples, metrics: scalars };
      case "evaluate":
        return { type: "evaluate", loss: this.#loss, numExamples: this.#numExamples, metrics: scalars };
    }
  }
}

/** Why a client refuses, or nothing when it does not. */
function readStatus(message: Uint8Array, name: string): string | undefined {
  let code = 0n;
  let text = "";
  for (const field of fieldsOf(message, name)) {
    if (field.number === 1) code = uint64In(field, `${name}.code`);
    else if (field.number === 2) text = textIn(field, `${name}.message`);
  }
  return code === 0n ? undefined : text || `the client answered with status code ${code}`;
}
