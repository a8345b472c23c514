// Runs a writer once over a recording disk, and asks its reader about every directory that a power loss may leave.
import { createHash } from "node:crypto";
import { journalName } from "@perennial-fl/checkpointer";
import { messageOf } from "@perennial-fl/core";
import type { Disk } from "@perennial-fl/checkpointer";
import type { CrashOptions, CrashState } from "./crash-states.js";
import { crashStates } from "./crash-states.js";
import type { Image, Mark, MemoryDisk } from "./memory-disk.js";
import { memoryDisk } from "./memory-disk.js";

/** Something that writes, and what a fresh process makes of whatever is left. */
export interface Subject {
  readonly name: string;
  /** Writes from nothing, and marks each step when it is begun and when it is durable. */
  write(disk: Disk, mark: (mark: Mark) => void): Promise<void>;
  /** Recovers as a fresh process does, and checks all it can. Throws when something is torn, lost or stuck. */
  recover(disk: MemoryDisk, promised: Pick<CrashState, "offered" | "acknowledged">): Promise<void>;
}

export interface Findings {
  /** States that came about, and how many different directories they were. */
  readonly states: number;
  readonly distinct: number;
  /** Further states in which the power went during the recovery itself. */
  readonly again: number;
  readonly violations: readonly string[];
}

export interface ExploreOptions extends CrashOptions {
  /** Whether the recovery of every state is itself cut short after each of its changes. */
  readonly again: boolean;
}

export async function explore(subject: Subject, options: ExploreOptions): Promise<Findings> {
  const recording = memoryDisk();
  await subject.write(recording, (mark) => {
    recording.mark(mark);
  });
  const seen = new Set<string>();
  const cut = new Set<string>();
  const violations: string[] = [];
  let [states, again] = [0, 0];
  const recovered = async (state: CrashState, when: string): Promise<MemoryDisk | undefined> => {
    const disk = memoryDisk(state.image);
    try {
      await subject.recover(disk, state);
      return disk;
    } catch (error) {
      violations.push(`${subject.name}, ${when}: ${messageOf(error)}`);
      return undefined;
    }
  };
  for (const state of crashStates(recording, options)) {
    states++;
    if (!isNew(state, seen)) continue;
    const when = `power lost after change ${state.after}, when ${state.acknowledged} of ${state.offered} steps were durable`;
    const first = await recovered(state, when);
    // Files that nothing refers to are removed whatever they hold: one recovery for all of their contents is cut short.
    const published = new Map([...state.image].filter(([name]) => isReferredTo(name, state.image)));
    if (!options.again || first === undefined || !isNew({ ...state, image: published }, cut)) continue;
    for (const second of crashStates(first, { ...options, limit: 4 })) {
      const promised = {
        offered: Math.max(state.offered, second.offered),
        acknowledged: Math.max(state.acknowledged, second.acknowledged),
      };
      if (!isNew({ ...second, ...promised }, seen)) continue;
      again++;
      await recovered({ ...second, ...promised }, `${when}, and again after change ${second.after} of the recovery`);
    }
  }
  return { states, distinct: seen.size - again, again, violations };
}

/** A temporary file never is, and a slot only if the journal names it. */
function isReferredTo(name: string, image: Image): boolean {
  if (name.startsWith("slot-")) return Buffer.from(image.get(journalName) ?? []).includes(name);
  return !name.startsWith(".tmp-");
}

/** Whether no state with the same contents and promises was looked at before. */
function isNew({ image, offered, acknowledged }: CrashState, seen: Set<string>): boolean {
  const key = `${offered} ${acknowledged} ${fingerprint(image)}`;
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

function fingerprint(image: Image): string {
  const hash = createHash("sha1");
  for (const name of [...image.keys()].sort()) hash.update(`${name}\0`).update(image.get(name) as Uint8Array);
  return hash.digest("base64");
}
