// Configurations and metrics on the wire: maps from names to Scalars (flwr.proto.Scalar).
import { FederationError } from "@perennial-fl/core";
import type { Config, Float, Scalar } from "@perennial-fl/core";
import { bytesIn, doubleIn, fieldsOf, malformed, sint64In, textIn, uint64In } from "./protobuf-reader.js";
import type { Field } from "./protobuf-reader.js";
import { bytesField, doubleField, join, textField, varintField, zigzag } from "./protobuf-writer.js";
import type { Pieces } from "./protobuf-writer.js";

/** What a map may hold: no peer needs more, and each entry costs its reader an object. */
export const limits = { scalars: 10_000, nameBytes: 1024 } as const;

/** Names that would mean something else to code that copies a map into a plain object. */
const forbidden = new Set(["__proto__", "constructor", "prototype"]);

const leastInt64 = -(2n ** 63n);
const mostInt64 = 2n ** 63n - 1n;
const mostUint64 = 2n ** 64n - 1n;

/** The fields of a `map<string, Scalar>`, in the map's order. Throws `argument/invalid` for what no Scalar holds. */
export function encodeScalars(fieldNumber: number, scalars: Config): Pieces {
  return Object.entries(scalars).flatMap(([name, scalar]) => {
    if (forbidden.has(name)) throw new FederationError("argument/invalid", `no scalar can be named ${name}`);
    const entry = [...textField(1, name), ...bytesField(2, encodeScalar(name, scalar))];
    return bytesField(fieldNumber, [join(entry)]);
  });
}

/** A member is always written, also for 0 and "": peers fail on an empty Scalar. */
function encodeScalar(name: string, scalar: Scalar): Pieces {
  switch (typeof scalar) {
    case "boolean":
      return varintField(13, scalar ? 1n : 0n);
    case "string":
      return textField(14, scalar);
    case "number":
      // -0 is whole, and only a double keeps its sign.
      if (Number.isSafeInteger(scalar) && !Object.is(scalar, -0)) return varintField(8, zigzag(BigInt(scalar)));
      return doubleField(1, scalar);
    case "bigint":
      if (scalar >= leastInt64 && scalar <= mostInt64) return varintField(8, zigzag(scalar));
      // Peers before flwr 1.12 cannot read a uint64, so only what needs one becomes one.
      if (scalar > mostInt64 && scalar <= mostUint64) return varintField(6, scalar);
      throw new FederationError("argument/invalid", `${name} is ${scalar}, which no 64-bit integer holds`);
    case "object":
      if (scalar instanceof Uint8Array) return bytesField(15, [scalar]);
      if (typeof (scalar as Partial<Float> | null)?.float === "number") return doubleField(1, scalar.float);
      break;
    default:
      break;
  }
  // Values come from people's code, where types are not always checked.
  const kind = Object.prototype.toString.call(scalar);
  throw new FederationError("argument/invalid", `${name} is not a scalar but an ${kind}`);
}

/** Reads the entries of one map, limited and without a prototype. */
export class ScalarsReader {
  readonly #name: string;
  readonly #scalars = Object.create(null) as Record<string, Scalar>;
  #count = 0;

  /** `name` is the map's, for errors. */
  constructor(name: string) {
    this.#name = name;
  }

  get scalars(): Config {
    return this.#scalars;
  }

  read(field: Field): void {
    if (++this.#count > limits.scalars) throw malformed(this.#name, `has more than ${limits.scalars} entries`);
    let name = "";
    let scalar: Uint8Array | undefined;
    for (const part of fieldsOf(bytesIn(field, this.#name), `an entry of ${this.#name}`)) {
      if (part.number === 1) name = textIn(part, `a name in ${this.#name}`);
      else if (part.number === 2) scalar = bytesIn(part, `${this.#name}[${JSON.stringify(name)}]`);
    }
    if (Buffer.byteLength(name) > limits.nameBytes) {
      throw malformed(this.#name, `has a name of more than ${limits.nameBytes} bytes`);
    }
    if (forbidden.has(name)) throw malformed(this.#name, `has an entry named ${name}`);
    this.#scalars[name] = decodeScalar(scalar ?? new Uint8Array(), `${this.#name}[${JSON.stringify(name)}]`);
  }
}

function decodeScalar(message: Uint8Array, name: string): Scalar {
  let scalar: Scalar | undefined;
  for (const field of fieldsOf(message, name)) scalar = memberOf(field, name) ?? scalar;
  if (scalar === undefined) throw malformed(name, "is a Scalar without a value");
  return scalar;
}

function memberOf(field: Field, name: string): Scalar | undefined {
  switch (field.number) {
    case 1:
      return doubleIn(field, name);
    case 6:
      return narrow(uint64In(field, name));
    case 8:
      return narrow(sint64In(field, name));
    case 13:
      return uint64In(field, name) !== 0n;
    case 14:
      return textIn(field, name);
    case 15:
      // A copy: a few bytes of a configuration must not keep a whole message with its parameters alive.
      return new Uint8Array(bytesIn(field, name));
    default:
      return undefined;
  }
}

/** A number where that is exact, a bigint elsewhere. */
function narrow(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
