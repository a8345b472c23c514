// The results of a journal's round: how they come in, what an entry refers to them by, and which blobs they take.
import { crc32 } from "node:zlib";
import type { OpenSink, Saved, StoredResult, UpdateSink } from "@perennial-fl/core";
import { FederationError, pour } from "@perennial-fl/core";
import type { ResultReference } from "./blob-reference.js";
import {
  blobReference,
  heldReference,
  heldResult,
  isHeld,
  openResult,
  parseReference,
  problemOfBlob,
} from "./blob-reference.js";
import { joined } from "./joined.js";
import type { BlobWriter, Storage } from "./storage.js";

export interface JournalResults {
  /** A large result is durable in a blob when its sink has closed, a small one with the entry that refers to it. */
  readonly openSink: OpenSink;
  /** The reference of a result, to be kept in an entry; a result from elsewhere is stored first. */
  reference(result: StoredResult): Promise<ResultReference>;
  /** The result of a reference that was kept. Throws `checkpoint/corrupt` if its bytes are not those referred to. */
  stored(reference: Saved): Promise<StoredResult>;
  /** Hands out the names of all blobs so far, which the next round does not know. */
  takeBlobs(): readonly string[];
  /** Whether a blob has come in since. */
  isKnown(name: string): boolean;
  /** Forgets sinks that were not closed. */
  abortOpen(): Promise<void>;
}

/** Results of at most `heldBytes` bytes are held in their references. `named` are the blobs that entries name already. */
export function journalResults(storage: Storage, heldBytes: number, named: Iterable<string>): JournalResults {
  const references = new WeakMap<StoredResult, ResultReference>();
  const open = new Set<BlobWriter>();
  let blobs = new Set(named);

  const openSink = (): UpdateSink => {
    /** What has come of a result that may turn out small. */
    let held: Uint8Array[] = [];
    let length = 0;
    let writer: BlobWriter | undefined;
    let checksum = 0;
    const toBlob = async (chunk: Uint8Array): Promise<void> => {
      if (writer === undefined) {
        writer = storage.createBlob();
        open.add(writer);
      }
      // zlib takes memory of no bytes for the question where to begin, and answers 0.
      if (chunk.byteLength > 0) checksum = crc32(chunk, checksum);
      await writer.write(chunk);
    };
    return {
      write(chunk) {
        length += chunk.byteLength;
        if (length <= heldBytes) {
          held.push(chunk.slice());
          return;
        }
        const before = held;
        held = [];
        return toBlob(before.length === 0 ? chunk : joined([...before, chunk]));
      },
      async close(spans) {
        if (writer === undefined) {
          const reference = heldReference(joined(held), spans);
          const result = heldResult(reference);
          references.set(result, reference);
          return result;
        }
        try {
          const blob = await writer.close();
          blobs.add(blob.name);
          const reference = blobReference(blob, spans, checksum);
          const result = await openResult(storage, reference);
          references.set(result, reference);
          return result;
        } finally {
          open.delete(writer);
        }
      },
      async abort() {
        held = [];
        if (writer === undefined) return;
        open.delete(writer);
        await writer.abort();
      },
    };
  };

  return {
    openSink,
    async reference(result) {
      const known = references.get(result);
      if (known !== undefined) return known;
      const sink = openSink();
      try {
        const tensors = result.tensors.map((_, index) => result.read(index));
        const kept = references.get(await pour(tensors, sink));
        if (kept === undefined) throw new Error("a closed sink has a reference");
        references.set(result, kept);
        return kept;
      } catch (error) {
        await sink.abort(error);
        throw error;
      }
    },
    async stored(saved) {
      const reference = parseReference(saved);
      if (!isHeld(reference)) {
        const problem = await problemOfBlob(reference, storage);
        if (problem !== undefined) throw new FederationError("checkpoint/corrupt", `${problem} in ${storage.location}`);
      }
      const result = await openResult(storage, reference);
      references.set(result, reference);
      return result;
    },
    takeBlobs() {
      const taken = [...blobs];
      blobs = new Set();
      return taken;
    },
    isKnown: (name) => blobs.has(name),
    async abortOpen() {
      await Promise.all([...open].map((writer) => writer.abort()));
      open.clear();
    },
  };
}
