// Files are damaged after they were written: every damage is noticed, what is whole is used, and nothing begins anew.
// ROT is how many damages are tried (2,000 by default); SEED replays what a run has printed.
import { PerRoundStateCheckpointer, openRoundJournal } from "@perennial-fl/checkpointer";
import { BestLossTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { RoundJournal } from "@perennial-fl/checkpointer";
import { isFederationError, random } from "@perennial-fl/core";
import { expect } from "chai";
import { figure } from "../support/figures.js";
import { damages } from "./damages.js";
import { directory, memoryDisk } from "./memory-disk.js";
import type { Image } from "./memory-disk.js";
import { journalling, keepingModules, moduleOf, savingStates, storageOn } from "./workloads.js";
import type { Workload } from "./workloads.js";

const total = Number(process.env["ROT"] ?? 2000);
const seed = process.env["SEED"] ?? String(process.pid);

/** What came of a damaged file. */
type Outcome =
  /** Told, and the generation before is used; or refused with a typed error. */
  | "noticed"
  /** The cut end of a journal looks like an append that was never acknowledged: its client is asked again. */
  | "asked again";

interface Patient {
  readonly name: string;
  /** The part of all damages that it gets. */
  readonly share: number;
  readonly workload: Workload;
  readonly isDamaged: (file: string) => boolean;
  /** Throws when the damage went by unnoticed, or hurt what was whole. */
  readonly examine: (image: Image) => Promise<Outcome>;
}

const patients: readonly Patient[] = [
  {
    name: "the newest generation of a state",
    share: 0.3,
    workload: savingStates,
    isDamaged: (file) => file === "state",
    examine: (image) => loadState(image, 2),
  },
  {
    name: "the generation of a state before the newest",
    share: 0.15,
    workload: savingStates,
    isDamaged: (file) => file === "state.previous",
    examine: (image) => loadState(image, 3),
  },
  {
    name: "a module",
    share: 0.25,
    workload: keepingModules,
    isDamaged: (file) => file === "best.onnx",
    examine: loadModule,
  },
  {
    name: "a journal",
    share: 0.2,
    workload: journalling,
    isDamaged: (file) => file === "round-journal",
    examine: openJournal,
  },
  {
    name: "a result",
    share: 0.1,
    workload: journalling,
    isDamaged: (file) => file.endsWith(".blob"),
    examine: readResults,
  },
];

describe(`damage to files (SEED=${seed})`, () => {
  const counts: Record<Outcome, number> = { noticed: 0, "asked again": 0 };
  after(() => {
    figure("bit rot", { noticed: counts.noticed, askedAgain: counts["asked again"] });
  });

  for (const { name, share, workload, isDamaged, examine } of patients) {
    it(`is noticed in ${name}`, async function () {
      this.timeout(300_000);
      const image = await imageOf(workload);
      const files = [...image.keys()].filter(isDamaged);
      const draw = random("bit rot", seed, name);
      const each = Math.ceil((total * share) / files.length);
      for (const file of files) {
        for (const { what, bytes } of damages(image.get(file) as Uint8Array, each, draw)) {
          const outcome = await examine(new Map(image).set(file, bytes)).catch((error: unknown) =>
            expect.fail(`${file}, ${what}: ${String(error)}`),
          );
          counts[outcome]++;
        }
      }
    });
  }

  it("is noticed when the generations of a state have swapped their names", async () => {
    const image = await imageOf(savingStates);
    const [current, previous] = [image.get("state"), image.get("state.previous")] as [Uint8Array, Uint8Array];
    const swapped = new Map(image).set("state", previous).set("state.previous", current);
    counts[await loadState(swapped, 3)]++;
  });

  it("is refused in both generations of a state, again and again, and never taken for a fresh start", async () => {
    const image = await imageOf(savingStates);
    const broken = new Map(image).set("state", new Uint8Array(100)).set("state.previous", new Uint8Array());
    const disk = memoryDisk(broken);
    for (let start = 0; start < 3; start++) {
      const states = new PerRoundStateCheckpointer(directory, { storage: storageOn(disk), report: () => undefined });
      await refused(states.loadCheckpoint("state"));
    }
  });
});

/** What lies there after all steps of a workload. */
async function imageOf(workload: Workload): Promise<Image> {
  const disk = memoryDisk();
  const session = await workload.open(storageOn(disk));
  for (let step = 1; step <= workload.steps; step++) await session.take(step);
  await session.close();
  return disk.image();
}

async function loadState(image: Image, expected: number): Promise<Outcome> {
  const reports: string[] = [];
  const storage = storageOn(memoryDisk(image));
  const states = new PerRoundStateCheckpointer(directory, { storage, report: (line) => reports.push(line) });
  expect((await states.loadCheckpoint("state"))["step"]).to.equal(expected);
  expect(reports).to.have.length(1);
  await states.saveCheckpoint("state", { step: expected + 1 });
  expect((await states.loadCheckpoint("state"))["step"], "after the next save").to.equal(expected + 1);
  return "noticed";
}

async function loadModule(image: Image): Promise<Outcome> {
  const reports: string[] = [];
  const storage = storageOn(memoryDisk(image));
  const options = { storage, report: (line: string) => reports.push(line) };
  const best = new BestLossTorchModuleCheckpointer(directory, "best.onnx", options);
  await refused(best.loadCheckpoint());
  await best.maybeCheckpoint(moduleOf(9), -9, {});
  expect(reports).to.have.length(1);
  expect((await best.loadCheckpoint()).metadata["perennial.round"]).to.equal("9");
  return "noticed";
}

async function openJournal(image: Image): Promise<Outcome> {
  let journal: RoundJournal;
  try {
    journal = await openRoundJournal(storageOn(memoryDisk(image)));
  } catch (error) {
    return typed(error);
  }
  // Only the last records may be gone, and what is there is what was written.
  expect(journal.entries.map(({ step }) => step)).to.deep.equal([1, 2, 3].slice(0, journal.entries.length));
  expect(journal.entries.length).to.be.lessThan(3);
  return "asked again";
}

async function readResults(image: Image): Promise<Outcome> {
  const journal = await openRoundJournal(storageOn(memoryDisk(image)));
  try {
    for (const { result } of journal.entries) await journal.stored(result ?? null);
  } catch (error) {
    return typed(error);
  }
  throw new Error("a damaged result was read without a word");
}

async function refused(reading: Promise<unknown>): Promise<void> {
  const error: unknown = await reading.then(
    () => new Error("damage went by unnoticed"),
    (reason: unknown) => reason,
  );
  typed(error);
}

function typed(error: unknown): "noticed" {
  if (isFederationError(error, "checkpoint/corrupt") || isFederationError(error, "checkpoint/newer-version")) {
    return "noticed";
  }
  throw error;
}
