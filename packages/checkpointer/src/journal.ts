// The round journal: what the open round has decided and received, so that a restart goes on where it was.
import type { OpenSink, SavedState, StoredResult, Saved } from "@perennial-fl/core";

/** One decision or receipt, in the words of whoever keeps the journal. */
export type JournalEntry = SavedState;

/** Where a result rests in the journal's storage: a value that an entry can hold. */
export type BlobReference = {
  readonly name: string;
  readonly sha256: string;
  readonly byteLength: number;
  readonly spans: readonly SavedState[];
};

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
