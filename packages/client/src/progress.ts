// What a client has kept of a training that is not over yet, so that a restart goes on inside it.
import type { RequestKey, SavedState } from "@perennial-fl/core";
import { checkedSchema, isFederationError, keyText } from "@perennial-fl/core";
import type { Shelf } from "./answer-store.js";

/** The place for half-done work on the question in hand. */
export interface Progress {
  /** What was kept last for this very question: the same key, parameters, and state of the client to begin from. */
  readonly kept: SavedState | undefined;
  /** Keeps more, durable on return. It counts for this question alone and is of no use once that is answered. */
  keep(state: SavedState): Promise<void>;
}

/** What half-done work rests on: with any of these changed it is void. */
export interface Basis {
  readonly key: RequestKey;
  /** The SHA-256 of the parameters asked with. */
  readonly digest: string;
  /** The number of the record whose state the training started from. */
  readonly follows: number;
}

const name = "client-progress";
const schema = 1;

/**
 * Half-done work on whatever question. Damaged work is as good as none: the training begins again, and the next `keep`
 * sets the files aside. Throws `checkpoint/newer-version`: work of a later version is not void, and not to be replaced.
 */
export async function loadProgress(shelf: Shelf): Promise<SavedState | undefined> {
  try {
    const saved = await shelf.load(name);
    if (saved !== undefined) checkedSchema(saved["schema"], schema, name);
    return saved;
  } catch (error) {
    if (isFederationError(error, "checkpoint/corrupt")) return undefined;
    throw error;
  }
}

/** Half-done work rests under one name: whatever comes next replaces it. */
export async function openProgress(shelf: Shelf, { key, digest, follows }: Basis): Promise<Progress> {
  const basis = { kind: name, schema, key: keyText(key), digest, follows };
  const saved = await loadProgress(shelf);
  const same = saved !== undefined && Object.entries(basis).every(([part, value]) => saved[part] === value);
  return {
    kept: same ? (saved["work"] as SavedState) : undefined,
    keep: (work) => shelf.save(name, { ...basis, work }),
  };
}
