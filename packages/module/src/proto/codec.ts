// Reads and writes ONNX messages as plain objects. Fields we do not know are kept and written back.
// Driven by the descriptor rather than by generated code: nothing is compiled at run time, int64 is always a bigint.
import { FederationError, assert, messageOf } from "@perennial-fl/core";
import protobuf from "protobufjs/minimal.js";
import descriptor from "../generated/onnx-descriptor.js";
import type { Messages, UnknownField } from "./messages.js";

interface Field {
  readonly key: string;
  readonly id: number;
  readonly type: string;
  readonly repeated: boolean;
  readonly packed: boolean;
}
interface MessageType {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byId: ReadonlyMap<number, Field>;
}
type Fields = { [key: string]: unknown };

const types = new Map<string, MessageType>();
collect(descriptor.nested.onnx.nested);

/** The message of the given type in `bytes`; byte fields are views of `bytes`. Throws `model/corrupt`. */
export function decode<Name extends keyof Messages>(name: Name, bytes: Uint8Array): Messages[Name] {
  try {
    return readMessage(typeOf(name), protobuf.Reader.create(bytes), bytes.length);
  } catch (cause) {
    throw new FederationError("model/corrupt", `the bytes are not an ONNX ${name}: ${messageOf(cause)}`, { cause });
  }
}

/** The bytes of a message: fields in order of the .proto, then the unknown ones as they came. The same message gives the same bytes. */
export function encode<Name extends keyof Messages>(name: Name, message: Messages[Name]): Uint8Array<ArrayBuffer> {
  const writer = protobuf.Writer.create();
  writeMessage(typeOf(name), message as Fields, writer);
  // protobufjs may hand out a view of its pool; the copy owns its memory.
  return new Uint8Array(writer.finish());
}

function readMessage(type: MessageType, reader: protobuf.Reader, end: number): Fields {
  const message: Fields = {};
  const unknown: UnknownField[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    const wire = tag & 7;
    const field = type.byId.get(tag >>> 3);
    if (field === undefined || !fits(field, wire)) {
      unknown.push({ tag, value: readValue(rawType(type, wire), reader) as UnknownField["value"] });
    } else if (!field.repeated) {
      message[field.key] = readValue(field.type, reader);
    } else {
      const list = (message[field.key] ??= []) as unknown[];
      if (wire === 2 && wireType(field.type) !== 2) {
        const packedEnd = reader.uint32() + reader.pos;
        while (reader.pos < packedEnd) list.push(readValue(field.type, reader));
      } else list.push(readValue(field.type, reader));
    }
  }
  if (reader.pos !== end) throw new RangeError(`a ${type.name} runs past its end`);
  if (unknown.length > 0) message["unknown"] = unknown;
  return message;
}

function readValue(type: string, reader: protobuf.Reader): unknown {
  switch (type) {
    case "int64":
      return bigintOf(reader.int64(), true);
    case "uint64":
      return bigintOf(reader.uint64(), false);
    case "fixed64":
      return bigintOf(reader.fixed64(), false);
    case "fixed32":
      return reader.fixed32();
    case "int32":
      return reader.int32();
    case "float":
      return reader.float();
    case "double":
      return reader.double();
    case "string":
      return reader.string();
    case "bytes":
      return reader.bytes();
    default: {
      const end = reader.uint32() + reader.pos;
      if (end > reader.len) throw new RangeError(`a ${type} is cut off`);
      return readMessage(typeOf(type), reader, end);
    }
  }
}

function writeMessage(type: MessageType, message: Fields, writer: protobuf.Writer): void {
  for (const field of type.fields) {
    const value = message[field.key];
    if (value === undefined) continue;
    if (!field.repeated) {
      writer.uint32((field.id << 3) | wireType(field.type));
      writeValue(field.type, value, writer);
    } else if (field.packed) {
      writer.uint32((field.id << 3) | 2).fork();
      for (const element of value as unknown[]) writeValue(field.type, element, writer);
      writer.ldelim();
    } else {
      for (const element of value as unknown[]) {
        writer.uint32((field.id << 3) | wireType(field.type));
        writeValue(field.type, element, writer);
      }
    }
  }
  for (const { tag, value } of (message["unknown"] ?? []) as UnknownField[]) {
    writer.uint32(tag);
    writeValue(rawType(type, tag & 7), value, writer);
  }
}

function writeValue(type: string, value: unknown, writer: protobuf.Writer): void {
  switch (type) {
    case "int64":
      return void writer.int64(halves(value as bigint, true));
    case "uint64":
      return void writer.uint64(halves(value as bigint, false));
    case "fixed64":
      return void writer.fixed64(halves(value as bigint, false));
    case "fixed32":
      return void writer.fixed32(value as number);
    case "int32":
      return void writer.int32(value as number);
    case "float":
      return void writer.float(value as number);
    case "double":
      return void writer.double(value as number);
    case "string":
      return void writer.string(value as string);
    case "bytes":
      return void writer.bytes(value as Uint8Array);
    default:
      writer.fork();
      writeMessage(typeOf(type), value as Fields, writer);
      writer.ldelim();
  }
}

function wireType(type: string): number {
  if (type === "int64" || type === "uint64" || type === "int32") return 0;
  if (type === "double") return 1;
  return type === "float" ? 5 : 2;
}

function fits(field: Field, wire: number): boolean {
  return wire === wireType(field.type) || (wire === 2 && field.repeated);
}

/** How a field that the descriptor does not know is read: by its wire type alone. */
function rawType(type: MessageType, wire: number): string {
  const raw = { 0: "uint64", 1: "fixed64", 2: "bytes", 5: "fixed32" }[wire];
  if (raw === undefined) throw new RangeError(`a ${type.name} holds a field of wire type ${wire}`);
  return raw;
}

type Halves = Exclude<ReturnType<protobuf.Reader["int64"]>, number>;

function bigintOf(value: number | Halves, signed: boolean): bigint {
  // protobufjs falls back to rounded numbers where the package `long` is missing; that must never pass unseen.
  assert(typeof value === "object", "protobufjs reads 64-bit integers exactly");
  const bits = (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
  return signed ? BigInt.asIntN(64, bits) : bits;
}

function halves(value: bigint, signed: boolean): Halves {
  assert((signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value, `${value} fits in 64 bits`);
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: !signed };
}

function typeOf(name: string): MessageType {
  const type = types.get(name);
  assert(type !== undefined, `${name} is a message of onnx.proto`);
  return type;
}

interface Described {
  readonly fields: { readonly [key: string]: DescribedField };
  readonly nested?: { readonly [name: string]: Described };
}
interface DescribedField {
  readonly id: number;
  readonly type: string;
  readonly rule?: string;
  readonly options?: { readonly packed?: boolean };
}

/** Enters all messages, nested ones under their path from the top (`TypeProto.Tensor`). */
function collect(messages: { readonly [name: string]: Described }, scope = ""): void {
  for (const [local, { fields, nested = {} }] of Object.entries(messages)) {
    const name = scope + local;
    const list = Object.entries(fields).map(([key, field]) => ({
      key,
      id: field.id,
      type: Object.hasOwn(nested, field.type) ? `${name}.${field.type}` : field.type,
      repeated: field.rule === "repeated",
      packed: field.options?.packed === true,
    }));
    types.set(name, { name, fields: list, byId: new Map(list.map((field) => [field.id, field])) });
    collect(nested, `${name}.`);
  }
}
