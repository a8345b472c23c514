// A session in memory: what a server does about failing checkpointers, stale journals, and a missing model.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { float32 } from "@perennial-fl/core";
import type { Connection, Parameters } from "@perennial-fl/core";
import {
  BestLossTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  directoryStorage,
  openRoundJournal,
} from "@perennial-fl/checkpointer";
import { linear, relu, sequential, tanh } from "@perennial-fl/module";
import { fedAvg } from "@perennial-fl/strategy";
import { inMemoryFleet } from "@perennial-fl/transport";
import { startServer } from "../src/index.js";
import type { ServerEvent, ServerOptions } from "../src/index.js";

const one = { minAvailableClients: 1, minFitClients: 1, minEvaluateClients: 1 };
const module = sequential([linear(2, 1)], { input: [2], seed: 3 });

/** A client that adds 1 to every element, for as long as it is asked. */
async function addOne(connection: Connection, initial: Parameters = []): Promise<void> {
  for await (const instruction of connection.instructions()) {
    switch (instruction.type) {
      case "fit": {
        const update = instruction.parameters.map(({ shape, data }) =>
          float32(
            shape,
            Float32Array.from(data as Float32Array, (x) => x + 1),
          ),
        );
        await connection.reply({ type: "fit", update, numExamples: 1, metrics: {} });
        break;
      }
      case "evaluate":
        await connection.reply({ type: "evaluate", loss: 0.5, numExamples: 1, metrics: {} });
        break;
      case "parameters":
        await connection.reply(
          initial.length > 0 ? { type: "parameters", update: initial } : { type: "refused", message: "none" },
        );
        break;
      default:
        return connection.close();
    }
  }
}

describe("a server's session", () => {
  let stateDir: string;
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), "perennial-session-"));
  });
  afterEach(() => {
    rmSync(stateDir, { recursive: true });
  });

  const run = async (options: Partial<ServerOptions>, clients: readonly Parameters[] = [[]]) => {
    const events: ServerEvent[] = [];
    const outcome = await startServer({
      numRounds: 2,
      strategy: fedAvg(one),
      stateDir,
      observe: (event) => events.push(event),
      openFleet: (openSink, run) => {
        const memory = inMemoryFleet({ openSink, run });
        clients.forEach((initial, i) => void addOne(memory.connect(`client-${i}`), initial));
        return memory.fleet;
      },
      ...options,
    });
    return { ...outcome, events };
  };

  it("goes on when a checkpointer fails, offers to the others, and says which one failed", async () => {
    const missing = new LatestTorchModuleCheckpointer(join(stateDir, "nowhere"), "a.onnx");
    const latest = new LatestTorchModuleCheckpointer(stateDir, "b.onnx");
    const { finished, events, parameters } = await run({ initialModel: module, checkpointers: [missing, latest] });
    expect(finished).to.equal(true);
    expect(events.filter(({ type }) => type === "checkpoint-failed")).to.have.length(2);
    expect((await latest.loadCheckpoint()).parameters).to.deep.equal(parameters);
  });

  it("asks the next client for its parameters when the first has none", async () => {
    const given = [float32([2], [5, 6])];
    const { parameters } = await run({ strategy: fedAvg({ ...one, minAvailableClients: 2 }) }, [[], given]);
    expect(parameters).to.deep.equal([float32([2], [7, 8])]);
  });

  it("passes over a client that left and one whose parameters are not finite", async () => {
    const events: ServerEvent[] = [];
    const given = [float32([1], [4])];
    const { parameters } = await startServer({
      numRounds: 1,
      strategy: fedAvg(one),
      stateDir,
      observe: (event) => events.push(event),
      openFleet: (openSink, run) => {
        const memory = inMemoryFleet({ openSink, run });
        void addOne(memory.connect("nan"), [float32([1], [NaN])]);
        const gone = memory.connect();
        void gone.close().then(() => addOne(memory.connect("good"), given));
        return memory.fleet;
      },
    });
    expect(Number.isFinite(parameters[0]?.data[0])).to.equal(true);
    const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(warnings.join()).to.include("nan gave no initial parameters (its tensor 0 is not finite)");
  });

  it("skips a round of which its strategy makes a model that is not finite, naming round, tensor and element", async () => {
    const broken = { ...fedAvg(one), aggregate: () => [float32([1, 2], [0, NaN]), float32([1], [0])] };
    const { parameters, history } = await run({ initialModel: module, strategy: broken });
    expect(parameters).to.deep.equal(module.parameters);
    expect(history.map(({ round, outcome, why }) => ({ round, outcome, why }))).to.deep.equal(
      [1, 2].map((round) => {
        return { round, outcome: "skipped", why: "the strategy made tensor 0 (float32[1, 2]) not finite at element 1" };
      }),
    );
    const failure = await run({ initialModel: module, strategy: broken, numRounds: 9 }).catch(
      (error: unknown) => error,
    );
    expect(failure).to.include({ code: "server/clients" });
    expect(String(failure)).to.include("3 rounds in a row moved nothing; round 5 is skipped");
  });

  it("lets a strategy's own mistake through: it is no round's fault", async () => {
    const broken = {
      ...fedAvg(one),
      aggregate: () => {
        throw new TypeError("w is undefined");
      },
    };
    const failure = await run({ initialModel: module, strategy: broken }).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(TypeError);
  });

  it("refuses to resume with another module of the same shapes", async () => {
    const of = (activation: ReturnType<typeof relu>) =>
      sequential([linear(2, 2), activation, linear(2, 1)], { input: [2], seed: 3 });
    await run({ initialModel: of(relu()) });
    const failure = await run({ initialModel: of(tanh()), numRounds: 3 }).catch((error: unknown) => error);
    expect(failure).to.include({ code: "plan/mismatch" });
    expect(String(failure)).to.match(/a run with module [0-9a-f]{64}, and this one has module [0-9a-f]{64}/);
  });

  it("gives up when rounds in a row move nothing, and says why", async () => {
    const failing = { ...fedAvg(one), enough: () => false };
    const failure = await run({ initialModel: module, strategy: failing, numRounds: 100 }).catch(
      (error: unknown) => error,
    );
    expect(failure).to.include({ code: "server/clients" });
    expect(String(failure)).to.include(
      "3 rounds in a row moved nothing; round 3 is skipped, because 0 of 1 updates counted",
    );
  });

  it("gives up what rests on a lost state, and says so", async () => {
    const { run: name } = await run({ initialModel: module });
    const journal = await openRoundJournal(directoryStorage(stateDir));
    await journal.append([
      { type: "opened", key: { run: name, round: 4, attempt: 1, phase: "fit" }, cohort: [], roster: [] },
    ]);
    await journal.close();
    const { events } = await run({ initialModel: module, numRounds: 3 });
    const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(warnings.join()).to.include("what round 4 had received is given up: it rests on a state that was lost");
  });

  it("goes on with a finished run when more rounds are asked for", async () => {
    await run({ initialModel: module });
    const { round, history } = await run({ initialModel: module, numRounds: 5 });
    expect([round, history.length]).to.deep.equal([5, 5]);
  });

  it("clears a journal whose round is committed: the server died between the two", async () => {
    const { run: name, parameters } = await run({ initialModel: module });
    const storage = directoryStorage(stateDir);
    const journal = await openRoundJournal(storage);
    await journal.append([
      { type: "opened", key: { run: name, round: 2, attempt: 1, phase: "fit" }, cohort: ["client-0"], roster: [] },
    ]);
    await journal.close();
    const again = await run({ initialModel: module });
    expect(again.parameters).to.deep.equal(parameters);
    expect((await openRoundJournal(storage)).entries).to.deep.equal([]);
  });

  it("gives up with a code when too few clients come in time, and the run can be resumed", async () => {
    const options = { strategy: fedAvg(), initialModel: module };
    const failure = await run({ ...options, waitTimeoutMs: 1 }).catch((error: unknown) => error);
    expect(failure).to.include({ code: "server/clients" });
    expect(String(failure)).to.include("round 1 needs 2 clients, and only 1 came in time");
    const { finished } = await run({ ...options, resume: "require" }, [[], []]);
    expect(finished).to.equal(true);
  });

  it("measures every new model itself when it can, and checkpoints by that", async () => {
    const best = new BestLossTorchModuleCheckpointer(stateDir, "best.onnx");
    const { history } = await run({
      initialModel: module,
      checkpointers: [best],
      evaluate: (parameters, round) => ({ loss: round, metrics: { tensors: parameters.length } }),
    });
    expect(history.map(({ central }) => central)).to.deep.equal([
      { loss: 1, metrics: { tensors: 2 } },
      { loss: 2, metrics: { tensors: 2 } },
    ]);
    expect((await best.loadCheckpoint()).metadata["perennial.round"]).to.equal("1");
  });

  it("keeps large updates in files that the rounds take turns in, and leaves none of them behind", async () => {
    const results = () => readdirSync(stateDir).filter((name) => name.endsWith(".blob"));
    const found: string[][] = [];
    await run({
      numRounds: 3,
      initialModel: [float32([5000], new Float32Array(5000))],
      observe: (event) => {
        if (event.type === "result-accepted" && event.phase === "fit") found.push(results());
      },
    });
    expect(found).to.have.length(3);
    expect(found[0]?.[0]).to.match(/^slot-/);
    for (const names of found) expect(names).to.deep.equal(found[0]).and.have.length(1);
    expect(results()).to.deep.equal([]);
  });

  it("refuses a journal entry of a later version by its type", async () => {
    const { run: name } = await run({ initialModel: module });
    const journal = await openRoundJournal(directoryStorage(stateDir));
    const key = { run: name, round: 3, attempt: 1, phase: "fit" } as const;
    await journal.append([
      { type: "opened", key, cohort: [], roster: [] },
      { type: "pondered", key },
    ]);
    await journal.close();
    const failure = await run({ initialModel: module, numRounds: 3 }).catch((error: unknown) => error);
    expect(failure).to.include({ code: "checkpoint/newer-version" });
    expect(String(failure)).to.include('type "pondered"');
  });
});
