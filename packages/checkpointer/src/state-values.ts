// Saved values as JSON and back: what JSON cannot say is an object with one key that begins with `$`.
import type { Saved, Tensor, TypedArray } from "@perennial-fl/core";
import { byteLength, describeTensor, FederationError, isDType, tensor, tensorFromBytes } from "@perennial-fl/core";

/** Deeper values are refused, so that neither writing nor reading can exhaust the stack. */
const depthMax = 200;

const arrayTypes = {
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
  Int8Array,
  Int16Array,
  Int32Array,
  Uint8Array,
  Uint8ClampedArray,
  Uint16Array,
  Uint32Array,
};
type ArrayType = keyof typeof arrayTypes;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Where the elements of arrays and tensors are put, and found again by what `put` returned. */
export interface ElementStore {
  put(elements: Tensor, path: string): string;
}
export interface ElementSource {
  take(reference: string): Uint8Array;
}

/** Elements inside the JSON itself, in base64: for entries of a journal, which have few. */
export const inlineElements: ElementStore & ElementSource = {
  put: ({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
  take: (reference) => Uint8Array.from(Buffer.from(reference, "base64")),
};

/**
 * The JSON of a value. Throws `checkpoint/unsupported-value`, with the path, for what would not come back equal:
 * functions, symbols, undefined, instances of classes, cycles, holes in arrays.
 */
export function encodeValue(value: unknown, store: ElementStore, path = "state"): Json {
  return encode(value, store, { key: path, depth: 0 });
}

/** Where a value stands. As a text only when somebody asks: most values are written and never spoken of. */
interface Place {
  readonly key: string | number;
  readonly depth: number;
  /** The object that the value is in, and where that stands. */
  readonly holder?: object;
  readonly above?: Place;
}

/** The value of a JSON text's contents. Throws `checkpoint/corrupt` for what {@link encodeValue} does not write. */
export function decodeValue(json: Json, source: ElementSource): Saved {
  return decode(json, source, 0);
}

/** One value as JSON, its arrays within the text. Throws as {@link encodeValue}. */
export function jsonOfSaved(value: Saved): string {
  return JSON.stringify(encodeValue(value, inlineElements, "value"));
}

/** The value that {@link jsonOfSaved} made a text of. Throws `checkpoint/corrupt`, or a `SyntaxError` for what is no JSON. */
export function savedOfJson(text: string): Saved {
  return decodeValue(JSON.parse(text) as Json, inlineElements);
}

function encode(value: unknown, store: ElementStore, place: Place): Json {
  switch (typeof value) {
    case "boolean":
    case "string":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? "-0" : String(value) };
    case "bigint":
      return { $bigint: String(value) };
    case "undefined":
      throw unsupported(place, "is undefined");
    case "function":
    case "symbol":
      throw unsupported(place, `is a ${typeof value}`);
    case "object":
      return value === null ? null : encodeObject(value, store, place);
  }
}

function encodeObject(value: object, store: ElementStore, place: Place): Json {
  for (let at: Place | undefined = place; at !== undefined; at = at.above) {
    if (at.holder === value) throw unsupported(place, "contains itself");
  }
  if (place.depth >= depthMax) throw unsupported(place, `is nested deeper than ${depthMax} levels`);
  if (ArrayBuffer.isView(value)) return encodeView(value, store, place);
  const within = (key: string | number): Place => ({ key, depth: place.depth + 1, holder: value, above: place });
  if (Array.isArray(value)) {
    if (Object.keys(value).length !== value.length)
      throw unsupported(place, "is an array with holes or named properties");
    return value.map((item, index) => encode(item, store, within(index)));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw unsupported(place, `is ${className(value)}`);
  if (isTensor(value)) {
    return { $tensor: [value.dtype, [...value.shape], store.put(value, pathOf(place))] };
  }
  const entries = Reflect.ownKeys(value).map((key): [string, Json] => {
    if (typeof key === "symbol") throw unsupported(place, "has a symbol among its keys");
    const property = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
    const at = within(key);
    if (!("value" in property) || property.enumerable !== true) throw unsupported(at, "is not a plain property");
    return [key.startsWith("$") ? `$${key}` : key, encode(property.value, store, at)];
  });
  return Object.fromEntries(entries);
}

function encodeView(view: ArrayBufferView, store: ElementStore, place: Place): Json {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const path = pathOf(place);
  if (view instanceof DataView) return { $array: ["DataView", store.put(elements(bytes), path)] };
  const name = Object.keys(arrayTypes).find((each) => view instanceof arrayTypes[each as ArrayType]);
  if (name === undefined) throw unsupported(place, `is ${className(view)}`);
  const typed = view instanceof Uint8ClampedArray ? bytes : (view as TypedArray);
  return { $array: [name, store.put(elements(typed), path)] };
}

/** A typed array as a tensor with one axis. */
function elements(data: TypedArray): Tensor {
  const dtype = data.constructor.name
    .replace("Buffer", "Uint8Array")
    .replace("Array", "")
    .replace("Big", "")
    .toLowerCase();
  return { dtype: isDType(dtype) ? dtype : "uint8", shape: [data.length], data };
}

function isTensor(value: object): value is Tensor {
  const keys = Object.keys(value);
  if (keys.length !== 3 || !("dtype" in value && "shape" in value && "data" in value)) return false;
  const { dtype, shape, data } = value;
  if (typeof dtype !== "string" || !isDType(dtype) || !Array.isArray(shape) || !ArrayBuffer.isView(data)) return false;
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) return false;
  try {
    tensor(dtype, shape as number[], data as TypedArray);
    return true;
  } catch {
    // An object that only looks like a tensor comes back as the object that it is.
    return false;
  }
}

function decode(json: Json, source: ElementSource, depth: number): Saved {
  if (depth > depthMax + 1) throw malformed("it is nested too deeply");
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return (json as readonly Json[]).map((item) => decode(item, source, depth + 1));
  const entries = Object.entries(json);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && first[0].startsWith("$") && !first[0].startsWith("$$")) {
    return decodeTagged(first[0], first[1], source);
  }
  const pairs = entries.map(([key, value]): [string, Saved] => [
    key.startsWith("$$") ? key.slice(1) : key,
    decode(value, source, depth + 1),
  ]);
  // Unlike an assignment, this makes an own property even of the key `__proto__`.
  return Object.fromEntries<Saved>(pairs);
}

function decodeTagged(tag: string, content: Json, source: ElementSource): Saved {
  if (tag === "$number" && typeof content === "string" && ["NaN", "Infinity", "-Infinity", "-0"].includes(content)) {
    return Number(content);
  }
  if (tag === "$bigint" && typeof content === "string" && /^-?\d+$/.test(content)) return BigInt(content);
  const [kind, ...rest] = Array.isArray(content) ? (content as readonly Json[]) : [];
  const reference = rest.at(-1);
  if (typeof kind === "string" && typeof reference === "string") {
    if (tag === "$array" && rest.length === 1) return arrayFrom(kind, source.take(reference));
    if (tag === "$tensor" && rest.length === 2 && isDType(kind) && isShape(rest[0])) {
      return tensorFrom(kind, rest[0], source.take(reference));
    }
  }
  throw malformed(`${tag} is followed by ${JSON.stringify(content).slice(0, 80)}`);
}

function arrayFrom(name: string, bytes: Uint8Array): Saved {
  if (name === "DataView") return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!Object.hasOwn(arrayTypes, name)) throw malformed(`an array of type ${name}`);
  const type = arrayTypes[name as ArrayType];
  if (bytes.byteLength % type.BYTES_PER_ELEMENT !== 0) throw malformed(`${bytes.byteLength} bytes are no ${name}`);
  return new type(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / type.BYTES_PER_ELEMENT);
}

function tensorFrom(dtype: Tensor["dtype"], shape: readonly number[], bytes: Uint8Array): Tensor {
  if (bytes.byteLength !== byteLength({ dtype, shape })) {
    throw malformed(`${bytes.byteLength} bytes are no ${describeTensor({ dtype, shape })}`);
  }
  return tensorFromBytes(dtype, shape, bytes);
}

function isShape(json: Json | undefined): json is readonly number[] {
  return Array.isArray(json) && json.every((length) => Number.isSafeInteger(length) && (length as number) >= 0);
}

function pathOf({ key, above }: Place): string {
  if (above === undefined) return String(key);
  if (typeof key === "number") return `${pathOf(above)}[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${pathOf(above)}.${key}` : `${pathOf(above)}[${JSON.stringify(key)}]`;
}

function className(value: object): string {
  const name = (value.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an instance of a class";
}

function unsupported(place: Place, problem: string): FederationError {
  return new FederationError("checkpoint/unsupported-value", `${pathOf(place)} ${problem}`);
}

function malformed(problem: string): FederationError {
  return new FederationError("checkpoint/corrupt", `a saved value cannot be read: ${problem}`);
}
