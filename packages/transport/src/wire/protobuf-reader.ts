// Reads protobuf's wire format field by field. Bytes come out as views; every error names the field it is in.
import { FederationError } from "@perennial-fl/core";

/** protobuf's wire types that proto3 uses. */
export type WireType = "varint" | "fixed64" | "bytes" | "fixed32";
const wireTypes: readonly (WireType | undefined)[] = ["varint", "fixed64", "bytes", undefined, undefined, "fixed32"];

/** One field as it stands in a message: its number and its raw value. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
  readonly wireType: WireType;
}

/** What a `wire/malformed` error says: which field, and what is wrong with it. */
export function malformed(field: string, problem: string): FederationError {
  return new FederationError("wire/malformed", `${field} ${problem}`);
}

/** The fields of a message in their order. `name` is the message's, for errors. */
export function* fieldsOf(message: Uint8Array, name: string): Generator<Field, void, undefined> {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (length > message.byteLength - at)
      throw malformed(name, `ends ${length - message.byteLength + at} bytes too early`);
    at += length;
    return message.subarray(at - length, at);
  };
  const varint = (): bigint => {
    let value = 0;
    let high = 0n;
    for (let index = 0; index < 10; index++) {
      const byte = take(1)[0] as number;
      // The first four bytes fit a plain number; few varints are longer, and those go on as bigints.
      if (index < 4) value |= (byte & 0x7f) << (7 * index);
      else high |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return BigInt.asUintN(64, high | BigInt(value));
    }
    throw malformed(name, "has an integer of more than 10 bytes");
  };
  while (at < message.byteLength) {
    const { number, wireType } = tagOf(varint(), name);
    if (wireType === "varint") yield { number, wireType, value: varint() };
    else
      yield {
        number,
        wireType,
        value: take(wireType === "fixed64" ? 8 : wireType === "fixed32" ? 4 : lengthOf(varint())),
      };
  }
}

/** What a tag says: the number of the field after it, and the type of its value. */
export function tagOf(tag: bigint, name: string): { readonly number: number; readonly wireType: WireType } {
  const number = Number(tag >> 3n);
  const wireType = wireTypes[Number(tag & 7n)];
  if (wireType !== undefined && number > 0 && number < 2 ** 29) return { number, wireType };
  throw malformed(name, `has a field with the tag ${tag}`);
}

/** The length that precedes bytes. */
export function lengthOf(varint: bigint): number {
  // Beyond any message: `take` then says that the message ends too early.
  return varint > 2n ** 53n ? Number.MAX_SAFE_INTEGER : Number(varint);
}

/** The bytes of a field that holds bytes, a text or a message. */
export function bytesIn(field: Field, name: string): Uint8Array {
  if (field.wireType !== "bytes") throw malformed(name, `is a ${field.wireType}, not bytes`);
  return field.value as Uint8Array;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

export function textIn(field: Field, name: string): string {
  const bytes = bytesIn(field, name);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new FederationError("wire/malformed", `${name} is not UTF-8`, { cause });
  }
}

/** The value of an unsigned 64-bit field. */
export function uint64In(field: Field, name: string): bigint {
  if (field.wireType !== "varint") throw malformed(name, `is a ${field.wireType}, not an integer`);
  return field.value as bigint;
}

/** The value of an int64 field (two's complement). */
export function int64In(field: Field, name: string): bigint {
  return BigInt.asIntN(64, uint64In(field, name));
}

/** The value of an int64 field that must be a safe integer. */
export function safeIntegerIn(field: Field, name: string): number {
  const value = int64In(field, name);
  if (!Number.isSafeInteger(Number(value))) throw malformed(name, `is ${value}, beyond 2^53`);
  return Number(value);
}

/** The value of a sint64 field (zigzag). */
export function sint64In(field: Field, name: string): bigint {
  const zigzag = uint64In(field, name);
  return (zigzag >> 1n) ^ -(zigzag & 1n);
}

export function doubleIn(field: Field, name: string): number {
  return viewIn(field, "fixed64", name).getFloat64(0, true);
}

export function floatIn(field: Field, name: string): number {
  return viewIn(field, "fixed32", name).getFloat32(0, true);
}

function viewIn(field: Field, wireType: WireType, name: string): DataView {
  if (field.wireType !== wireType) throw malformed(name, `is a ${field.wireType}, not a ${wireType}`);
  const bytes = field.value as Uint8Array;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
