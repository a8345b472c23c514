// Layers that are built here against PyTorch's, with its parameters under its names (fixtures/make-layers.py).
import { readFileSync } from "node:fs";
import { FederationError, float32 } from "@perennial-fl/core";
import { expect } from "chai";
import {
  avgPool1d,
  conv1d,
  elu,
  embedding,
  flatten,
  gelu,
  groupNorm,
  gru,
  hardswish,
  layerNorm,
  linear,
  lstm,
  maxPool1d,
  meanSquaredError,
  mish,
  multiheadAttention,
  prelu,
  residual,
  selu,
  sequential,
  sgd,
  silu,
  softplus,
  trainingGraph,
} from "../src/index.js";
import type { Layer } from "../src/index.js";
import { listed } from "./references.js";
import type { Listed } from "./references.js";
import { normals, numbers, open, run } from "./train.js";

interface Case {
  readonly name: string;
  readonly parameters: { readonly [name: string]: Listed };
  readonly input: Listed;
  readonly output: Listed;
}
const cases = JSON.parse(readFileSync(new URL("../../fixtures/layers.json", import.meta.url), "utf8")) as Case[];

const layers: { readonly [name: string]: Layer } = {
  conv1d: conv1d(4, 6, 3, { stride: 2, padding: 2, dilation: 2, groups: 2 }),
  maxPool1d: maxPool1d(3, { stride: 2, padding: 1 }),
  avgPool1d: avgPool1d(3, { stride: 2, padding: 1 }),
  layerNorm: layerNorm([3, 4]),
  groupNorm: groupNorm(2, 4),
  embedding: embedding(5, 3),
  multiheadAttention: multiheadAttention(6, 2),
  "causal attention": multiheadAttention(6, 2, { causal: true }),
  lstm: lstm(3, 4),
  gru: gru(3, 4, { output: "last" }),
  gelu: gelu(),
  "gelu by tanh": gelu({ approximate: "tanh" }),
  silu: silu(),
  elu: elu({ alpha: 0.5 }),
  selu: selu(),
  mish: mish(),
  hardswish: hardswish(),
  softplus: softplus(),
  prelu: prelu(),
};

for (const { name, parameters, input, output } of cases) {
  describe(`The layer ${name}`, () => {
    const built = sequential([layers[name]!], { input: input.shape.slice(1), seed: 1 });

    it("does what PyTorch's does, with its parameters under its names", async () => {
      expect([...built.parameterNames].sort()).deep.equal(
        Object.keys(parameters)
          .map((key) => `0.${key}`)
          .sort(),
      );
      const module = built.withParameters(built.parameterNames.map((key) => listed(parameters[key.slice(2)]!)));
      const { output: found } = await run(module.toBytes(), { input: listed(input) });
      expect(found!.shape).deep.equal(output.shape);
      numbers(found!).forEach((value, i) => expect(value).closeTo(output.data[i]!, 1e-5));
    });

    it("can be trained", async () => {
      const batchSize = input.shape[0]!;
      const options = { loss: meanSquaredError(), optimizer: sgd({ learningRate: 0.05 }), batchSize };
      const graph = trainingGraph(built, options);
      const session = await open(graph.model);
      const losses: number[] = [];
      let state = Object.fromEntries(built.parameterNames.map((key, i) => [key, built.parameters[i]!]));
      for (let step = 0; step < 3; step++) {
        const data = { input: listed(input), targets: normals("t", output.shape), learningRate: float32([], [0.05]) };
        const results = await session.run({ ...state, ...data });
        losses.push(numbers(results["loss"]!)[0]!);
        state = Object.fromEntries(Object.keys(state).map((key) => [key, results[`new.${key}`]!]));
      }
      await session.release();
      if (built.parameters.length > 0) expect(losses[2]).below(losses[0]!);
    });
  });
}

describe("A residual", () => {
  it("adds its input, and names the layers within it", async () => {
    const module = sequential([flatten(), residual([linear(3, 3), gelu(), linear(3, 3)])], { input: [3], seed: 1 });
    expect(module.parameterNames).deep.equal(["1.0.weight", "1.0.bias", "1.2.weight", "1.2.bias"]);
    const still = module.withParameters(
      module.parameters.map(({ shape, data }) => float32(shape, new Float32Array(data.length))),
    );
    const { output } = await run(still.toBytes(), { input: float32([1, 3], [1, 2, 3]) });
    expect(numbers(output!)).deep.equal([1, 2, 3]);
    expect(() => sequential([residual([linear(3, 2)])], { input: [3], seed: 1 })).throws(
      FederationError,
      /building layer 0: .*\[1, 3\].*\[1, 2\]/,
    );
  });
});
