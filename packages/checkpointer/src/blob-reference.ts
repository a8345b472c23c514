// References to stored results: plain values that a journal's entry can hold, and the results that they lead to.
// A large result rests in a blob, which its reference names; a small one in the reference itself.
import { crc32 } from "node:zlib";
import type { ReceivedHeader, Saved, SavedState, StoredResult, Tensor, TensorSpan } from "@perennial-fl/core";
import { byteLength, bytesOf, FederationError, isDType, isPlainSpan, tensorFromSpan } from "@perennial-fl/core";
import type { BlobIdentity, BlobReader, Storage } from "./storage.js";

/** Where a tensor lies in a blob: core's `TensorSpan` as a plain value. */
export type SavedSpan = {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
  readonly firstNonFinite?: number;
  readonly fortranOrder?: boolean;
  readonly bigEndian?: boolean;
};

/** A small result: in the entry that holds its reference, and durable with it. */
export type HeldReference = {
  readonly bytes: Uint8Array;
  readonly spans: readonly SavedSpan[];
};

export type ResultReference = BlobReference | HeldReference;

/** Where a result rests in its storage. */
export type BlobReference = {
  readonly name: string;
  readonly sha256?: string;
  readonly byteLength: number;
  readonly spans: readonly SavedSpan[];
  /** Of all bytes; compared when the result is read for the first time. */
  readonly crc32?: number;
};

export function blobReference(blob: BlobIdentity, spans: readonly TensorSpan[], crc32: number): BlobReference {
  return { ...blob, crc32, spans: spans.map(savedSpan) };
}

export function heldReference(bytes: Uint8Array, spans: readonly TensorSpan[]): HeldReference {
  return { bytes, spans: spans.map(savedSpan) };
}

function savedSpan(span: TensorSpan): SavedSpan {
  return {
    dtype: span.dtype,
    shape: [...span.shape],
    offset: span.offset,
    byteLength: span.byteLength,
    ...(span.firstNonFinite === undefined ? {} : { firstNonFinite: span.firstNonFinite }),
    ...(span.fortranOrder === undefined ? {} : { fortranOrder: span.fortranOrder }),
    ...(span.bigEndian === undefined ? {} : { bigEndian: span.bigEndian }),
  };
}

/** Whether a value has the form of a reference; {@link parseReference} then says whether it is one. */
export function looksLikeReference(value: SavedState): boolean {
  return "spans" in value && ("name" in value || "bytes" in value);
}

/** The reference that a saved value is. Throws `checkpoint/corrupt` if it is none. */
export function parseReference(value: Saved): ResultReference {
  const { name, sha256, crc32, byteLength: length, bytes, spans } = isRecord(value) ? value : {};
  const isHeld = bytes instanceof Uint8Array;
  const hasDigest = typeof sha256 === "string" || isCount(crc32);
  const isBlob = typeof name === "string" && hasDigest && isCount(length);
  if (isHeld === isBlob || !Array.isArray(spans)) {
    throw new FederationError("checkpoint/corrupt", "a saved value is not a reference to a result");
  }
  const [limit, place] = isHeld ? [bytes.byteLength, heldPlace] : [length as number, name as string];
  for (const span of spans as readonly Saved[]) spanOf(span, limit, place);
  return value as ResultReference;
}

/** What a small result is called in errors. */
const heldPlace = "in the journal";

export function isHeld(reference: ResultReference): reference is HeldReference {
  return "bytes" in reference;
}

export function lengthOf(reference: ResultReference): number {
  return isHeld(reference) ? reference.bytes.byteLength : reference.byteLength;
}

/** The result of a reference in a storage, by whoever did not write it. Throws `checkpoint/corrupt` if it is not whole. */
export async function openResult(storage: Storage, reference: ResultReference): Promise<StoredResult> {
  if (isHeld(reference)) return heldResult(reference);
  return resultOf(reference, await storage.openBlob(reference.name), storage.location);
}

/** The result that a reference holds itself. */
export function heldResult({ bytes, spans }: HeldReference): StoredResult {
  return resultFrom(
    spans.map((span) => spanOf(span, bytes.byteLength, heldPlace)),
    () => heldReader(bytes),
  );
}

/**
 * The result that a reference leads to; each tensor is read from the blob when it is asked for. The first reading
 * throws `checkpoint/corrupt` if the bytes have gone bad since they were received.
 */
export function resultOf(reference: BlobReference, reader: BlobReader | undefined, location: string): StoredResult {
  const { name, byteLength: length } = reference;
  if (reader === undefined || reader.byteLength < length) {
    const found = reader === undefined ? "is missing" : `has ${reader.byteLength} of ${length} bytes`;
    throw new FederationError("checkpoint/corrupt", `the result ${name} in ${location} ${found}`);
  }
  const spans = reference.spans.map((span) => spanOf(span, length, name));
  let sound: Source | undefined = reference.crc32 === undefined ? reader : undefined;
  return resultFrom(spans, () => {
    if (sound !== undefined) return sound;
    const source = length <= heldBytes ? heldReader(reader.read(0, length)) : reader;
    const problem = problemOfBytes(reference, source);
    if (problem !== undefined) throw new FederationError("checkpoint/corrupt", `${problem} in ${location}`);
    return (sound = source);
  });
}

type Source = Pick<BlobReader, "read" | "readInto">;

/** A result whose tensors lie so in a source, which is asked for at each reading. */
function resultFrom(spans: readonly TensorSpan[], source: () => Source): StoredResult {
  const spanAt = (index: number): TensorSpan => {
    const span = spans[index];
    if (span === undefined) throw new RangeError(`the update has no tensor ${index}`);
    return span;
  };
  const read = (index: number): Tensor => {
    const span = spanAt(index);
    return tensorFromSpan(span, source().read(span.offset, span.byteLength));
  };
  return {
    tensors: spans.map(({ dtype, shape, firstNonFinite }): ReceivedHeader => ({
      dtype,
      shape,
      ...(firstNonFinite === undefined ? {} : { firstNonFinite }),
    })),
    read,
    readInto(index, start, target) {
      const span = spanAt(index);
      if (isPlainSpan(span)) source().readInto(span.offset + start, target);
      else target.set(bytesOf(read(index)).subarray(start, start + target.byteLength));
    },
  };
}

/** A blob no larger than this is read once: opening its file for each of its tensors would cost more than they do. */
const heldBytes = 1 << 14;

function heldReader(bytes: Uint8Array): Source {
  return {
    read: (position, byteLength) => bytes.slice(position, position + byteLength),
    readInto: (position, target) => {
      target.set(bytes.subarray(position, position + target.byteLength));
    },
  };
}

/**
 * What is wrong with a blob, or `undefined` when its bytes are those that the reference names. Reads it to the end.
 */
export async function problemOfBlob(reference: BlobReference, storage: Storage): Promise<string | undefined> {
  const { name, sha256, byteLength } = reference;
  const reader = await storage.openBlob(name);
  if (reader === undefined) return `the result ${name} is missing`;
  if (reader.byteLength < byteLength) return `the result ${name} has ${reader.byteLength} of ${byteLength} bytes`;
  if (sha256 === undefined) return problemOfBytes(reference, reader);
  const found = await reader.sha256(byteLength);
  return found === sha256 ? undefined : `the result ${name} is damaged: its SHA-256 is ${found}`;
}

function problemOfBytes({ name, byteLength, crc32 }: BlobReference, source: Source): string | undefined {
  const found = checksumOf(source, byteLength);
  return found === crc32
    ? undefined
    : `the result ${name} is damaged: its CRC-32 is ${found}, and was ${String(crc32)} when it came`;
}

/** A reader may have more bytes than belong to the result. */
function checksumOf(reader: Source, length: number): number {
  const pieceBytes = 1 << 20;
  let checksum = 0;
  for (let at = 0; at < length; at += pieceBytes) {
    checksum = crc32(reader.read(at, Math.min(pieceBytes, length - at)), checksum);
  }
  return checksum;
}

function spanOf(value: Saved, limit: number, name: string): TensorSpan {
  const { dtype, shape, offset, byteLength: length, ...rest } = isRecord(value) ? value : {};
  const described =
    typeof dtype === "string" &&
    isDType(dtype) &&
    Array.isArray(shape) &&
    shape.every(isCount) &&
    isCount(offset) &&
    isCount(length) &&
    offset + length <= limit &&
    byteLength({ dtype, shape }) === length;
  if (!described) {
    throw new FederationError(
      "checkpoint/corrupt",
      `a tensor of the result ${name} does not lie within its ${limit} bytes`,
    );
  }
  return { ...rest, dtype, shape, offset, byteLength: length };
}

function isRecord(value: Saved): value is SavedState {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
