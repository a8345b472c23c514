// The deliberate defects: all of them, and those of the server, the clients and their files.
import type { Mutant } from "./mutant.js";
import { strategyMutants } from "./strategies.js";
import { trainingMutants } from "./training.js";
import { weatherMutants } from "./weather.js";

const engine = "packages/server/dist/src/engine";
const identities = "test/dist/identities/*.test.js";
const resume = "test/dist/resume/*.test.js";
const stories = "test/dist/stories/*.test.js";
const kill = "test/dist/kill/kill.test.js";
const checkpointer = "packages/checkpointer/dist/src";
const crash = "test/dist/crash";
const responder = "packages/client/dist/src/responder.js";

const http2 = "packages/transport/dist/src/http2";
const hostile = "packages/transport/dist/test/streaming-hostile.test.js";

export const mutants: readonly Mutant[] = [
  {
    name: "the state is saved before the module is checkpointed",
    file: `${engine}/decide.js`,
    before: "if (checkpointed === undefined)",
    after: "if (checkpointed === undefined && state.durable.round < 0)",
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
    before: "...state.durable })",
    after: "...state.durable, strategyState: state.durable.round === 0 ? state.durable.strategyState : null })",
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
    before: "!outstanding(progress).includes(client)",
    after: "!progress.cohort.includes(client)",
    suite: stories,
  },
  {
    name: "the best score is forgotten over a restart",
    file: "packages/checkpointer/dist/src/score-checkpointers.js",
    before: "this.#bestScore = await this.#readBestScore();",
    after: "this.#bestScore = undefined;",
    suite: resume,
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
    name: "the mean is not weighted",
    file: "packages/strategy/dist/src/mean.js",
    before: "numbersOf(result.read(index)), numExamples)",
    after: "numbersOf(result.read(index)), 1)",
    suite: "packages/strategy/dist/test/*.test.js",
  },
  {
    name: "a result is announced a moment before it is durable",
    file: "packages/server/dist/src/runner.js",
    before: "await world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal))));",
    after:
      "setTimeout(async () => world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal)))), 30);",
    suite: kill,
  },
  {
    name: "a round is announced a moment before its state is durable",
    file: "packages/server/dist/src/runner.js",
    before: "await world.save(durable);",
    after: "setTimeout(() => void world.save(durable), 30);",
    suite: kill,
  },
  {
    name: "a client gives its answer out before it is stored",
    file: responder,
    before: "await this.#commit(reply, key, digest, origin);",
    after: "setTimeout(() => void this.#commit(reply, key, digest, origin), 300);",
    suite: "packages/client/dist/test/*.test.js",
  },
  {
    name: "a client trains again for a question that it has answered",
    file: responder,
    before: "if (given?.reply)",
    after: "if (false)",
    suite: kill,
  },
  {
    name: "a restarted client is not given its state back",
    file: responder,
    before: "await client.load(state.saved);",
    after: "",
    suite: kill,
  },
  {
    name: "the streaming server fills a stage that has not been stored",
    file: `${http2}/update-writer.js`,
    before: "await this.#writing;\n        if (this.#filled > 0)",
    after: "if (this.#filled > 0)",
    suite: "packages/transport/dist/test/streaming-memory.test.js",
  },
  {
    name: "the streaming server lets every client send at once",
    file: `${http2}/byte-source.js`,
    before: "this.#stream.pause();",
    after: "",
    suite: "packages/transport/dist/test/streaming-memory.test.js",
  },
  {
    name: "the streaming server forgets the stages before when it finds a NaN",
    file: `${http2}/update-writer.js`,
    before: "current.checked + found",
    after: "found",
    suite: "packages/transport/dist/test/streaming.test.js",
  },
  {
    name: "the streaming server calls a lost upload an unreadable answer",
    file: `${http2}/call.js`,
    before: 'return { type: "lost" };',
    after: "",
    suite: hostile,
  },
  {
    name: "the streaming server lets a field reach beyond its message",
    file: `${http2}/message-stream.js`,
    before: "if (missing > 0)",
    after: "if (missing > 0 && scope.name === undefined)",
    suite: hostile,
  },
  {
    name: "the streaming server receives messages above its limit",
    file: `${http2}/frames.js`,
    before: "length <= maxMessageBytes",
    after: "length >= 0",
    suite: hostile,
  },
  {
    name: "the streaming server does not count the calls that a client opens",
    file: `${http2}/session.js`,
    before: "if (!calls.take())",
    after: "if (false)",
    suite: "packages/transport/dist/test/streaming-limits.test.js",
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
    name: "an answer to another question counts",
    file: `${engine}/progress.js`,
    before: "sameKey(progress.key, key)",
    after: "progress.key.phase === key.phase",
    suite: `${crash}/repeats.test.js`,
  },
  {
    name: "a trimmed mean cuts one value too few",
    file: "packages/strategy/dist/src/coordinates.js",
    before: "const cut = Math.floor(beta * sorted.length);",
    after: "const cut = Math.max(0, Math.floor(beta * sorted.length) - 1);",
    suite: identities,
  },
  {
    name: "the weights of a mean and its divisor disagree",
    file: "packages/strategy/dist/src/mean.js",
    before: "numbersOf(result.read(index)), numExamples)",
    after: "numbersOf(result.read(index)), Math.fround(numExamples / 3))",
    suite: identities,
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
    name: "a slot is written over while the round that uses it is open",
    file: `${checkpointer}/recycled-slots.js`,
    before: 'slots.set(name, "full");',
    after: "recycleOne(name);",
    suite: "packages/checkpointer/dist/test/recycled-slots.test.js",
  },
  {
    name: "a slot with another digest than its record names is taken",
    file: `${checkpointer}/journal.js`,
    before: "if (sha256 !== reference.sha256)",
    after: "if (sha256 === undefined)",
    suite: "packages/checkpointer/dist/test/recycled-slots.test.js",
  },
  {
    name: "a training that was stopped within an epoch goes on with the next",
    file: "packages/cli/dist/src/train/run.js",
    before: "return trained.cursor ?? {",
    after: "return {",
    suite: "packages/cli/dist/test/train.test.js",
  },
  {
    name: "a client that was killed inside an epoch goes on without its optimizer's memory",
    file: "packages/client/dist/src/resumable-training.js",
    before: "state: done.state, ",
    after: "",
    suite: "packages/client/dist/test/resumable-training.test.js",
  },
  ...trainingMutants,
  ...weatherMutants,
  {
    name: "the ninth client of one Python process waits for ever",
    file: "packages/transport/dist/src/http2/listen.js",
    before: "maxConcurrentStreams: limits.burst",
    after: "maxConcurrentStreams: 8",
    suite: "packages/transport/dist/test/streaming-limits.test.js",
  },
  ...strategyMutants,
];
