// Every call of the disk fails once, with every error: nothing acknowledged is lost, and the next save works.
import { float32, isFederationError, pour } from "@perennial-fl/core";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import { openRoundJournal } from "../src/journal.js";
import type { RoundJournal } from "../src/journal.js";
import { PerRoundStateCheckpointer } from "../src/per-round-state-checkpointer.js";
import { BestLossTorchModuleCheckpointer } from "../src/score-checkpointers.js";
import type { Storage } from "../src/storage.js";
import type { Fault } from "./faulty-disk.js";
import { faultyDisk } from "./faulty-disk.js";
import { linearModule, valueOf } from "./modules.js";
import { temporariesIn, temporaryDirectory } from "./temporary.js";

/** What a scenario has done: `acknowledged` is the last step that was confirmed, `offered` the last one tried. */
interface Progress {
  acknowledged: number;
  offered: number;
}

interface Scenario {
  readonly name: string;
  readonly blobs?: "new-file" | "recycled-slots";
  /** Takes steps 1, 2, 3, and goes on after an error. Resolves with the errors. */
  run(storage: Storage, progress: Progress, from: number): Promise<void>;
  /** The last step that a fresh process finds. */
  found(storage: Storage): Promise<number>;
}

const quiet = { report: (): void => undefined };

const scenarios: readonly Scenario[] = [
  {
    name: "saving a state",
    async run(storage, progress, from) {
      const states = new PerRoundStateCheckpointer("there", { storage, ...quiet });
      await steps(progress, from, (step) =>
        states.saveCheckpoint("state", { step, weights: float32([3], [step, 1, 2]) }),
      );
    },
    async found(storage) {
      const states = new PerRoundStateCheckpointer("there", { storage, ...quiet });
      if (!(await states.checkpointExists("state"))) return 0;
      return Number((await states.loadCheckpoint("state"))["step"]);
    },
  },
  {
    name: "keeping the best module",
    async run(storage, progress, from) {
      const best = new BestLossTorchModuleCheckpointer("there", "best.onnx", { storage, ...quiet });
      await steps(progress, from, (step) => best.maybeCheckpoint(linearModule(step), -step, {}));
    },
    async found(storage) {
      const best = new BestLossTorchModuleCheckpointer("there", "best.onnx", { storage, ...quiet });
      if ((await storage.read("best.onnx")) === undefined) return 0;
      return valueOf(await best.loadCheckpoint());
    },
  },
  journalling("new-file"),
  journalling("recycled-slots"),
];

/** The first step finds a slot that was used before, where blobs rest in slots; the others make new ones. */
function journalling(blobs: "new-file" | "recycled-slots"): Scenario {
  const accept = async (journal: RoundJournal, step: number): Promise<void> => {
    const sink = journal.openSink("client", undefined);
    try {
      const result = await pour([float32([2], [step, step])], sink);
      await journal.append([{ step, result: await journal.reference(result) }]);
    } catch (error) {
      await sink.abort(error);
      throw error;
    }
  };
  return {
    name: `journalling results (${blobs})`,
    blobs,
    async run(storage, progress, from) {
      let journal = await openRoundJournal(storage, { heldBytes: 0 }).catch(typed);
      if (blobs === "recycled-slots" && from === 1 && journal !== undefined) {
        await accept(journal, 0).catch(typed);
        await journal.clear().catch(typed);
      }
      await steps(progress, from, async (step) => {
        journal ??= await openRoundJournal(storage, { heldBytes: 0 });
        await accept(journal, step);
      });
      await journal?.close().catch(typed);
    },
    async found(storage) {
      const journal = await openRoundJournal(storage, { heldBytes: 0 });
      let last = -1;
      for (const { step, result } of journal.entries) {
        expect((await journal.stored(result ?? null)).read(0).data[1]).to.equal(step);
        expect(Number(step), "entries are in order").to.be.greaterThan(last);
        last = Number(step);
      }
      expect(await storage.blobs()).to.have.lengthOf(journal.entries.length);
      await journal.close();
      return Math.max(last, 0);
    },
  };
}

const faults: readonly Fault[] = ["EIO", "ENOSPC", "EACCES", "short"];

describe("a failing disk", () => {
  for (const scenario of scenarios) {
    for (const fault of faults) {
      // A fault for good is the same loop from another call on, whatever its code: one code is enough.
      for (const lasting of fault === "ENOSPC" ? [false, true] : [false]) {
        it(`loses nothing when ${scenario.name} meets ${fault}${lasting ? " for good" : " once"}`, async () => {
          let failing = 1;
          for (let over = false; !over; failing++) {
            expect(failing, "the loop ends").to.be.lessThan(400);
            over = await survives(scenario, failing, fault, lasting);
          }
          expect(failing).to.be.greaterThan(10);
        });
      }
    }
  }
});

/** Whether the run was over before the failing call. */
async function survives(scenario: Scenario, failing: number, fault: Fault, lasting: boolean): Promise<boolean> {
  const directory = temporaryDirectory();
  const disk = faultyDisk(failing, fault, lasting);
  const options = { ...(scenario.blobs && { blobs: scenario.blobs }) };
  const storage = directoryStorage(directory, { disk, ...options });
  const progress: Progress = { acknowledged: 0, offered: 0 };
  await scenario.run(storage, progress, 1);
  const over = disk.calls < failing;
  if (over || fault === "short") expect(progress.acknowledged).to.equal(3);
  expect(disk.openFiles, `open files after call ${failing}`).to.equal(0);

  if (!lasting) expect(temporariesIn(directory), `left over after call ${failing}`).to.be.empty;

  const found = await scenario.found(directoryStorage(directory));
  expect(found, `found after call ${failing}`).to.be.within(progress.acknowledged, progress.offered);

  disk.heal();
  await scenario.run(storage, progress, 4);
  expect(progress.acknowledged, `acknowledged once healed of call ${failing}`).to.equal(6);
  const lock = await directoryStorage(directory).lock();
  expect(temporariesIn(directory)).to.be.empty;
  await lock.release();
  expect(await scenario.found(directoryStorage(directory))).to.equal(6);
  return over;
}

async function steps(progress: Progress, from: number, take: (step: number) => Promise<void>): Promise<void> {
  for (let step = from; step < from + 3; step++) {
    progress.offered = step;
    try {
      await take(step);
      progress.acknowledged = step;
    } catch (error) {
      typed(error);
    }
  }
}

/** Fails the test unless the error is one that callers can branch on. */
function typed(error: unknown): undefined {
  if (!isFederationError(error)) throw error;
  return undefined;
}
