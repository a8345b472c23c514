// Where given answers rest: the last two of each phase, each committed with the client's state as one.
import { FederationError, checkedSchema } from "@perennial-fl/core";
import type { Phase, SavedState } from "@perennial-fl/core";
import type { AnswerRecord } from "./answer-record.js";
import { loadProgress, openProgress } from "./progress.js";
import type { Basis, Progress } from "./progress.js";

/** Keeps dictionaries by name. `save` is atomic, and durable when it resolves. */
export interface Shelf {
  /** `undefined` if nothing was ever saved under the name. */
  load(name: string): Promise<SavedState | undefined>;
  save(name: string, state: SavedState): Promise<void>;
}

/** Two of a phase, so that the state from which the newest answer was made is never the one that is replaced. */
const slotsOf = {
  fit: ["client-fit-0", "client-fit-1"],
  evaluate: ["client-evaluate-0", "client-evaluate-1"],
} as const;
type Slot = (typeof slotsOf)[Phase][number];

const kind = "client-answer";
const schema = 1;

/**
 * Only what was read from the shelf is ever replaced on it: the first access reads, and so does the next one after a
 * save that failed, because what that left on the disk is not known.
 */
export class AnswerStore {
  readonly #shelf: Shelf;
  #held: Map<Slot, AnswerRecord> | undefined;
  /** Its save failed: what is read there may be lost with the power, and must not be answered from before it is kept. */
  #doubtful: Slot | undefined;

  constructor(shelf: Shelf) {
    this.#shelf = shelf;
  }

  /** Reads all that is kept, half-done work too. Throws what `records` throws. */
  async check(): Promise<void> {
    await this.#load();
    await loadProgress(this.#shelf);
  }

  /** All records, in no order. Throws what the shelf throws, `checkpoint/corrupt` and `checkpoint/newer-version`. */
  async records(): Promise<AnswerRecord[]> {
    return [...(await this.#load()).values()];
  }

  /** The place for half-done work on a question. */
  progress(basis: Basis): Promise<Progress> {
    return openProgress(this.#shelf, basis);
  }

  /** Makes answer and state durable in one step, and returns the record with its number. */
  async commit(record: Omit<AnswerRecord, "sequence">): Promise<AnswerRecord> {
    const held = await this.#load();
    const sequence = 1 + Math.max(0, ...[...held.values()].map((other) => other.sequence));
    const slot = slotFor(held, record.key?.phase ?? "fit", record.follows);
    const numbered = { ...record, sequence };
    this.#held = undefined;
    this.#doubtful = slot;
    await this.#shelf.save(slot, toSaved(numbered));
    this.#doubtful = undefined;
    this.#held = held.set(slot, numbered);
    return numbered;
  }

  async #load(): Promise<Map<Slot, AnswerRecord>> {
    if (this.#held !== undefined) return this.#held;
    const held = new Map<Slot, AnswerRecord>();
    for (const slot of [...slotsOf.fit, ...slotsOf.evaluate]) {
      const saved = await this.#shelf.load(slot);
      if (saved !== undefined) held.set(slot, fromSaved(slot, saved));
    }
    const doubtful = this.#doubtful && held.get(this.#doubtful);
    if (this.#doubtful !== undefined && doubtful !== undefined) {
      await this.#shelf.save(this.#doubtful, toSaved(doubtful));
    }
    this.#doubtful = undefined;
    this.#held = held;
    return held;
  }
}

/** A shelf for clients without a directory: remembers as long as the process lives. */
export function memoryShelf(): Shelf {
  const kept = new Map<string, SavedState>();
  return {
    load: (name) => Promise.resolve(kept.get(name)),
    save: (name, state) => {
      kept.set(name, state);
      return Promise.resolve();
    },
  };
}

/** The slot that does not hold the state the answer was made from; of two such, the empty or older one. */
function slotFor(held: ReadonlyMap<Slot, AnswerRecord>, phase: Phase, follows: number | null): Slot {
  const age = (slot: Slot): number => held.get(slot)?.sequence ?? 0;
  const [first, second] = slotsOf[phase];
  if (follows !== null && age(first) === follows) return second;
  if (follows !== null && age(second) === follows) return first;
  return age(first) <= age(second) ? first : second;
}

function toSaved(record: AnswerRecord): SavedState {
  // A record is plain data throughout; its interfaces only lack the index signature that saved types have.
  return { kind, schema, ...(record as unknown as SavedState) };
}

function fromSaved(slot: string, saved: SavedState): AnswerRecord {
  const { kind: found, schema: version, ...record } = saved;
  if (found !== kind) {
    throw new FederationError(
      "checkpoint/corrupt",
      `reading ${slot}: it holds ${JSON.stringify(found)}, not an answer`,
    );
  }
  checkedSchema(version, schema, slot);
  return record as unknown as AnswerRecord;
}
