// The train step and the evaluation as whole graphs.
import { float32 } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import {
  OnnxModule,
  adam,
  batchNorm2d,
  conv2d,
  crossEntropy,
  evaluationGraph,
  flatten,
  linear,
  maxPool2d,
  meanSquaredError,
  relu,
  sequential,
  sgd,
  trainingGraph,
} from "../src/index.js";
import type { TrainingOptions } from "../src/index.js";
import { labels, normals, numbers, run } from "./train.js";

const mlp = sequential([linear(6, 5), relu(), linear(5, 3)], { input: [6], seed: 1 });

/** Runs `steps` steps on one batch; gives the losses and what the last step returned. */
async function train(module: OnnxModule, options: TrainingOptions, features: Tensor, targets: Tensor, steps: number) {
  const graph = trainingGraph(module, options);
  let state: Record<string, Tensor> = Object.fromEntries([
    ...graph.parameters.map(({ name }, i) => [name, module.parameters[i] as Tensor] as const),
    ...graph.optimizerState.map(({ name, initial }) => [name, initial] as const),
  ]);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const result = await run(graph.model, {
      ...state,
      [graph.inputs.features.name]: features,
      [graph.inputs.targets.name]: targets,
      [graph.inputs.learningRate.name]: float32([], [options.optimizer.learningRate]),
    });
    losses.push(numbers(result[graph.outputs.loss.name]!)[0]!);
    state = Object.fromEntries(Object.keys(state).map((name) => [name, result[`new.${name}`]!]));
  }
  return { losses, state };
}

describe("A train step", () => {
  const features = normals("features", [8, 6]);
  const targets = labels("targets", 8, 3);

  for (const optimizer of [
    sgd({ learningRate: 0.2, momentum: 0.9, weightDecay: 1e-4 }),
    adam({ learningRate: 0.02 }),
  ]) {
    it(`makes the loss of a perceptron small with ${optimizer.name}`, async () => {
      const { losses } = await train(mlp, { loss: crossEntropy(), optimizer, batchSize: 8 }, features, targets, 40);
      expect(losses.at(-1)).below(0.3 * losses[0]!);
    });
  }

  it("makes the loss of a convolutional network small", async () => {
    const lenet = sequential(
      [
        conv2d(1, 4, 5, { padding: 2 }),
        relu(),
        maxPool2d(2),
        conv2d(4, 6, 3, { stride: 2, padding: 1 }),
        relu(),
        maxPool2d(3, { stride: 2, padding: 1 }),
        flatten(),
        linear(24, 3),
      ],
      { input: [1, 14, 14], seed: 2 },
    );
    const images = normals("images", [8, 1, 14, 14]);
    const { losses } = await train(
      lenet,
      { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), batchSize: 8 },
      images,
      targets,
      30,
    );
    expect(losses.at(-1)).below(0.3 * losses[0]!);
  });

  it("fits numbers with the mean squared error", async () => {
    const { losses } = await train(
      mlp,
      { loss: meanSquaredError(), optimizer: sgd({ learningRate: 0.1 }), batchSize: 8 },
      features,
      normals("y", [8, 3]),
      30,
    );
    expect(losses.at(-1)).below(0.7 * losses[0]!);
  });

  it("holds no node that nothing needs", () => {
    const { model } = trainingGraph(mlp, { loss: crossEntropy(), optimizer: sgd({ learningRate: 1 }), batchSize: 4 });
    const { nodes, outputs } = OnnxModule.fromBytes(model).graph;
    const read = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.map(({ name }) => name)]);
    expect(nodes.filter((node) => !node.outputs.some((name) => read.has(name)))).deep.equal([]);
    // The gradient of the data is not asked for, so the first layer's backward product is not there.
    expect(nodes.filter(({ opType }) => opType === "Gemm")).length(5);
  });

  it("moves running statistics as PyTorch does", async () => {
    const module = sequential([batchNorm2d(2), flatten(), linear(8, 3)], { input: [2, 2, 2], seed: 1 });
    const images = normals("images", [4, 2, 2, 2]);
    const { state } = await train(
      module,
      { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), batchSize: 4 },
      images,
      labels("l", 4, 3),
      1,
    );
    const channel = numbers(images).filter((_, i) => Math.floor(i / 4) % 2 === 1);
    const mean = channel.reduce((a, b) => a + b) / channel.length;
    const variance = channel.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (channel.length - 1);
    expect(numbers(module.parameters[3]!), "what was fed").deep.equal([1, 1]);
    expect(numbers(state["0.running_mean"]!)[1]).closeTo(0.1 * mean, 1e-6);
    expect(numbers(state["0.running_var"]!)[1]).closeTo(0.9 + 0.1 * variance, 1e-6);
  });

  it("is the same file every time", () => {
    const options = { loss: crossEntropy(), optimizer: adam({ learningRate: 1 }), batchSize: 4 };
    expect(Buffer.from(trainingGraph(mlp, options).model).equals(trainingGraph(mlp, options).model)).equal(true);
  });
});

describe("An evaluation", () => {
  it("sums the loss and counts what is right", async () => {
    const features = normals("features", [8, 6]);
    const targets = labels("targets", 8, 3);
    const graph = evaluationGraph(mlp, { loss: crossEntropy(), batchSize: 8 });
    const parameters = Object.fromEntries(graph.parameters.map(({ name }, i) => [name, mlp.parameters[i] as Tensor]));
    const { loss, correct, logits } = await run(graph.model, { ...parameters, input: features, targets });
    const rows = Array.from({ length: 8 }, (_, i) => numbers(logits!).slice(3 * i, 3 * i + 3));
    const wanted = numbers(targets);
    const expected = rows.map((row, i) => Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[wanted[i]!]!);
    expect(numbers(loss!)[0]).closeTo(
      expected.reduce((a, b) => a + b),
      1e-4,
    );
    expect(numbers(correct!)[0]).equal(rows.filter((row, i) => row.indexOf(Math.max(...row)) === wanted[i]).length);
  });
});
