// Optimizers against PyTorch's formulas, written down here once more in float64.
import { float32 } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { adam, linear, meanSquaredError, sequential, sgd, trainingGraph } from "../src/index.js";
import type { Optimizer } from "../src/index.js";
import { numbers, run } from "./train.js";

type Step = (parameter: number, gradient: number, memory: number[], step: number) => number;

const rate = 0.05;
const rows: { readonly title: string; readonly optimizer: Optimizer; readonly step: Step }[] = [
  { title: "Plain SGD", optimizer: sgd({ learningRate: rate }), step: (p, g) => p - rate * g },
  {
    title: "SGD with momentum and weight decay",
    optimizer: sgd({ learningRate: rate, momentum: 0.9, weightDecay: 0.1 }),
    step(p, g, memory) {
      memory[0] = 0.9 * (memory[0] ?? 0) + g + 0.1 * p;
      return p - rate * memory[0];
    },
  },
  {
    title: "SGD with Nesterov's momentum",
    optimizer: sgd({ learningRate: rate, momentum: 0.9, nesterov: true }),
    step(p, g, memory) {
      memory[0] = 0.9 * (memory[0] ?? 0) + g;
      return p - rate * (g + 0.9 * memory[0]);
    },
  },
  {
    title: "Adam with weight decay",
    optimizer: adam({ learningRate: rate, weightDecay: 0.1 }),
    step(p, g, memory, step) {
      const d = g + 0.1 * p;
      memory[0] = 0.9 * (memory[0] ?? 0) + 0.1 * d;
      memory[1] = 0.999 * (memory[1] ?? 0) + 0.001 * d * d;
      const root = Math.sqrt(memory[1]) / Math.sqrt(1 - 0.999 ** step);
      return p - (rate / (1 - 0.9 ** step)) * (memory[0] / (root + 1e-8));
    },
  },
];

describe("An optimizer", () => {
  for (const { title, optimizer, step } of rows) {
    it(`follows PyTorch's formula for ten steps: ${title}`, async () => {
      // One weight and one example: loss (w x - y)^2, gradient 2 x (w x - y).
      const [x, y] = [1.5, 2];
      const module = sequential([linear(1, 1, { bias: false })], { input: [1], seed: 5 });
      const graph = trainingGraph(module, { loss: meanSquaredError(), optimizer, batchSize: 1 });
      let state: Record<string, Tensor> = { "0.weight": module.parameters[0]! };
      for (const { name, initial } of graph.optimizerState) state[name] = initial;
      let weight = numbers(module.parameters[0]!)[0]!;
      const memory: number[] = [];
      for (let count = 1; count <= 10; count++) {
        const data = { input: float32([1, 1], [x]), targets: float32([1, 1], [y]), learningRate: float32([], [rate]) };
        const results = await run(graph.model, { ...state, ...data });
        state = Object.fromEntries(Object.keys(state).map((name) => [name, results[`new.${name}`]!]));
        weight = step(weight, 2 * x * (weight * x - y), memory, count);
        expect(numbers(state["0.weight"]!)[0]).closeTo(weight, 2e-6);
      }
    });
  }
});
