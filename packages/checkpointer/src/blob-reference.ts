// References to stored results: plain values that a journal's entry can hold, and the results that they lead to.
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

/** Where a result rests in its storage. */
export type BlobReference = {
  readonly name: string;
  readonly sha256: string;
  readonly byteLength: number;
  readonly spans: readonly SavedSpan[];
  /** Of all bytes; compared when the result is read for the first time. */
  readonly crc32?: number;
};

export function blobReference(blob: BlobIdentity, spans: readonly TensorSpan[], crc32: number): BlobReference {
  return {
    ...blob,
    crc32,
    spans: spans.map((span) => ({
      dtype: span.dtype,
      shape: [...span.shape],
      offset: span.offset,
      byteLength: span.byteLength,
      ...(span.firstNonFinite === undefined ? {} : { firstNonFinite: span.firstNonFinite }),
      ...(span.fortranOrder === undefined ? {} : { fortranOrder: span.fortranOrder }),
      ...(span.bigEndian === undefined ? {} : { bigEndian: span.bigEndian }),
    })),
  };
}

/** The reference that a saved value is. Throws `checkpoint/corrupt` if it is none. */
export function parseBlobReference(value: Saved): BlobReference {
  const { name, sha256, byteLength: length, spans } = isRecord(value) ? value : {};
  if (typeof name !== "string" || typeof sha256 !== "string" || !isCount(length) || !Array.isArray(spans)) {
    throw new FederationError("checkpoint/corrupt", "a saved value is not a reference to a result");
  }
  for (const span of spans as readonly Saved[]) spanOf(span, length, name);
  return value as BlobReference;
}

/** The result of a reference in a storage, by whoever did not write it. Throws `checkpoint/corrupt` if it is not whole. */
export async function openResult(storage: Storage, reference: BlobReference): Promise<StoredResult> {
  return resultOf(reference, await storage.openBlob(reference.name), storage.location);
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
  const spanAt = (index: number): TensorSpan => {
    const span = spans[index];
    if (span === undefined) throw new RangeError(`the update has no tensor ${index}`);
    return span;
  };
  const read = (index: number): Tensor => {
    const span = spanAt(index);
    check();
    return tensorFromSpan(span, source.read(span.offset, span.byteLength));
  };
  let source: Pick<BlobReader, "read" | "readInto"> = reader;
  let sound = reference.crc32 === undefined;
  const check = (): void => {
    if (sound) return;
    if (length <= heldBytes) source = heldReader(reader.read(0, length));
    if (checksumOf(source, length) !== reference.crc32) {
      throw new FederationError("checkpoint/corrupt", `the result ${name} in ${location} has changed since it came`);
    }
    sound = true;
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
      check();
      if (isPlainSpan(span)) source.readInto(span.offset + start, target);
      else target.set(bytesOf(read(index)).subarray(start, start + target.byteLength));
    },
  };
}

/** A result no larger than this is read once: opening its file for each of its tensors would cost more than they do. */
const heldBytes = 1 << 14;

function heldReader(bytes: Uint8Array): Pick<BlobReader, "read" | "readInto"> {
  return {
    read: (position, byteLength) => bytes.slice(position, position + byteLength),
    readInto: (position, target) => {
      target.set(bytes.subarray(position, position + target.byteLength));
    },
  };
}

/** A reader may have more bytes than belong to the result. */
function checksumOf(reader: Pick<BlobReader, "read">, length: number): number {
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
