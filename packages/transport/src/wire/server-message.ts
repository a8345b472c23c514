// flwr.proto.ServerMessage: instructions on the wire.
import { FederationError } from "@perennial-fl/core";
import type { Config, Instruction, Parameters } from "@perennial-fl/core";
import { decodeParameters, encodeParameters, noParameters, readParameters } from "./parameters.js";
import { bytesIn, fieldsOf, malformed, safeIntegerIn } from "./protobuf-reader.js";
import type { Field } from "./protobuf-reader.js";
import { bytesField, join, lengthOfPieces, varintField } from "./protobuf-writer.js";
import type { Pieces } from "./protobuf-writer.js";
import { splitKey, withKey } from "./request-key.js";
import { ScalarsReader, encodeScalars } from "./scalars.js";

/** The members of the oneof, by their field numbers. */
const numbers = { reconnect: 1, properties: 2, parameters: 3, fit: 4, evaluate: 5 } as const;

/** The message of an instruction that was encoded last, by the identity of its parameters. */
const encoded = new WeakMap<Parameters, EncodedModel>();

interface EncodedModel {
  readonly message: Buffer;
  readonly type: "fit" | "evaluate";
  readonly config: Buffer;
  /** The part of `message` that is the parameters. */
  readonly parameters: Buffer;
}

/**
 * The bytes of an instruction. The same `parameters` array is encoded once, and while type and configuration stay the
 * same too, the very same buffer is returned. Throws `argument/invalid` for a configuration that cannot travel.
 */
export function encodeInstruction(instruction: Instruction): Buffer {
  switch (instruction.type) {
    case "reconnect": {
      const seconds = instruction.seconds === 0 ? [] : varintField(1, wholeSeconds(instruction.seconds));
      return join(bytesField(numbers.reconnect, seconds));
    }
    case "properties":
    case "parameters":
      return join(bytesField(numbers[instruction.type], encodeScalars(1, withKey(instruction.config, undefined))));
    case "fit":
    case "evaluate":
      return encodeModel(instruction);
  }
}

function wholeSeconds(seconds: number): bigint {
  if (Number.isSafeInteger(seconds) && seconds >= 0) return BigInt(seconds);
  throw new FederationError("argument/invalid", `a client reconnects after whole seconds from 0, not ${seconds}`);
}

function encodeModel({
  type,
  key,
  parameters,
  config: scalars,
}: Extract<Instruction, { type: "fit" | "evaluate" }>): Buffer {
  const config = join(encodeScalars(2, withKey(scalars, key)));
  const last = encoded.get(parameters);
  if (last?.type === type && last.config.equals(config)) return last.message;
  const inner = bytesField(1, last === undefined ? encodeParameters(parameters) : [last.parameters]);
  const pieces: Pieces = bytesField(numbers[type], [...inner, config]);
  const message = join(pieces);
  // What precedes the parameters are the tags and lengths: two of them, in front of what follows.
  const end = message.byteLength - config.byteLength;
  const length = lengthOfPieces(inner.slice(2));
  const made = { message, type, config, parameters: message.subarray(end - length, end) };
  encoded.set(parameters, made);
  return message;
}

/**
 * The instruction in a message; its tensors are views of the message where order and alignment allow it. Throws
 * `wire/malformed` or `wire/unsupported`, naming the field.
 */
export function decodeInstruction(message: Uint8Array): Instruction {
  let instruction: Instruction | undefined;
  for (const field of fieldsOf(message, "ServerMessage")) instruction = memberOf(field) ?? instruction;
  if (instruction === undefined) throw malformed("ServerMessage", "holds no instruction");
  return instruction;
}

function memberOf(field: Field): Instruction | undefined {
  switch (field.number) {
    case numbers.reconnect:
      return { type: "reconnect", seconds: readSeconds(bytesIn(field, "reconnect_ins")) };
    case numbers.properties:
      return { type: "properties", config: readConfig(bytesIn(field, "get_properties_ins"), "get_properties_ins") };
    case numbers.parameters:
      return { type: "parameters", config: readConfig(bytesIn(field, "get_parameters_ins"), "get_parameters_ins") };
    case numbers.fit:
      return readModel("fit", bytesIn(field, "fit_ins"));
    case numbers.evaluate:
      return readModel("evaluate", bytesIn(field, "evaluate_ins"));
    default:
      return undefined;
  }
}

function readSeconds(message: Uint8Array): number {
  let seconds = 0;
  for (const field of fieldsOf(message, "reconnect_ins")) {
    if (field.number === 1) seconds = safeIntegerIn(field, "reconnect_ins.seconds");
  }
  if (seconds < 0) throw malformed("reconnect_ins.seconds", `is ${seconds}`);
  return seconds;
}

function readConfig(message: Uint8Array, name: string): Config {
  const config = new ScalarsReader(`${name}.config`);
  for (const field of fieldsOf(message, name)) if (field.number === 1) config.read(field);
  return splitKey(config.scalars, `${name}.config`).config;
}

function readModel(type: "fit" | "evaluate", message: Uint8Array): Instruction {
  const name = `${type}_ins`;
  const config = new ScalarsReader(`${name}.config`);
  let received = noParameters;
  for (const field of fieldsOf(message, name)) {
    if (field.number === 1) received = readParameters(bytesIn(field, `${name}.parameters`), `${name}.parameters`);
    else if (field.number === 2) config.read(field);
  }
  const keyed = splitKey(config.scalars, `${name}.config`);
  if (keyed.key !== undefined && keyed.key.phase !== type) {
    throw malformed(`${name}.config`, `has the key of a ${keyed.key.phase} instruction`);
  }
  return { type, parameters: decodeParameters(received, `${name}.parameters`), ...keyed };
}
