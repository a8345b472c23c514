// What the options of a module's training come to in the trainer: dropout, schedules, anchors, corrections, frozen layers.
import { float32, sameTensor, tensor } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import {
  corrected,
  cosineAnnealing,
  crossEntropy,
  dropout,
  linear,
  proximal,
  relu,
  sequential,
  sgd,
} from "@perennial-fl/module";
import type { Optimizer } from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { TrainerOptions, TrainOptions } from "../src/index.js";
import { points } from "./points.js";

const module = sequential([linear(2, 16), relu(), linear(16, 3)], { input: [2], seed: 1 });
const plain = sgd({ learningRate: 0.1 });
const options = { dataset: points(100, 1), batchSize: 16, epochs: 1, seed: ["options"] } satisfies TrainOptions;

async function training(change: Partial<TrainerOptions>, ...calls: Partial<TrainOptions>[]) {
  const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: plain, ...change });
  try {
    let [parameters, state]: [Parameters, TrainOptions["state"]] = [(change.module ?? module).parameters, undefined];
    for (const call of calls) {
      const goOn = state === undefined ? {} : { state };
      ({ parameters, state } = await trainer.train(parameters, { ...options, ...goOn, ...call }));
    }
    return { parameters, state };
  } finally {
    await trainer.close();
  }
}

const same = (a: Parameters, b: Parameters): boolean => a.every((held, i) => sameTensor(held, b[i]!));
const distance = (a: Parameters, b: Parameters): number =>
  Math.hypot(...a.flatMap(({ data }, i) => Array.from(data as Float32Array, (x, j) => x - Number(b[i]!.data[j]))));

describe("Training with dropout", () => {
  const dropping = sequential([linear(2, 16), relu(), dropout(0.5), linear(16, 3)], { input: [2], seed: 1 });

  it("goes on from its state to the byte, and repeats itself for the same seed only", async () => {
    const whole = await training({ module: dropping }, { epochs: 5 });
    const joined = await training({ module: dropping }, { epochs: 2 }, { epochs: 3, firstEpoch: 2 });
    expect(joined).to.deep.equal(whole);
    const other = await training({ module: dropping }, { epochs: 5, seed: ["another"] });
    expect(same(other.parameters, whole.parameters)).to.equal(false);
  });

  it("drops something else in every step", async () => {
    // One batch an epoch in a fixed order would else give the same gradient twice at rate 0.
    const seen = new Set<number>();
    const trainer = await openTrainer({ module: dropping, loss: crossEntropy(), optimizer: plain });
    const onEpoch = ({ loss }: { loss: number }): void => void seen.add(Math.round(loss * 1e5));
    await trainer.train(dropping.parameters, { ...options, batchSize: 100, epochs: 6, learningRate: 0, onEpoch });
    await trainer.close();
    expect(seen.size).to.equal(6);
  });
});

describe("A learning rate schedule", () => {
  it("gives each step its rate, counted over calls", async () => {
    const learningRate = cosineAnnealing(0.2, { steps: 21 });
    const whole = await training({}, { epochs: 3, learningRate });
    const parts = await training({}, { epochs: 1, learningRate }, { epochs: 2, firstEpoch: 1, learningRate });
    expect(same(parts.parameters, whole.parameters)).to.equal(true);
    const constant = await training({}, { epochs: 3, learningRate: () => 0.1 });
    expect(same(constant.parameters, (await training({}, { epochs: 3 })).parameters)).to.equal(true);
    const short = await training({}, { epochs: 3, learningRate: (step) => (step < 7 ? 0.1 : 0) });
    expect(same(short.parameters, (await training({}, { epochs: 1 })).parameters)).to.equal(true);
  });

  it("is refused where it gives no number, by its step", async () => {
    const error: unknown = await training({}, { learningRate: (step) => 1 / (step - 3) }).catch((e: unknown) => e);
    expect(error).to.have.property("code", "argument/invalid");
    expect(error)
      .to.have.property("message")
      .that.matches(/Infinity at step 3/);
  });
});

describe("A term against a reference", () => {
  it("holds the model to where the call began, or to the anchor given", async () => {
    const free = await training({}, { epochs: 10 });
    const held = await training({ optimizer: proximal(5, plain) }, { epochs: 10 });
    expect(distance(held.parameters, module.parameters)).lessThan(distance(free.parameters, module.parameters) / 2);
    const pulled = await training({ optimizer: proximal(5, plain) }, { epochs: 10, anchor: free.parameters });
    expect(distance(pulled.parameters, free.parameters)).lessThan(distance(held.parameters, free.parameters) / 2);
  });

  it("moves every step by the correction", async () => {
    const corrections = module.parameters.map(({ shape, data }) =>
      float32(shape, new Float32Array(data.length).fill(0.5)),
    );
    const optimizer = corrected(plain);
    const once = { batchSize: 100, corrections };
    const [moved, free] = [await training({ optimizer }, once), await training({}, { batchSize: 100 })];
    moved.parameters.forEach(({ data }, i) => {
      data.forEach((x, j) => expect(Number(x)).closeTo(Number(free.parameters[i]!.data[j]) - 0.05, 1e-6));
    });
  });

  const refusals: readonly [string, Optimizer, Partial<TrainOptions>, RegExp][] = [
    ["corrections that are missing", corrected(plain), {}, /takes corrections, and none were given/],
    ["corrections that nothing reads", plain, { corrections: module.parameters }, /takes no anchor or no corrections/],
    ["an anchor that nothing reads", plain, { anchor: module.parameters }, /takes no anchor or no corrections/],
    ["an anchor of another module", proximal(1, plain), { anchor: module.parameters.slice(1) }, /3 parameters/],
  ];
  for (const [what, optimizer, call, message] of refusals) {
    it(`refuses ${what}`, async () => {
      const error: unknown = await training({ optimizer }, call).catch((e: unknown) => e);
      expect(error).to.have.property("message").that.matches(message);
    });
  }
});

describe("A frozen layer", () => {
  it("comes back as it was", async () => {
    const { parameters } = await training({ frozen: (name) => name.startsWith("0.") }, { epochs: 2 });
    const kept = parameters.map((held, i) => sameTensor(held, module.parameters[i]!));
    expect(kept).to.deep.equal([true, true, false, false]);
  });
});

describe("Ignored labels", () => {
  it("are accepted under the loss that ignores them, and count for nothing", async () => {
    const { inputs, targets } = options.dataset;
    const labels = BigInt64Array.from(targets.data as Uint8Array, BigInt).fill(-100n, 0, 50);
    const dataset = { inputs, targets: tensor("int64", [100], labels) };
    const second = {
      inputs: float32([50, 2], (inputs.data as Float32Array).slice(100)),
      targets: tensor("int64", [50], labels.slice(50)),
    };
    const trainer = await openTrainer({ module, loss: crossEntropy({ ignoreIndex: -100 }), optimizer: plain });
    const whole = await trainer.evaluate(module.parameters, { dataset });
    const half = await trainer.evaluate(module.parameters, { dataset: second });
    await trainer.close();
    expect(whole.accuracy).to.equal(half.accuracy);
    expect(whole.loss).closeTo(half.loss, 1e-6);
  });
});
