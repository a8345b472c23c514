// Losses and their gradients against PyTorch (fixtures/make-training.py), and modules that compute their own.
import { FederationError, float32, tensor } from "@perennial-fl/core";
import { expect } from "chai";
import {
  OnnxModule,
  attributesOf,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  evaluationGraph,
  huber,
  meanAbsoluteError,
  meanSquaredError,
  outputAsLoss,
  sgd,
  trainingGraph,
} from "../src/index.js";
import type { Loss, Node } from "../src/index.js";
import { listed, losses } from "./references.js";
import { numbers, run } from "./train.js";

const made: { readonly [name: string]: (options: never) => Loss } = {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  huber,
  meanAbsoluteError,
  meanSquaredError,
};

const node = (opType: string, inputs: readonly string[], output: string, attributes = {}): Node => ({
  name: `make ${output}`,
  opType,
  domain: "",
  inputs,
  outputs: [output],
  attributes: attributesOf(attributes),
});

/** Predicts its input plus its parameter, so that the parameter's gradient is that of the scores. */
function adding(shape: readonly number[]): OnnxModule {
  return OnnxModule.fromGraph({
    name: "adding",
    opset: 18,
    domains: {},
    nodes: [node("Add", ["x", "w"], "y")],
    inputs: [{ name: "x", dtype: "float32", shape: ["batch", ...shape.slice(1)] }],
    outputs: [{ name: "y", dtype: "float32" }],
    initializers: new Map([["w", float32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))]]),
    valueInfos: [],
  });
}

for (const { name, loss: title, options, scores, targets, value, gradient } of losses) {
  describe(`The loss ${title} ${name}`, () => {
    const loss = made[title]!(options as never);
    const module = adding(scores.shape);
    const batchSize = scores.shape[0]!;
    const given =
      title === "crossEntropy"
        ? tensor("int64", targets.shape, BigInt64Array.from(targets.data, BigInt))
        : listed(targets);
    const feeds = { x: listed(scores), w: module.parameters[0]!, targets: given };

    it("is PyTorch's, and so is its gradient", async () => {
      const graph = trainingGraph(module, { loss, optimizer: sgd({ learningRate: 1 }), batchSize });
      const results = await run(graph.model, { ...feeds, learningRate: float32([], [1]) });
      expect(numbers(results["loss"]!)[0]).closeTo(value, 2e-6 * Math.max(1, Math.abs(value)));
      numbers(results["new.w"]!).forEach((moved, i) => expect(-moved).closeTo(gradient.data[i]!, 1e-6));
    });

    it("adds up over evaluations to the loss of all", async () => {
      const { model, outputs } = evaluationGraph(module, { loss, batchSize });
      const { loss: sum, weight } = await run(model, feeds);
      const mean = numbers(sum!)[0]! / (outputs.weight === undefined ? batchSize : numbers(weight!)[0]!);
      const whole = "reduction" in options && options.reduction === "sum" ? value / batchSize : value;
      expect(mean).closeTo(whole, 2e-6 * Math.max(1, Math.abs(whole)));
    });
  });
}

describe("A loss", () => {
  it("counts as right what is right, and not what is ignored", async () => {
    const { model } = evaluationGraph(adding([4, 2]), { loss: crossEntropy({ ignoreIndex: 1 }), batchSize: 4 });
    const x = float32([4, 2], [0, 1, 0, 1, 1, 0, 0, 1]);
    const targets = tensor("int64", [4], BigInt64Array.of(1n, 0n, 0n, 1n));
    const { correct, counted } = await run(model, { x, w: float32([4, 2], new Float32Array(8)), targets });
    expect([correct!, counted!].map((count) => numbers(count)[0])).deep.equal([1, 2]);
  });

  it("refuses options that mean nothing", () => {
    expect(() => crossEntropy({ labelSmoothing: 1.5 })).throws(FederationError, /labelSmoothing 1.5/);
    expect(() => crossEntropy({ weight: [1, -1] })).throws(FederationError, /\[1, -1\]/);
    expect(() => huber({ delta: 0 })).throws(FederationError, /delta.*not 0/);
    const options = { loss: crossEntropy({ weight: [1, 1] }), optimizer: sgd({ learningRate: 1 }), batchSize: 4 };
    expect(() => trainingGraph(adding([4, 3]), options)).throws(FederationError, /2 classes.*not \[4, 3\]/);
  });

  it("can be the module's own output", async () => {
    const module = OnnxModule.fromGraph({
      ...adding([2, 3]).graph,
      nodes: [
        node("Add", ["x", "w"], "y"),
        node("Sub", ["y", "t"], "difference"),
        node("Abs", ["difference"], "size"),
        node("ReduceMean", ["size"], "cost", { keepdims: 0 }),
      ],
      inputs: ["x", "t"].map((name) => ({ name, dtype: "float32", shape: ["batch", 3] })),
      outputs: ["y", "cost"].map((name) => ({ name, dtype: "float32" })),
    });
    const options = { loss: outputAsLoss("cost"), optimizer: sgd({ learningRate: 1 }), batchSize: 2 };
    const graph = trainingGraph(module, options);
    const x = float32([2, 3], [1, 2, 3, 4, 5, 6]);
    const t = float32([2, 3], [2, 0, 2, 5, 3, 7]);
    const results = await run(graph.model, { x, t, w: module.parameters[0]!, learningRate: float32([], [1]) });
    expect(numbers(results["loss"]!)[0]).closeTo(8 / 6, 1e-6);
    expect(numbers(results["new.w"]!).map((moved) => Math.round(moved * 6))).deep.equal([1, -1, -1, 1, -1, 1]);
    expect(() => trainingGraph(module, { ...options, loss: outputAsLoss("nothing") })).throws(
      FederationError,
      /an output "nothing"/,
    );
  });
});
