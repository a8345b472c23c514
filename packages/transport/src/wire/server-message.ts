// flwr.proto.ServerMessage: instructions on the wire.
import { FederationError } from "@perennial-fl/core";
import type { Config, Instruction, Parameters } from "@perennial-fl/core";
import { announcedField, chunkFields, readAnnounced, readChunk, readHeld } from "./chunks.js";
import type { Announced } from "./chunks.js";
import { decodeParameters, encodeParameters, noParameters, readParameters } from "./parameters.js";
import { bytesIn, fieldsOf, malformed, safeIntegerIn } from "./protobuf-reader.js";
import type { Field } from "./protobuf-reader.js";
import { bytesField, join, varintField } from "./protobuf-writer.js";
import type { Pieces } from "./protobuf-writer.js";
import { splitKey, withKey } from "./request-key.js";
import { ScalarsReader, encodeScalars } from "./scalars.js";

/** The members of the oneof, by their field numbers. */
const numbers = { reconnect: 1, properties: 2, parameters: 3, fit: 4, evaluate: 5 } as const;

/** The pieces of parameters, by their identity: headers, and views of the tensors' own memory. */
const known = new WeakMap<Parameters, Pieces>();

/** The whole message that was joined last for some parameters. */
const joined = new WeakMap<Parameters, { readonly head: Buffer; readonly config: Buffer; readonly message: Buffer }>();

/**
 * The bytes of an instruction in one buffer. The same `parameters` array is encoded once, and while type and
 * configuration stay the same too, the very same buffer is returned. Throws `argument/invalid` for a configuration that
 * cannot travel.
 */
export function encodeInstruction(instruction: Instruction): Buffer {
  const pieces = encodeInstructionPieces(instruction);
  if (!("parameters" in instruction)) return join(pieces);
  const { parameters } = instruction;
  // All that can differ between two messages with the same parameters: the tags and lengths before, the map after.
  const head = join(pieces.slice(0, 4));
  const config = pieces.at(-1) as Buffer;
  const last = joined.get(parameters);
  if (last?.head.equals(head) === true && last.config.equals(config)) return last.message;
  const message = join(pieces);
  joined.set(parameters, { head, config, message });
  return message;
}

/** The same bytes as pieces, in which the parameters are views of the tensors' own memory: nothing large is copied. */
export function encodeInstructionPieces(instruction: Instruction): Pieces {
  switch (instruction.type) {
    case "reconnect": {
      const seconds = instruction.seconds === 0 ? [] : varintField(1, wholeSeconds(instruction.seconds));
      return bytesField(numbers.reconnect, seconds);
    }
    case "properties":
    case "parameters":
      return bytesField(numbers[instruction.type], encodeScalars(1, withKey(instruction.config, undefined)));
    case "fit":
    case "evaluate": {
      const { type, parameters, key } = instruction;
      const config = join(encodeScalars(2, withKey(instruction.config, key)));
      return bytesField(numbers[type], [...bytesField(1, encodedParameters(parameters)), config]);
    }
  }
}

type Model = Extract<Instruction, { type: "fit" | "evaluate" }>;

/** How to announce the model of an instruction, whose chunks begin at `offset`. Throws as {@link encodeInstruction}. */
export function encodeAnnouncedModel({ type, key, config }: Model): (announced: Announced, offset: number) => Pieces {
  const encoded = encodeScalars(2, withKey(config, key));
  return (announced, offset) => bytesField(numbers[type], [...announcedField(announced, offset), ...encoded]);
}

/** The pieces of parameters, made once for each array. */
export function encodedParameters(parameters: Parameters): Pieces {
  const before = known.get(parameters);
  if (before !== undefined) return before;
  const pieces = encodeParameters(parameters);
  known.set(parameters, pieces);
  return pieces;
}

/** Throws `wire/too-large` for an instruction of more bytes than a message may have. */
export function checkLength({ type }: Instruction, bytes: number, maxMessageBytes: number): void {
  if (bytes <= maxMessageBytes) return;
  const size = `${bytes} bytes, more than the ${maxMessageBytes} of a message`;
  throw new FederationError("wire/too-large", `a ${type} instruction has ${size}`);
}

function wholeSeconds(seconds: number): bigint {
  if (Number.isSafeInteger(seconds) && seconds >= 0) return BigInt(seconds);
  throw new FederationError("argument/invalid", `a client reconnects after whole seconds from 0, not ${seconds}`);
}

/** What a server says: an instruction, its model perhaps in chunks after it, or how much it holds of an update. */
export type ServerMessage =
  Instruction | AnnouncedModel | ModelChunk | { readonly type: "held"; readonly offset: number };

/** An instruction whose model is yet to come, from byte `offset` on. */
export interface AnnouncedModel {
  readonly type: "announced";
  readonly question: Omit<Extract<Instruction, { type: "fit" }>, "type" | "parameters"> & {
    readonly type: "fit" | "evaluate";
  };
  readonly announced: Announced;
  readonly offset: number;
}

/** The model's bytes from `offset` on; `data` is a view of the message. */
export interface ModelChunk {
  readonly type: "chunk";
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * What a server's message says; an instruction's tensors are views of the message where order and alignment allow it. Throws
 * `wire/malformed` or `wire/unsupported`, naming the field.
 */
export function decodeServerMessage(message: Uint8Array): ServerMessage {
  let said: ServerMessage | undefined;
  for (const field of fieldsOf(message, "ServerMessage")) said = memberOf(field) ?? said;
  if (said === undefined) throw malformed("ServerMessage", "holds no instruction");
  return said;
}

function memberOf(field: Field): ServerMessage | undefined {
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
    case chunkFields.chunk:
      return { type: "chunk", ...readChunk(field) };
    case chunkFields.held:
      return { type: "held", offset: readHeld(field) };
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

function readModel(type: "fit" | "evaluate", message: Uint8Array): Instruction | AnnouncedModel {
  const name = `${type}_ins`;
  const config = new ScalarsReader(`${name}.config`);
  let received = noParameters;
  let announced: ReturnType<typeof readAnnounced> | undefined;
  for (const field of fieldsOf(message, name)) {
    if (field.number === 1) received = readParameters(bytesIn(field, `${name}.parameters`), `${name}.parameters`);
    else if (field.number === 2) config.read(field);
    else if (field.number === chunkFields.announced) announced = readAnnounced(field, `${name}.announced`);
  }
  const keyed = splitKey(config.scalars, `${name}.config`);
  if (keyed.key !== undefined && keyed.key.phase !== type) {
    throw malformed(`${name}.config`, `has the key of a ${keyed.key.phase} instruction`);
  }
  if (announced === undefined) return { type, parameters: decodeParameters(received, `${name}.parameters`), ...keyed };
  if (received !== noParameters) throw malformed(name, "holds a model and announces another");
  const { offset, ...identity } = announced;
  return { type: "announced", question: { type, ...keyed }, announced: identity, offset };
}
