// The trainer's promises: it learns, repeats itself to the byte, goes on where it stopped, and fails with a reason.
import { createHash } from "node:crypto";
import { bytesOf, float32, isFederationError, zeros } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { startTrainer } from "../src/start.js";
import type { Trained, Trainer, TrainOptions } from "../src/trainer.js";
import { handmade } from "./handmade.js";
import { points } from "./points.js";

const worker = new URL("../src/worker.js", import.meta.url);
const setup = { threads: 1, executionProvider: "cpu", lowerings: [] };
const start: Parameters = handmade.parameters.map(({ shape }) => zeros("float32", shape));
const dataset = points(100, 1);
const options: TrainOptions = { dataset, batchSize: 16, epochs: 2, seed: ["test", 1] };

function digest({ parameters, state }: Trained): string {
  const hash = createHash("sha256");
  for (const tensor of [...parameters, ...Object.values(state as Record<string, Tensor>)]) hash.update(bytesOf(tensor));
  return hash.digest("hex");
}

async function failure(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isFederationError(error)) throw new Error(`no FederationError but ${String(error)}`);
  return error;
}

describe("A trainer", () => {
  let trainer: Trainer;
  before(async () => {
    trainer = await startTrainer(handmade, worker, setup);
  });
  after(() => trainer.close());

  it("learns what can be learned, and says how well on data that it has not seen", async () => {
    const { parameters, loss, numExamples, steps } = await trainer.train(start, { ...options, epochs: 10 });
    expect({ numExamples, steps }).to.deep.equal({ numExamples: 100, steps: 70 });
    const evaluated = await trainer.evaluate(parameters, { dataset: points(64, 2), batchSize: 30 });
    expect(evaluated.accuracy).to.be.greaterThan(0.95);
    expect(evaluated.numExamples).to.equal(64);
    expect(evaluated.loss).to.be.lessThan(0.3);
    expect(loss).to.be.lessThan(0.3);
  });

  it("evaluates alike in batches of any size", async () => {
    const { parameters } = await trainer.train(start, options);
    const whole = await trainer.evaluate(parameters, { dataset });
    const parts = await trainer.evaluate(parameters, { dataset, batchSize: 7 });
    expect(parts.accuracy).to.equal(whole.accuracy);
    expect(parts.loss).to.be.closeTo(whole.loss, 1e-6);
  });

  it("gives the same bytes for the same seed, also in another worker, and others for another seed", async () => {
    const first = digest(await trainer.train(start, options));
    expect(digest(await trainer.train(start, options))).to.equal(first);
    expect(digest(await trainer.train(start, { ...options, seed: ["test", 2] }))).to.not.equal(first);
    const other = await startTrainer(handmade, worker, setup);
    expect(digest(await other.train(start, options))).to.equal(first);
    await other.close();
  });

  it("goes on where it stopped: two calls of one epoch give the bytes of one call of two", async () => {
    const whole = await trainer.train(start, options);
    const half = await trainer.train(start, { ...options, epochs: 1 });
    const rest = { ...options, epochs: 1, firstEpoch: 1, state: half.state };
    expect(digest(await trainer.train(half.parameters, rest))).to.equal(digest(whole));
    // The same without the state, and without the offset, ends elsewhere: both are needed.
    const stateless = { ...options, epochs: 1, firstEpoch: 1 };
    expect(digest(await trainer.train(half.parameters, stateless))).to.not.equal(digest(whole));
    expect(digest(await trainer.train(half.parameters, { ...rest, firstEpoch: 0 }))).to.not.equal(digest(whole));
  });

  it("changes nothing that it was given", async () => {
    const { parameters, state } = await trainer.train(start, options);
    const given = [...parameters, ...Object.values(state as Record<string, Tensor>)];
    const before = given.map(({ data }) => data.slice());
    await trainer.train(parameters, { ...options, state });
    expect(given.map(({ data }) => data)).to.deep.equal(before);
  });

  it("takes one step per epoch when the batch is larger than the dataset", async () => {
    const trained = await trainer.train(start, { ...options, batchSize: 1000 });
    expect(trained.steps).to.equal(2);
  });

  it("tells of every epoch, and its loss falls", async () => {
    const losses: number[] = [];
    const { loss } = await trainer.train(start, { ...options, epochs: 3, onEpoch: (epoch) => losses.push(epoch.loss) });
    expect(losses).to.have.length(3);
    expect(losses[2]).to.equal(loss);
    expect(losses[2]).to.be.lessThan(losses[0]!);
  });

  it("trains on a dataset in shared memory without a copy of its own", async () => {
    const shared = new Float32Array(new SharedArrayBuffer(dataset.inputs.data.byteLength));
    shared.set(dataset.inputs.data as Float32Array);
    const inputs = float32(dataset.inputs.shape, shared);
    const first = digest(await trainer.train(start, options));
    expect(digest(await trainer.train(start, { ...options, dataset: { ...dataset, inputs } }))).to.equal(first);
  });

  it("works with more datasets than it keeps", async () => {
    const datasets = Array.from({ length: 10 }, (_, i) => points(20, i));
    const losses = (sets: typeof datasets) =>
      Promise.all(sets.map(async (set) => (await trainer.evaluate(start, { dataset: set })).numExamples));
    expect(await losses([...datasets, ...datasets])).to.deep.equal(new Array(20).fill(20));
  });

  it("leaves the event loop free while it trains", async () => {
    let [ticks, training] = [0, true];
    const tick = (): void => {
      ticks++;
      if (training) setImmediate(tick);
    };
    setImmediate(tick);
    const { steps } = await trainer.train(start, { ...options, epochs: 50 });
    training = false;
    // On the main thread each step would hold the loop for one turn, and there could be no more turns than steps.
    expect(ticks).to.be.greaterThan(2 * steps);
  });

  it("stops within a step of the signal, and can train again", async () => {
    const stop = new AbortController();
    const endless = { ...options, epochs: 1_000_000, signal: stop.signal };
    const training = trainer.train(start, {
      ...endless,
      onEpoch: () => {
        stop.abort();
      },
    });
    const { code, message } = await failure(training);
    expect(code).to.equal("trainer/aborted");
    expect(message).to.match(/^training was stopped in epoch \d+, step \d+$/);
    expect((await trainer.train(start, options)).steps).to.equal(14);
    expect(await failure(trainer.evaluate(start, { dataset, signal: stop.signal }))).to.have.property(
      "message",
      "evaluation was stopped before it began",
    );
  });

  it("fails with what a listener throws", async () => {
    const oops = new Error("oops");
    const training = trainer.train(start, {
      ...options,
      epochs: 1_000_000,
      onEpoch: () => {
        throw oops;
      },
    });
    expect(await training.catch((error: unknown) => error)).to.equal(oops);
    expect((await trainer.train(start, options)).steps).to.equal(14);
  });

  it("names epoch and step when the loss is not a number, and can train again", async () => {
    const { code, message } = await failure(trainer.train(start, { ...options, learningRate: 1e38 }));
    expect(code).to.equal("trainer/failed");
    expect(message).to.match(/^training diverged: the loss is (NaN|Infinity) in epoch 1, step [23]$/);
    expect((await trainer.train(start, options)).steps).to.equal(14);
  });

  it("does not give out parameters that the last step ruined", async () => {
    const { code, message } = await failure(
      trainer.train(start, { ...options, batchSize: 100, epochs: 1, learningRate: 3.4e38, state: huge() }),
    );
    expect(code).to.equal("trainer/failed");
    expect(message).to.match(
      /^training diverged: parameter w, float32\[2, 3\], holds -?Infinity at 0 in epoch 1, step 1$/,
    );
  });

  function huge(): Record<string, Tensor> {
    return { "velocity.w": float32([2, 3], new Array<number>(6).fill(1e30)), "velocity.b": zeros("float32", [3]) };
  }

  const refusals: [string, () => Promise<unknown>, string, RegExp][] = [
    [
      "a batch of no size",
      () => trainer.train(start, { ...options, batchSize: 0 }),
      "argument/invalid",
      /^batchSize is .* not 0$/,
    ],
    [
      "half an epoch",
      () => trainer.train(start, { ...options, epochs: 0.5 }),
      "argument/invalid",
      /^epochs is .* not 0.5$/,
    ],
    [
      "an epoch before the first",
      () => trainer.train(start, { ...options, firstEpoch: -1 }),
      "argument/invalid",
      /^firstEpoch .* not -1$/,
    ],
    [
      "a learning rate of NaN",
      () => trainer.train(start, { ...options, learningRate: NaN }),
      "argument/invalid",
      /^learningRate .* not NaN$/,
    ],
    [
      "too few parameters",
      () => trainer.evaluate([], { dataset }),
      "model/mismatch",
      /^0 parameters were given .* has 2$/,
    ],
    [
      "parameters of another shape",
      () => trainer.evaluate([...start].reverse(), { dataset }),
      "model/mismatch",
      /^parameter w is float32\[2, 3\], not float32\[3\]$/,
    ],
    [
      "a state that is a number",
      () => trainer.train(start, { ...options, state: 1 }),
      "model/mismatch",
      /is not a dictionary of tensors/,
    ],
    [
      "another optimizer's state",
      () => trainer.train(start, { ...options, state: { "adam.m": zeros("float32", [3]) } }),
      "model/mismatch",
      /holds adam.m, where it should hold \[velocity.w, velocity.b\]$/,
    ],
    [
      "a state with a gap",
      () => trainer.train(start, { ...options, state: {} }),
      "model/mismatch",
      /velocity.w is .* but missing/,
    ],
    [
      "data that do not fit",
      () => trainer.train(start, { ...options, dataset: { ...dataset, inputs: zeros("float32", [100, 3]) } }),
      "data/invalid",
      /inputs are float32\[100, 3\] where the module needs float32\[100, 2\]/,
    ],
  ];
  for (const [what, call, code, message] of refusals) {
    it(`refuses ${what}`, async () => {
      const error = await failure(call());
      expect(error.code).to.equal(code);
      expect(error.message).to.match(message);
    });
  }
});
