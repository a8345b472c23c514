// Deliberate defects that only show in bad weather: the simulation must notice them.
import type { Mutant } from "./mutant.js";

const suite = "packages/simulation/dist/test/simulate.test.js";

export const weatherMutants: readonly Mutant[] = [
  {
    name: "an append is acknowledged before it is synced",
    file: "packages/checkpointer/dist/src/directory-log.js",
    before: "await file.sync();",
    after: "",
    suite,
  },
  {
    name: "every copy of an answer counts",
    file: "packages/server/dist/src/engine/step.js",
    before: "!isOutstanding(progress, client)",
    after: "!progress.cohort.includes(client)",
    suite,
  },
  {
    name: "an answer to an earlier round counts in this one",
    file: "packages/server/dist/src/engine/progress.js",
    before: "sameKey(progress.key, key)",
    after: "progress.key.phase === key.phase",
    suite,
  },
  {
    name: "the journal is cleared a moment before the state is durable",
    file: "packages/server/dist/src/runner.js",
    before: "await world.save(durable);",
    after: "await world.journal.clear(); await world.save(durable);",
    suite,
  },
  {
    name: "a client answers before its answer is durable",
    file: "packages/client/dist/src/responder.js",
    before: "await this.#commit(reply",
    after: "void this.#commit(reply",
    suite,
  },
  {
    name: "names are not synced after a rename",
    file: "packages/checkpointer/dist/src/replace-file.js",
    before: 'await step("making durable the names in", directory, () => disk.syncDirectory(directory));',
    after: "",
    suite,
  },
];
