// flwr.proto.ClientMessage: replies on the wire.
import type { Config, Parameters, Reply } from "@perennial-fl/core";
import { carriedCount } from "../carried.js";
import { encodeParameters, noParameters, readParameters } from "./parameters.js";
import type { WireParameters } from "./parameters.js";
import { bytesIn, fieldsOf, floatIn, malformed, safeIntegerIn, textIn, uint64In } from "./protobuf-reader.js";
import type { Field } from "./protobuf-reader.js";
import { bytesField, floatField, join, textField, varintField } from "./protobuf-writer.js";
import type { Pieces } from "./protobuf-writer.js";
import { ScalarsReader, encodeScalars } from "./scalars.js";

/** The members of the oneof, by their field numbers. */
const numbers = { disconnect: 1, properties: 2, parameters: 3, fit: 4, evaluate: 5 } as const;
const answers = ["properties", "parameters", "fit", "evaluate"] as const;
type Answer = (typeof answers)[number];

const names = {
  properties: "get_properties_res",
  parameters: "get_parameters_res",
  fit: "fit_res",
  evaluate: "evaluate_res",
} as const;

/** flwr.proto.Reason by its numbers. */
const reasons = ["UNKNOWN", "RECONNECT", "POWER_DISCONNECTED", "WIFI_UNAVAILABLE", "ACK"] as const;

/** What a client says: an answer, or that it leaves. */
export type ClientMessage = Reply<WireParameters> | { readonly type: "disconnect"; readonly reason: string };

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
    case "fit": {
      const update = bytesField(2, encodeParameters(reply.update));
      return answer("fit", success, update, countField(reply.numExamples), encodeScalars(4, reply.metrics));
    }
    case "evaluate": {
      // proto3 leaves out a zero, but not a negative zero.
      const loss = Object.is(reply.loss, 0) ? [] : floatField(2, reply.loss);
      return answer("evaluate", success, loss, countField(reply.numExamples), encodeScalars(4, reply.metrics));
    }
    case "refused":
      return answer(asked, refusal(asked, reply.message));
  }
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
  for (const field of fieldsOf(message, "ClientMessage")) said = memberOf(field) ?? said;
  if (said === undefined) throw malformed("ClientMessage", "holds no answer");
  return said;
}

function memberOf(field: Field): ClientMessage | undefined {
  if (field.number === numbers.disconnect) return readDisconnect(bytesIn(field, "disconnect_res"));
  const type = answers.find((candidate) => numbers[candidate] === field.number);
  return type === undefined ? undefined : readAnswer(type, bytesIn(field, names[type]));
}

function readDisconnect(message: Uint8Array): ClientMessage {
  let reason = 0n;
  for (const field of fieldsOf(message, "disconnect_res")) {
    if (field.number === 1) reason = uint64In(field, "disconnect_res.reason");
  }
  return { type: "disconnect", reason: reasons[Number(reason)] ?? `reason ${reason}` };
}

/** Everything that an answer of any type may hold. */
interface Parts {
  readonly refused: string | undefined;
  readonly update: WireParameters;
  readonly loss: number;
  readonly numExamples: number;
  readonly scalars: Config;
}

function readAnswer(type: Answer, message: Uint8Array): Reply<WireParameters> {
  const { refused, update, loss, numExamples, scalars } = readParts(type, message);
  if (refused !== undefined) return { type: "refused", message: refused };
  switch (type) {
    case "properties":
      return { type, properties: scalars };
    case "parameters":
      return { type, update };
    case "fit":
      return { type, update, numExamples, metrics: scalars };
    case "evaluate":
      return { type, loss, numExamples, metrics: scalars };
  }
}

function readParts(type: Answer, message: Uint8Array): Parts {
  const name = names[type];
  const scalars = new ScalarsReader(type === "properties" ? `${name}.properties` : `${name}.metrics`);
  let refused: string | undefined;
  let update = noParameters;
  let loss = 0;
  let numExamples = 0;
  for (const field of fieldsOf(message, name)) {
    if (field.number === 1) refused = readStatus(bytesIn(field, `${name}.status`), `${name}.status`);
    else if (field.number === 3 && type !== "properties") numExamples = safeIntegerIn(field, `${name}.num_examples`);
    else if (field.number === (type === "properties" ? 2 : 4)) scalars.read(field);
    else if (field.number === 2 && type === "evaluate") loss = floatIn(field, `${name}.loss`);
    else if (field.number === 2) update = readParameters(bytesIn(field, `${name}.parameters`), `${name}.parameters`);
  }
  return { refused, update, loss, numExamples, scalars: scalars.scalars };
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
