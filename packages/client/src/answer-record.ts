// Records of given answers as data: which one answers a question again, and which state a question is answered from.
import type { Parameters, Reply, RequestKey, SavedState } from "@perennial-fl/core";
import { sameKey } from "@perennial-fl/core";

/**
 * One answer and the client's state after it, committed as one. The first record of a run has no answer: it holds the
 * state of a client that has seen nothing of that run.
 */
export interface AnswerRecord {
  readonly run: string | null;
  /** Counts up with every record of a directory. */
  readonly sequence: number;
  /** `null` at the beginning of a run, and for questions of a stock Flower server. */
  readonly key: RequestKey | null;
  /** The digest of the parameters that came with the question. */
  readonly digest: string | null;
  /** `null` where an answer could not be asked for again. */
  readonly reply: Reply<Parameters> | null;
  /** The sequence of the record from whose state this was answered; `null` at the beginning of a run. */
  readonly follows: number | null;
  /** `unchanged`: the state is that of the record followed. `none`: the client keeps none. */
  readonly state: { readonly saved: SavedState } | "unchanged" | "none";
}

/** What answers the same question again: the same key and the same parameters. */
export function findAnswer(
  records: readonly AnswerRecord[],
  key: RequestKey,
  digest: string,
): AnswerRecord | undefined {
  return records.find(
    (record) => record.key !== null && record.reply !== null && sameKey(record.key, key) && record.digest === digest,
  );
}

/**
 * The records of one run that still hold, oldest first. A record is void once a later one has answered the same or an
 * earlier question: the server had gone back, and its future became another.
 */
export function valid(records: readonly AnswerRecord[], run: string | null): AnswerRecord[] {
  const kept: AnswerRecord[] = [];
  const newestFirst = records.filter((record) => record.run === run).sort((a, b) => b.sequence - a.sequence);
  for (const record of newestFirst) {
    if (kept.every((newer) => precedes(record.key, newer.key))) kept.unshift(record);
  }
  return kept;
}

/** From which record's state a question is answered; `lost` when that state is kept no more. */
export type Origin =
  { readonly type: "record"; readonly record: AnswerRecord } | { readonly type: "lost"; readonly last: RequestKey };

/** Where a question starts from, among the {@link valid} records of its run. Without a key: from the newest. */
export function originOf(records: readonly AnswerRecord[], key: RequestKey | undefined): Origin {
  const before = records.filter((record) => record.state !== "unchanged" && precedes(record.key, key ?? null));
  const newest = before.at(-1);
  // The server has gone back to before this one.
  const undone = records.find((record) => record.state !== "unchanged" && !before.includes(record));
  if (undone?.key != null && undone.follows !== newest?.sequence) return { type: "lost", last: undone.key };
  if (newest === undefined) throw new Error("assertion failed: every run begins with a record");
  return { type: "record", record: newest };
}

/** Whether the answer to `a` comes before the question `b`. A new attempt at a round undoes the one before. */
function precedes(a: RequestKey | null, b: RequestKey | null): boolean {
  if (a === null || b === null) return true;
  if (a.round !== b.round) return a.round < b.round;
  return a.attempt === b.attempt && a.phase === "fit" && b.phase === "evaluate";
}
