// Deliberate defects of the server: of the engine, the runner, and what they keep.
import type { Mutant } from "./mutant.js";

const engine = "packages/server/dist/src/engine";
const resume = "test/dist/resume/*.test.js";
const stories = "test/dist/stories/*.test.js";
const kill = "test/dist/kill/kill.test.js";
const crash = "test/dist/crash";

export const serverMutants: readonly Mutant[] = [
  {
    name: "a server keeps every large update in a new file",
    file: "packages/server/dist/src/start-server.js",
    before: 'blobs: "recycled-slots"',
    after: 'blobs: "new-file"',
    suite: "packages/server/dist/test/session.test.js",
  },
  {
    name: "the state is saved before the module is checkpointed",
    file: `${engine}/decide.js`,
    before: "checkpointed ? commit",
    after: "(checkpointed || state.durable.round >= 0) ? commit",
    suite: resume,
  },
  {
    name: "instructions are sent before the opening is durable",
    file: "packages/server/dist/src/runner.js",
    before: 'return journalled({ ...command, type: "opened" });',
    after: 'return { ...command, type: "opened" };',
    suite: resume,
  },
  {
    name: "the strategy's state is not saved",
    file: "packages/server/dist/src/server-state.js",
    before: "...(carried && { carried: carriedToSaved(carried) }),",
    after:
      "...(carried && { carried: carriedToSaved(carried) }), strategyState: durable.round === 0 ? durable.strategyState : null,",
    suite: resume,
  },
  {
    name: "updates are summed in order of arrival",
    file: `${engine}/progress.js`,
    before: "return progress.cohort.flatMap((client) => {\n        const outcome",
    after: "return [...progress.outcomes.keys()].flatMap((client) => {\n        const outcome",
    suite: resume,
  },
  {
    name: "a repeated answer replaces the first and counts again",
    file: `${engine}/step.js`,
    before: "!isOutstanding(progress, client)",
    after: "!progress.cohort.includes(client)",
    suite: stories,
  },
  {
    name: "an answer counts before it is durable",
    file: "packages/server/dist/src/runner.js",
    before: "await world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal))));",
    after: "",
    suite: resume,
  },
  {
    name: "a deadline's decision is not journalled",
    file: "packages/server/dist/src/runner.js",
    before: 'return journalled({ ...command, type: "dropped" });',
    after: 'return { ...command, type: "dropped" };',
    suite: resume,
  },
  {
    name: "the journal is cleared before the state is saved",
    file: "packages/server/dist/src/runner.js",
    before: "await world.save(durable);",
    after: "await world.journal.clear(); await world.save(durable);",
    suite: "packages/server/dist/test/*.test.js",
  },
  {
    name: "the roster is not saved, so nobody is expected back",
    file: `${engine}/step.js`,
    before: "durable.roster.map(",
    after: "[].map(",
    suite: stories,
  },
  {
    name: "the cohort is drawn from a stream instead of from seed and round",
    file: `${engine}/opening.js`,
    before: 'random(plan.seed, "select", key.phase, key.round)',
    after: "random(Math.random())",
    suite: resume,
  },
  {
    name: "updates with NaN are averaged in",
    file: `${engine}/validate.js`,
    before: "tensor.firstNonFinite !== undefined",
    after: "false",
    suite: stories,
  },
  {
    name: "a result is announced a moment before it is durable",
    file: "packages/server/dist/src/runner.js",
    before: "await world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal))));",
    after:
      "setTimeout(async () => world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal)))), 30);",
    suite: `${crash}/server.test.js`,
  },
  // Kill storms strike by chance: their defect is too coarse for chance to miss.
  {
    name: "a result is announced a second before it is durable",
    file: "packages/server/dist/src/runner.js",
    before: "await world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal))));",
    after:
      "setTimeout(async () => world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal)))), 1000);",
    suite: kill,
  },
  {
    name: "a round is announced a moment before its state is durable",
    file: "packages/server/dist/src/runner.js",
    before: "await world.save(durable);",
    after: "setTimeout(() => void world.save(durable), 30);",
    suite: `${crash}/server.test.js`,
  },
  {
    name: "an answer to another question counts",
    file: `${engine}/progress.js`,
    before: "sameKey(progress.key, key)",
    after: "progress.key.phase === key.phase",
    suite: `${crash}/repeats.test.js`,
  },
  {
    name: "answers to rounds that were rolled back count again",
    file: "packages/server/dist/src/rollback.js",
    before: "const attempt = newest.durable.attempt + 1;",
    after: "const attempt = newest.durable.attempt;",
    suite: "test/dist/resume/rollback.test.js",
  },
  {
    name: "states of abandoned rounds are given up before the rollback is durable",
    file: "packages/server/dist/src/rollback.js",
    before: "const attempt = newest.durable.attempt + 1;",
    after:
      "for (const each of archived) await storage.remove(archiveName(each)); const attempt = newest.durable.attempt + 1;",
    suite: "test/dist/resume/rollback.test.js",
  },
  {
    name: "a state of the first schema is not migrated",
    file: "packages/server/dist/src/migrations.js",
    before: "attempt: 1 })",
    after: "attempt: 2 })",
    suite: "test/dist/golden/*.test.js",
  },
  {
    name: "a round is opened for whose results there is no room",
    file: "packages/server/dist/src/space.js",
    before: "if (free >= needed)",
    after: "if (free >= 0)",
    suite: "packages/server/dist/test/space.test.js",
  },
  {
    name: "another copy of an older answer has a client asked again",
    file: `${engine}/apply.js`,
    before: "if (presence?.asked === undefined || key === undefined || !sameKey(presence.asked, key))",
    after: "if (presence?.asked === undefined)",
    suite: "packages/server/dist/test/engine.test.js",
  },
];
