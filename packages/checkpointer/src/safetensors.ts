// The safetensors format: named tensors and a dictionary of strings in one file, sealed with a digest of the whole.
//
// Eight bytes of header length, a JSON header, the elements. Ours pads the header so that elements begin at a multiple
// of 64, and holds among its metadata the SHA-256 of the file in which the digest's own 64 characters are zeros.
import { createHash } from "node:crypto";
import type { DType, Tensor, TensorHeader } from "@perennial-fl/core";
import { byteLength, bytesOf, elementSize, FederationError, messageOf } from "@perennial-fl/core";
import { absorb, absorbInTurns } from "./absorb.js";
import type { Json } from "./state-values.js";

export const digestKey = "perennial.digest";
export const noDigest = "0".repeat(64);
const alignment = 64;

const dtypeNames: Readonly<Record<DType, string>> = {
  bool: "BOOL",
  float16: "F16",
  float32: "F32",
  float64: "F64",
  int8: "I8",
  int16: "I16",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
  uint16: "U16",
  uint32: "U32",
  uint64: "U64",
};
const dtypesByName = new Map(Object.entries(dtypeNames).map(([dtype, name]) => [name, dtype as DType]));

/** A tensor of a file: its header, and a view of its bytes. */
export interface FileTensor extends TensorHeader {
  readonly bytes: Uint8Array;
}

export interface SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** The verified digest, or `undefined` for a file that has none, such as one written by another program. */
  readonly digest: string | undefined;
}

/** A sealed file in pieces: its header, and views of the tensors' own bytes, which are not copied. */
export interface SealedFile {
  readonly pieces: readonly Uint8Array[];
  readonly digest: string;
}

/** Seals tensors and metadata. The tensors must not change until the pieces are written. */
export function writeSafetensors(tensors: NamedTensors, metadata: Metadata): SealedFile {
  const pieces = layOut(tensors, metadata);
  const hash = createHash("sha256");
  for (const piece of pieces) absorb(hash, piece);
  return seal(pieces, hash.digest("hex"));
}

/** The same, sealed in turns of the event loop. */
export async function writeSafetensorsInTurns(tensors: NamedTensors, metadata: Metadata): Promise<SealedFile> {
  const pieces = layOut(tensors, metadata);
  return seal(pieces, (await absorbInTurns(createHash("sha256"), pieces)).digest("hex"));
}

type NamedTensors = ReadonlyMap<string, Tensor>;
type Metadata = Readonly<Record<string, string>>;

/** The header, with zeros for the digest, and the tensors' own bytes. */
type Pieces = readonly [Uint8Array, ...Uint8Array[]];

function seal(pieces: Pieces, digest: string): SealedFile {
  const [head] = pieces;
  head.set(Buffer.from(digest), digestPosition(head, noDigest));
  return { pieces, digest };
}

function layOut(tensors: NamedTensors, metadata: Metadata): Pieces {
  // Widest elements first, as the format's own writer has them: then all are aligned to their size.
  const ordered = [...tensors].sort(([, a], [, b]) => elementSize(b.dtype) - elementSize(a.dtype));
  let end = 0;
  const entries = ordered.map(([name, each]) => {
    const begin = end;
    end += byteLength(each);
    return [name, { dtype: dtypeNames[each.dtype], shape: each.shape, data_offsets: [begin, end] }];
  });
  const text = JSON.stringify(
    Object.fromEntries([["__metadata__", { [digestKey]: noDigest, ...metadata }], ...entries]),
  );
  const header = Buffer.from(text);
  const start = Math.ceil((8 + header.byteLength) / alignment) * alignment;
  const head = new Uint8Array(start).fill(0x20, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(start - 8), true);
  head.set(header, 8);
  return [head, ...ordered.map(([, each]) => bytesOf(each))];
}

/** Reads and verifies a file. Throws `checkpoint/corrupt`; the message begins with `what`. */
export function readSafetensors(bytes: Uint8Array, what: string): SafetensorsFile {
  const corrupt = (problem: string): FederationError =>
    new FederationError("checkpoint/corrupt", `${what} is damaged: ${problem}`);
  const length = bytes.byteLength < 8 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length === undefined || length > BigInt(bytes.byteLength - 8)) throw corrupt("it ends within its header");
  const start = 8 + Number(length);
  const head = bytes.subarray(0, start);
  let json: Json;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(head.subarray(8))) as Json;
  } catch (error) {
    throw corrupt(`its header is not JSON (${messageOf(error)})`);
  }
  if (!isObject(json)) throw corrupt("its header is not a JSON object");
  const { metadata, digest } = readMetadata(json, corrupt);
  if (digest !== undefined && digestOf(bytes, head, digest) !== digest)
    throw corrupt("its digest does not match its bytes");
  const tensors = readTensors(json, bytes.subarray(start), corrupt);
  return { metadata, tensors, digest };
}

type Corrupt = (problem: string) => FederationError;

function readMetadata(
  json: Readonly<Record<string, Json>>,
  corrupt: Corrupt,
): { readonly metadata: Readonly<Record<string, string>>; readonly digest: string | undefined } {
  const raw = Object.hasOwn(json, "__metadata__") ? json["__metadata__"] : {};
  if (!isObject(raw ?? null)) throw corrupt("its metadata is not an object");
  const pairs = Object.entries(raw as Readonly<Record<string, Json>>).map(([key, value]): [string, string] => {
    if (typeof value !== "string") throw corrupt(`its metadata ${JSON.stringify(key)} is not a text`);
    return [key, value];
  });
  const metadata = Object.fromEntries(pairs);
  const digest = metadata[digestKey];
  if (digest === undefined) {
    // A flipped bit in the key must not turn a sealed file into one that never had a digest.
    if (pairs.some(([key]) => key.startsWith("perennial."))) throw corrupt("it has no digest");
  } else if (!/^[0-9a-f]{64}$/.test(digest)) {
    throw corrupt("its digest is not 64 hexadecimal digits");
  }
  return { metadata, digest };
}

function readTensors(
  json: Readonly<Record<string, Json>>,
  data: Uint8Array,
  corrupt: Corrupt,
): Map<string, FileTensor> {
  const tensors = new Map<string, FileTensor>();
  let total = 0;
  for (const [name, entry] of Object.entries(json)) {
    if (name === "__metadata__") continue;
    const { dtype: label, shape, data_offsets: offsets } = isObject(entry) ? entry : {};
    const dtype = typeof label === "string" ? dtypesByName.get(label) : undefined;
    if (dtype === undefined || !isWholeNumbers(shape) || !isWholeNumbers(offsets) || offsets.length !== 2) {
      throw corrupt(`the tensor ${JSON.stringify(name)} is not described as one`);
    }
    const [begin = 0, end = 0] = offsets;
    if (end > data.byteLength || end - begin !== byteLength({ dtype, shape })) {
      throw corrupt(`the tensor ${JSON.stringify(name)} does not lie where its shape says`);
    }
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
    total += end - begin;
  }
  if (total !== data.byteLength) throw corrupt(`its tensors have ${total} of its ${data.byteLength} bytes`);
  return tensors;
}

function digestOf(bytes: Uint8Array, head: Uint8Array, digest: string): string | undefined {
  const at = digestPosition(head, digest);
  if (at < 0) return undefined;
  const hash = createHash("sha256").update(bytes.subarray(0, at)).update(noDigest);
  return absorb(hash, bytes.subarray(at + noDigest.length)).digest("hex");
}

/** Within a JSON text a quotation mark is escaped, so only the key itself can be followed like this. */
function digestPosition(head: Uint8Array, digest: string): number {
  const before = `"${digestKey}":"`;
  const found = Buffer.from(head.buffer, head.byteOffset, head.byteLength).indexOf(`${before}${digest}"`);
  return found < 0 ? -1 : found + before.length;
}

function isObject(json: Json): json is { readonly [key: string]: Json } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function isWholeNumbers(json: Json | undefined): json is readonly number[] {
  return Array.isArray(json) && json.every((each) => Number.isSafeInteger(each) && (each as number) >= 0);
}
