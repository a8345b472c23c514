// The results that a journal's entries refer to, looked at without changing anything.
import type { Saved } from "@perennial-fl/core";
import { isFederationError, messageOf } from "@perennial-fl/core";
import { parseBlobReference } from "./blob-reference.js";
import type { BlobReference } from "./blob-reference.js";
import type { JournalEntry } from "./journal.js";
import type { Storage } from "./storage.js";

/** Every reference to a result within the entries, wherever an entry keeps it, in order. */
export function referencesIn(entries: readonly JournalEntry[]): BlobReference[] {
  const found: BlobReference[] = [];
  const collect = (value: Saved): void => {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
    if ("sha256" in value && "spans" in value) found.push(parseBlobReference(value));
    else (Object.values(value) as readonly Saved[]).forEach(collect);
  };
  entries.forEach(collect);
  return found;
}

/** What is wrong with a stored result, or `undefined` when its bytes are those that the reference names. */
export async function problemOf(reference: BlobReference, storage: Storage): Promise<string | undefined> {
  const { name, sha256, byteLength } = reference;
  try {
    const reader = await storage.openBlob(name);
    if (reader === undefined) return `the result ${name} is missing`;
    if (reader.byteLength < byteLength) return `the result ${name} has ${reader.byteLength} of ${byteLength} bytes`;
    const found = await reader.sha256(byteLength);
    return found === sha256 ? undefined : `the result ${name} is damaged: its SHA-256 is ${found}`;
  } catch (error) {
    if (!isFederationError(error)) throw error;
    return messageOf(error);
  }
}
