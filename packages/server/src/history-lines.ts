// The history as text: JSON, a line a round. What a state is saved with grows by one line at each commit, so that a
// commit costs what its own round costs, and not what all rounds before it cost once more.
import { jsonOfSaved, savedOfJson } from "@perennial-fl/checkpointer";
import { FederationError, messageOf } from "@perennial-fl/core";
import type { Saved } from "@perennial-fl/core";
import type { History, RoundRecord } from "./history.js";

/** Lines that end with a record's; there is room for the next ones behind `end`. */
interface Lines {
  readonly buffer: Uint8Array;
  readonly end: number;
}

/** The lines up to each record, as long as somebody holds it: a history never changes but by one record more. */
const known = new WeakMap<RoundRecord, Lines>();

/** The bytes may be part of a larger buffer; they never change. */
export function linesOfHistory(history: History): Uint8Array {
  let at = history.length;
  let lines: Lines | undefined;
  while (at > 0 && (lines = known.get(history[at - 1] as RoundRecord)) === undefined) at--;
  lines ??= { buffer: new Uint8Array(0), end: 0 };
  for (const record of history.slice(at)) {
    lines = appended(lines, Buffer.from(`${jsonOfSaved(record as unknown as Saved)}\n`));
    known.set(record, lines);
  }
  return lines.buffer.subarray(0, lines.end);
}

/** Throws `checkpoint/corrupt`. */
export function historyOfLines(saved: Saved | undefined): History {
  if (!(saved instanceof Uint8Array)) {
    throw new FederationError("checkpoint/corrupt", "the history of a state is not kept in lines of text");
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(saved);
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => savedOfJson(line) as unknown as RoundRecord);
  } catch (error) {
    throw new FederationError("checkpoint/corrupt", `the history of a state cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function appended({ buffer, end }: Lines, line: Uint8Array): Lines {
  const length = end + line.byteLength;
  // Behind `end` may lie the line of another continuation, as after a rollback: then those lines go elsewhere.
  const isFree = length <= buffer.byteLength && buffer[end] === 0;
  const into = isFree ? buffer : new Uint8Array(2 * length);
  if (!isFree) into.set(buffer.subarray(0, end));
  into.set(line, end);
  return { buffer: into, end: length };
}
