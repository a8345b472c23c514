// Deliberate defects of what writes durable files, and of what reads them back.
import type { Mutant } from "./mutant.js";

const resume = "test/dist/resume/*.test.js";
const checkpointer = "packages/checkpointer/dist/src";
const crash = "test/dist/crash";

export const durableMutants: readonly Mutant[] = [
  {
    name: "the best score is forgotten over a restart",
    file: "packages/checkpointer/dist/src/score-checkpointers.js",
    before: "this.#bestScore = await this.#readBestScore();",
    after: "this.#bestScore = undefined;",
    suite: resume,
  },
  {
    name: "contents get their name before they are synced",
    file: `${checkpointer}/replace-file.js`,
    before: "await file.sync();",
    after: "",
    suite: `${crash}/crash.test.js`,
  },
  {
    name: "a save is reported before its name is durable",
    file: `${checkpointer}/replace-file.js`,
    before: 'await step("making durable the names in", directory, () => disk.syncDirectory(directory));',
    after: "",
    suite: `${crash}/crash.test.js`,
  },
  {
    name: "a journal's record is reported before it is synced",
    file: `${checkpointer}/directory-log.js`,
    before: "await file.sync();",
    after: "",
    suite: `${crash}/server.test.js`,
  },
  {
    name: "a journal that was cleared against the disk's word is taken for another's",
    file: `${checkpointer}/directory-log.js`,
    before: "removing = true;",
    after: "",
    suite: `${crash}/faults.test.js`,
  },
  {
    name: "the generation before is not kept",
    file: `${checkpointer}/replace-file.js`,
    before: "if (keepPrevious)",
    after: "if (false)",
    suite: `${crash}/bit-rot.test.js`,
  },
  {
    name: "generations that swapped their names are not noticed",
    file: `${checkpointer}/per-round-state-checkpointer.js`,
    before: "previous.generation > current.generation",
    after: "false",
    suite: `${crash}/bit-rot.test.js`,
  },
  {
    name: "a state's digest is not compared",
    file: `${checkpointer}/safetensors.js`,
    before: "digestOf(bytes, head, digest) !== digest",
    after: "false",
    suite: `${crash}/bit-rot.test.js`,
  },
  {
    name: "a module's digest is not compared",
    file: `${checkpointer}/module-file.js`,
    before: "digestOf(bytes, digest) !== digest",
    after: "false",
    suite: `${crash}/bit-rot.test.js`,
  },
  {
    name: "a slot is written over while the round that uses it is open",
    file: `${checkpointer}/recycled-slots.js`,
    before: 'slots.set(name, "full");',
    after: "recycleOne(name);",
    suite: "packages/checkpointer/dist/test/recycled-slots.test.js",
  },
  {
    name: "a save that failed is counted on from as if it had never been",
    file: `${checkpointer}/per-round-state-checkpointer.js`,
    before: "this.#last.delete(checkpointName);",
    after: "",
    suite: "packages/checkpointer/dist/test/per-round-state.test.js",
  },
  {
    name: "a result that was aborted leaves its file to the next sweep",
    file: `${checkpointer}/journal-results.js`,
    before: "await writer.abort();",
    after: "",
    suite: "packages/checkpointer/dist/test/journal.test.js",
  },
  {
    name: "a stored thing of no schema is called one of a later version",
    file: "packages/core/dist/src/schema.js",
    before: '"checkpoint/corrupt"',
    after: '"checkpoint/newer-version"',
    suite: "test/dist/golden/clients.test.js",
  },
];
