// The round journal: what the open round has decided and received, so that a restart goes on where it was.
import { randomBytes } from "node:crypto";
import type { Saved, SavedState } from "@perennial-fl/core";
import { FederationError, isFederationError, messageOf } from "@perennial-fl/core";
import type { JournalResults } from "./journal-results.js";
import { journalResults } from "./journal-results.js";
import { serial } from "./serial.js";
import { checkSchema } from "./state-file.js";
import type { Json } from "./state-values.js";
import { decodeValue, encodeValue, inlineElements } from "./state-values.js";
import type { Storage } from "./storage.js";

/** One decision or receipt, in the words of whoever keeps the journal. */
export type JournalEntry = SavedState;

/** The name of the journal's log in its storage. */
export const journalName = "round-journal";

/** Counts up when older programs could misread the records. 2: a record may begin the journal anew; small results are held in it. */
const journalSchema = 2;

/** A journal that has grown so long is removed at the end of its round, and not gone on with. */
const mostBytes = 1 << 20;

export interface JournalOptions {
  /** A random name of this opening. For who decides what is random. */
  readonly term?: string;
  /** Results up to this size rest in the journal itself, larger ones in blobs of their own. Default 16 KiB. */
  readonly heldBytes?: number;
}

export interface RoundJournal extends Pick<JournalResults, "openSink" | "reference" | "stored"> {
  /** Every durable entry, in order: those replayed at open, then those appended. */
  readonly entries: readonly JournalEntry[];
  /** Appends all of `entries` in one record, durable on return: after a crash all are there or none is. */
  append(entries: readonly JournalEntry[]): Promise<void>;
  /** Forgets the round: removes the entries, then all results. The journal is then empty and can be used again. */
  clear(): Promise<void>;
  /**
   * Forgets the round as {@link clear} does, but together with the next append: that spares a commit two syncs of names.
   * Until then, or until `close`, a restart finds the entries; so it must be able to tell that their round is over.
   */
  retire(): Promise<void>;
  /** How many bytes of results there is room for, as far as that is known. */
  free(): Promise<number | undefined>;
  /** Waits for what is under way, and forgets sinks that were not closed and a round that was retired. */
  close(): Promise<void>;
}

/**
 * Opens the journal of a storage, replays it, and removes results that no entry names. Every record carries a random
 * term of this opening, so that two writers never write the same bytes: one that was paused, while another opened the
 * journal and went on, throws `storage/deposed` when it wakes and appends.
 */
export async function openRoundJournal(storage: Storage, options: JournalOptions = {}): Promise<RoundJournal> {
  const { term = randomBytes(12).toString("hex"), heldBytes = 1 << 14 } = options;
  const log = await storage.openLog(journalName);
  const entries = entriesOf(log.records, `the journal in ${storage.location}`);
  const named = new Set<string>();
  entries.forEach((entry) => {
    collectTexts(entry, named);
  });
  const blobs = await storage.blobs();
  await storage.removeBlobs(blobs.filter((name) => !named.has(name)));
  const results = journalResults(
    storage,
    heldBytes,
    blobs.filter((name) => named.has(name)),
  );
  const inTurn = serial();
  let position = log.records.length;
  let byteLength = log.records.reduce((sum, record) => sum + record.byteLength, 0);
  /** The blobs of a round that was retired. */
  let retired: readonly string[] | undefined;

  const clear = async (): Promise<void> => {
    // Pointers first: a result that nothing names is harmless, an entry that names nothing is not.
    const found = await storage.blobs();
    await log.clear();
    [position, byteLength, retired] = [0, 0, undefined];
    results.takeBlobs();
    entries.length = 0;
    await storage.removeBlobs(found);
  };

  return {
    ...results,
    entries,
    append: (added) =>
      inTurn(async () => {
        if (added.length === 0) return;
        const record = encodeRecord(term, added, retired !== undefined);
        await log.append(position, record);
        position++;
        byteLength += record.byteLength;
        entries.push(...added);
        const over = retired ?? [];
        retired = undefined;
        // Blobs are named by their contents: the same may have come again meanwhile.
        await storage.removeBlobs(over.filter((name) => !results.isKnown(name)));
      }),
    clear: () => inTurn(clear),
    retire: () =>
      inTurn(async () => {
        if (byteLength > mostBytes) return clear();
        retired = [...(retired ?? []), ...results.takeBlobs()];
        entries.length = 0;
      }),
    async free() {
      const free = await storage.free();
      if (free === undefined || retired === undefined) return free;
      const readers = await Promise.all(retired.map((name) => storage.openBlob(name)));
      return readers.reduce((sum, reader) => sum + (reader?.byteLength ?? 0), free);
    },
    close: () =>
      inTurn(async () => {
        await results.abortOpen();
        if (retired !== undefined) await clear();
        await log.close();
        await storage.removeSpares();
      }),
  };
}

function encodeRecord(term: string, entries: readonly JournalEntry[], anew: boolean): Uint8Array {
  const values = entries.map((entry, at) => encodeValue(entry, inlineElements, `entry[${at}]`));
  const record = { schema: String(journalSchema), term, ...(anew && { anew }), entries: values };
  return new TextEncoder().encode(JSON.stringify(record));
}

/** The entries that the records of a log leave, for reading and for inspection; `what` names the log in errors. */
export function entriesOf(records: readonly Uint8Array[], what: string): JournalEntry[] {
  let entries: JournalEntry[] = [];
  records.forEach((record, at) => {
    const decoded = decodeRecord(record, `record ${at} of ${what}`);
    if (decoded.anew) entries = [];
    entries.push(...decoded.entries);
  });
  return entries;
}

function decodeRecord(record: Uint8Array, what: string): { readonly anew: boolean; readonly entries: JournalEntry[] } {
  try {
    const json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(record)) as {
      readonly schema?: string;
      readonly anew?: boolean;
      readonly entries: readonly Json[];
    };
    checkSchema(json.schema, journalSchema, what);
    const entries = json.entries.map((entry) => decodeValue(entry, inlineElements) as JournalEntry);
    return { anew: json.anew === true, entries };
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
