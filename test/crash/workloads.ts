// What the checkpointer is used for, as numbered steps that a fresh process can tell apart.
import {
  BestLossTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  PerRoundStateCheckpointer,
  directoryStorage,
  openRoundJournal,
} from "@perennial-fl/checkpointer";
import type {
  DirectoryStorageOptions,
  Disk,
  JournalEntry,
  JournalOptions,
  RoundJournal,
  Storage,
} from "@perennial-fl/checkpointer";
import { float32, isFederationError, pour } from "@perennial-fl/core";
import type { SavedState, StoredResult, Tensor } from "@perennial-fl/core";
import type { OnnxModule } from "@perennial-fl/module";
import { linear, sequential } from "@perennial-fl/module";
import { directory } from "./memory-disk.js";

/** One life of a process over a directory. */
export interface Session {
  /** The last step that is there; the next one to take is the one after. */
  readonly found: number;
  /** Durable on return. */
  take(step: number): Promise<void>;
  close(): Promise<void>;
}

export interface Workload {
  readonly name: string;
  readonly steps: number;
  /** Where results rest; in new files unless it says otherwise. */
  readonly blobs?: DirectoryStorageOptions["blobs"];
  /** Recovers. Throws when what it finds is not whole. */
  open(storage: Storage): Promise<Session>;
}

const quiet = { report: (): void => undefined };
const done = (): Promise<void> => Promise.resolve();

/** A tensor that only this step has, and that fills some sectors. */
const tensorOf = (step: number, length = 300): Tensor =>
  float32(
    [length],
    Float32Array.from({ length }, (_, i) => step + i / 1024),
  );

function checkTensor(tensor: Tensor | undefined, step: number): void {
  const expected = tensorOf(step, tensor?.data.length);
  if (tensor === undefined || tensor.data.some((value, i) => value !== expected.data[i])) {
    throw new Error(`torn: a tensor of step ${step} does not hold that step's numbers`);
  }
}

export const savingStates: Workload = {
  name: "saving a state",
  steps: 3,
  async open(storage) {
    const states = new PerRoundStateCheckpointer(directory, { storage, ...quiet });
    return {
      found: await stateStep(states),
      take: (step) => states.saveCheckpoint("state", stateOf(step)),
      close: done,
    };
  },
};

const stateOf = (step: number): SavedState => ({ step, weights: tensorOf(step) });

async function stateStep(states: PerRoundStateCheckpointer): Promise<number> {
  if (!(await states.checkpointExists("state"))) return 0;
  const { step, weights } = await states.loadCheckpoint("state");
  checkTensor(weights as Tensor, Number(step));
  return Number(step);
}

const architecture = sequential([linear(20, 12), linear(12, 2)], { input: [20], seed: 1 });

export function moduleOf(step: number): OnnxModule {
  const filled = architecture.parameters.map(({ shape, data }) =>
    float32(shape, Float32Array.from(data as Float32Array).fill(step)),
  );
  return architecture.withParameters(filled).withMetadata({ "perennial.round": String(step) });
}

function moduleStep(module: OnnxModule): number {
  const step = Number(module.metadata["perennial.round"]);
  for (const { data } of module.parameters) {
    if (data.some((value) => value !== step)) throw new Error(`torn: a module of step ${step} holds other numbers`);
  }
  return step;
}

export const keepingModules: Workload = {
  name: "keeping the best module",
  steps: 3,
  async open(storage) {
    const best = new BestLossTorchModuleCheckpointer(directory, "best.onnx", { storage, ...quiet });
    const kept = await missingAsNothing(best.loadCheckpoint());
    if (kept !== undefined && kept.metadata["perennial.score"] !== String(-moduleStep(kept))) {
      throw new Error(`torn: the module of step ${moduleStep(kept)} has the score ${kept.metadata["perennial.score"]}`);
    }
    return {
      found: kept === undefined ? 0 : moduleStep(kept),
      take: (step) => best.maybeCheckpoint(moduleOf(step), -step, {}),
      close: done,
    };
  },
};

const journallingOf = (name: string, options: JournalOptions): Workload => ({
  name,
  steps: 3,
  async open(storage) {
    const journal = await openRoundJournal(storage, options);
    await checkEntries(storage, journal, 0);
    return { found: journal.entries.length, take: (step) => accept(journal, step), close: () => journal.close() };
  },
});

const inBlobs = { heldBytes: 0 };

export const journalling = journallingOf("journalling results", inBlobs);
const journallingSmall = journallingOf("journalling small results", {});

/** Steps of a round: open, three results, commit. */
const stepsOfRound = 5;

/** What the server does with its storage in two rounds, in the server's order. */
const wholeRoundsOf = (name: string, options: JournalOptions, blobs?: Workload["blobs"]): Workload => ({
  name,
  steps: 2 * stepsOfRound,
  ...(blobs && { blobs }),
  async open(storage) {
    const states = new PerRoundStateCheckpointer(directory, { storage, ...quiet });
    const latest = new LatestTorchModuleCheckpointer(directory, "latest.onnx", { storage, ...quiet });
    const journal = await openRoundJournal(storage, options);
    const committed = await stateStep(states);
    // A journal of a committed round: the crash came before the next one's first entry.
    if (Number(journal.entries[0]?.["step"] ?? Infinity) <= committed) await journal.clear();
    await checkEntries(storage, journal, committed);
    const module = await missingAsNothing(latest.loadCheckpoint());
    // Checkpointed before the commit: it is the committed round's, or the next one's.
    const kept = module === undefined ? 0 : moduleStep(module);
    if (kept !== committed && kept !== committed + stepsOfRound) {
      throw new Error(`lost: step ${committed} is committed, and the module is of step ${kept}`);
    }
    return {
      found: committed + journal.entries.length,
      async take(step) {
        const within = ((step - 1) % stepsOfRound) + 1;
        if (within === 1) return journal.append([{ step, cohort: ["a", "b", "c"] }]);
        if (within < stepsOfRound) return accept(journal, step);
        await latest.maybeCheckpoint(moduleOf(step), 0, {});
        await states.saveCheckpoint("state", stateOf(step));
        // The first round is ended by the record that begins the second, which ends as one with a long journal does.
        await (step === stepsOfRound ? journal.retire() : journal.clear());
      },
      close: () => journal.close(),
    };
  },
});

async function accept(journal: RoundJournal, step: number): Promise<void> {
  const sink = journal.openSink("client", undefined);
  let result: StoredResult;
  try {
    result = await pour([tensorOf(step, 150), tensorOf(step, 150)], sink);
  } catch (error) {
    await sink.abort(error);
    throw error;
  }
  await journal.append([{ step, result: await journal.reference(result) }]);
}

/** Every entry follows the one before, its result is whole, and no result is there that no entry names. */
async function checkEntries(storage: Storage, journal: RoundJournal, from: number): Promise<void> {
  let expected = from;
  const named: string[] = [];
  for (const entry of journal.entries) {
    const { step, result } = entry as JournalEntry & { readonly result?: SavedState };
    if (step !== ++expected) throw new Error(`lost: the journal goes on with step ${Number(step)}, not ${expected}`);
    if (result === undefined) continue;
    if ("name" in result) named.push(result["name"] as string);
    checkTensor((await journal.stored(result)).read(1), expected);
  }
  const blobs = await storage.blobs();
  if (blobs.some((name) => !named.includes(name))) throw new Error(`${blobs.length} results, ${named.length} named`);
}

async function missingAsNothing<T>(loading: Promise<T>): Promise<T | undefined> {
  try {
    return await loading;
  } catch (error) {
    if (isFederationError(error, "checkpoint/missing")) return undefined;
    throw error;
  }
}

export const workloads: readonly Workload[] = [
  savingStates,
  keepingModules,
  journalling,
  journallingSmall,
  wholeRoundsOf("two whole rounds", inBlobs),
  wholeRoundsOf("two whole rounds of small results", {}),
  // The second round is written over the first one's results.
  wholeRoundsOf("two whole rounds in recycled slots", inBlobs, "recycled-slots"),
];

export function storageOn(disk: Disk, { blobs }: Pick<Workload, "blobs"> = {}): Storage {
  return directoryStorage(directory, { disk, ...(blobs && { blobs }) });
}
