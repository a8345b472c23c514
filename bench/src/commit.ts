// What a durable commit of a 64 MB state costs, over writing and syncing the same bytes without any of its promises.
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import type { Benchmark, Contender } from "./harness.js";
import { madeUpParameters } from "./parameters.js";
import { makeScratch } from "./scratch.js";

const megabytes = 64;
const stateName = "state";

export const commitBenchmark: Benchmark = {
  name: `commit a ${megabytes} MB state`,
  measures: [{ name: "", unit: "ms" }],
  warmUps: 2,
  repetitions: { full: 15, quick: 5 },
  open: openOurs,
  peer: { name: "write+fsync", open: openBareWrite },
};

async function openOurs(): Promise<Contender> {
  const scratch = await makeScratch();
  const states = new PerRoundStateCheckpointer(scratch.path);
  const parameters = madeUpParameters(megabytes);
  let round = 0;
  return {
    async measure() {
      const begun = performance.now();
      await states.saveCheckpoint(stateName, { round: ++round, parameters });
      return [performance.now() - begun];
    },
    close: () => scratch.remove(),
  };
}

/** A new file each time, as a commit makes one; the bytes are those that a commit would write. */
async function openBareWrite(): Promise<Contender> {
  const scratch = await makeScratch();
  await new PerRoundStateCheckpointer(scratch.path).saveCheckpoint(stateName, {
    round: 0,
    parameters: madeUpParameters(megabytes),
  });
  const bytes = await readFile(join(scratch.path, stateName));
  const path = join(scratch.path, "bare");
  return {
    async measure() {
      await rm(path, { force: true });
      const begun = performance.now();
      const file = await open(path, "wx");
      await file.writeFile(bytes);
      await file.sync();
      await file.close();
      return [performance.now() - begun];
    },
    close: () => scratch.remove(),
  };
}
