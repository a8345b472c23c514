// The results that a journal's entries refer to, looked at without changing anything.
import type { Saved, SavedState } from "@perennial-fl/core";
import { isFederationError, messageOf } from "@perennial-fl/core";
import { isHeld, looksLikeReference, parseReference, problemOfBlob } from "./blob-reference.js";
import type { ResultReference } from "./blob-reference.js";
import type { JournalEntry } from "./journal.js";
import type { Storage } from "./storage.js";

/** Every reference to a result within the entries, wherever an entry keeps it, in order. */
export function referencesIn(entries: readonly JournalEntry[]): ResultReference[] {
  const found: ResultReference[] = [];
  const collect = (value: Saved): void => {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
    if (!Array.isArray(value) && looksLikeReference(value as SavedState)) found.push(parseReference(value));
    else (Object.values(value) as readonly Saved[]).forEach(collect);
  };
  entries.forEach(collect);
  return found;
}

/** What is wrong with a stored result, or `undefined` when its bytes are those that the reference names. */
export async function problemOf(reference: ResultReference, storage: Storage): Promise<string | undefined> {
  // The log's own checksums have covered what it holds itself.
  if (isHeld(reference)) return undefined;
  try {
    return await problemOfBlob(reference, storage);
  } catch (error) {
    if (!isFederationError(error)) throw error;
    return messageOf(error);
  }
}
