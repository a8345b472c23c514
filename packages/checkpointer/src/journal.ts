// The round journal: what the open round has decided and received, so that a restart goes on where it was.
import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import type { OpenSink, Saved, SavedState, StoredResult, UpdateSink } from "@perennial-fl/core";
import { FederationError, isFederationError, messageOf, pour } from "@perennial-fl/core";
import type { BlobReference } from "./blob-reference.js";
import { blobReference, parseBlobReference, resultOf } from "./blob-reference.js";
import { serial } from "./serial.js";
import { checkSchema } from "./state-file.js";
import type { Json } from "./state-values.js";
import { decodeValue, encodeValue, inlineElements } from "./state-values.js";
import type { BlobWriter, Storage, StorageLog } from "./storage.js";

/** One decision or receipt, in the words of whoever keeps the journal. */
export type JournalEntry = SavedState;

/** The name of the journal's log in its storage. */
export const journalName = "round-journal";

/** Counts up when older programs could misread the records. */
const journalSchema = 1;

export interface RoundJournal {
  /** Every durable entry, in order: those replayed at open, then those appended. */
  readonly entries: readonly JournalEntry[];
  /** Appends all of `entries` in one record, durable on return: after a crash all are there or none is. */
  append(entries: readonly JournalEntry[]): Promise<void>;
  /** A sink whose closed result is durable in this journal's storage. */
  readonly openSink: OpenSink;
  /** The reference of a result, to be kept in an entry; a result from elsewhere is stored first. */
  reference(result: StoredResult): Promise<BlobReference>;
  /** The result of a reference that was kept. Throws `checkpoint/corrupt` if its bytes are not those referred to. */
  stored(reference: Saved): Promise<StoredResult>;
  /** Forgets the round: removes the entries, then all results. The journal is then empty and can be used again. */
  clear(): Promise<void>;
  /** Waits for what is under way, and forgets sinks that were not closed. */
  close(): Promise<void>;
}

/**
 * Opens the journal of a storage, replays it, and removes results that no entry names. Every record carries a random
 * term of this opening, so that two writers never write the same bytes: one that was paused, while another opened the
 * journal and went on, throws `storage/deposed` when it wakes and appends.
 */
export async function openRoundJournal(
  storage: Storage,
  term: string = randomBytes(12).toString("hex"),
): Promise<RoundJournal> {
  const log = await storage.openLog(journalName);
  const entries = log.records.flatMap((record, at) =>
    decodeRecord(record, `record ${at} of the journal in ${storage.location}`),
  );
  const named = new Set<string>();
  entries.forEach((entry) => {
    collectTexts(entry, named);
  });
  await storage.removeBlobs((await storage.blobs()).filter((name) => !named.has(name)));
  return journalOver(storage, log, entries, term);
}

function journalOver(storage: Storage, log: StorageLog, entries: JournalEntry[], term: string): RoundJournal {
  const references = new WeakMap<StoredResult, BlobReference>();
  const open = new Set<BlobWriter>();
  const inTurn = serial();
  let position = log.records.length;

  const openSink = (): UpdateSink => {
    const writer = storage.createBlob();
    let checksum = 0;
    open.add(writer);
    return {
      write: (chunk) => {
        // zlib takes memory of no bytes for the question where to begin, and answers 0.
        if (chunk.byteLength > 0) checksum = crc32(chunk, checksum);
        return writer.write(chunk);
      },
      async close(spans) {
        try {
          const reference = blobReference(await writer.close(), spans, checksum);
          const result = resultOf(reference, await storage.openBlob(reference.name), storage.location);
          references.set(result, reference);
          return result;
        } finally {
          open.delete(writer);
        }
      },
      async abort() {
        open.delete(writer);
        await writer.abort();
      },
    };
  };

  return {
    entries,
    openSink,
    append: (added) =>
      inTurn(async () => {
        if (added.length === 0) return;
        await log.append(position, encodeRecord(term, added));
        position++;
        entries.push(...added);
      }),
    async reference(result) {
      const known = references.get(result);
      if (known !== undefined) return known;
      const sink = openSink();
      try {
        const kept = references.get(
          await pour(
            result.tensors.map((_, index) => result.read(index)),
            sink,
          ),
        );
        if (kept === undefined) throw new Error("a closed sink has a reference");
        references.set(result, kept);
        return kept;
      } catch (error) {
        await sink.abort(error);
        throw error;
      }
    },
    async stored(saved) {
      const reference = parseBlobReference(saved);
      const reader = await storage.openBlob(reference.name);
      const result = resultOf(reference, reader, storage.location);
      const sha256 = await reader?.sha256(reference.byteLength);
      if (sha256 !== reference.sha256) {
        throw new FederationError(
          "checkpoint/corrupt",
          `the result ${reference.name} in ${storage.location} is damaged: its SHA-256 is ${String(sha256)}`,
        );
      }
      references.set(result, reference);
      return result;
    },
    clear: () =>
      inTurn(async () => {
        // Pointers first: a result that nothing names is harmless, an entry that names nothing is not.
        const found = await storage.blobs();
        await log.clear();
        position = 0;
        entries.length = 0;
        await storage.removeBlobs(found);
      }),
    close: () =>
      inTurn(async () => {
        await Promise.all([...open].map((writer) => writer.abort()));
        open.clear();
        await log.close();
        await storage.removeSpares();
      }),
  };
}

function encodeRecord(term: string, entries: readonly JournalEntry[]): Uint8Array {
  const values = entries.map((entry, at) => encodeValue(entry, inlineElements, `entry[${at}]`));
  return new TextEncoder().encode(JSON.stringify({ schema: String(journalSchema), term, entries: values }));
}

/** The entries of a record, for reading and for inspection. */
export function decodeRecord(record: Uint8Array, what: string): JournalEntry[] {
  try {
    const json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(record)) as {
      readonly schema?: string;
      readonly entries: readonly Json[];
    };
    checkSchema(json.schema, journalSchema, what);
    return json.entries.map((entry) => decodeValue(entry, inlineElements) as JournalEntry);
  } catch (error) {
    if (isFederationError(error, "checkpoint/newer-version")) throw error;
    throw new FederationError("checkpoint/corrupt", `${what} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** All texts within a value: a blob is in use if its name is among them, wherever an entry keeps its references. */
function collectTexts(value: Saved, into: Set<string>): void {
  if (typeof value === "string") into.add(value);
  else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    for (const each of Object.values(value) as readonly Saved[]) collectTexts(each, into);
  }
}
