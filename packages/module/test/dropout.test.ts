// Dropout: which elements fall depends on the generator's state and on nothing else.
import { FederationError, float32, sameTensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { OnnxModule, dropout, generatorState, meanSquaredError, sequential, sgd, trainingGraph } from "../src/index.js";
import type { Layer } from "../src/index.js";
import { masksFrom, nextState } from "../src/dropout.js";
import { graphBuilder } from "../src/builder.js";
import { numbers, run } from "./train.js";

/** Two masks of `count` elements that a step with this state draws, and the next state. */
async function drawn(state: Tensor, ratio: number, count: number): Promise<{ a: number[]; b: number[]; next: Tensor }> {
  const g = graphBuilder();
  const held = g.input("state", state.dtype, state.shape);
  const masks = masksFrom(g, held);
  const outputs = {
    a: masks.dropped([count], ratio),
    b: masks.dropped([count / 2, 2], ratio),
    next: nextState(g, held),
  };
  const results = await run(OnnxModule.fromGraph(g.graph("masks", outputs)).toBytes(), { state });
  return { a: numbers(results["a"]!), b: numbers(results["b"]!), next: results["next"]! };
}

const share = (mask: readonly number[]): number => mask.reduce((a, b) => a + b, 0) / mask.length;
const agreement = (a: readonly number[], b: readonly number[]): number => share(a.map((x, i) => Number(x === b[i])));

describe("A mask", () => {
  const count = 20_000;
  const state = generatorState("masks", 1);

  it("drops the share that it was asked for", async () => {
    for (const ratio of [0.1, 0.5, 0.9]) {
      const { a, b } = await drawn(state, ratio, count);
      // Four standard deviations.
      const tolerance = 4 * Math.sqrt((ratio * (1 - ratio)) / count);
      expect(share(a)).closeTo(ratio, tolerance);
      expect(share(b)).closeTo(ratio, tolerance);
    }
  });

  it("is the same for the same state, and has nothing to do with other masks, steps, seeds and neighbours", async () => {
    const first = await drawn(state, 0.5, count);
    expect(await drawn(state, 0.5, count)).deep.equal(first);
    const second = await drawn(first.next, 0.5, count);
    const other = await drawn(generatorState("masks", 2), 0.5, count);
    const strangers = [
      first.b,
      second.a,
      other.a,
      [...first.a.slice(1), 0],
      [...first.a.slice(64), ...first.a.slice(0, 64)],
    ];
    for (const stranger of strangers) expect(agreement(first.a, stranger)).closeTo(0.5, 4 * Math.sqrt(0.25 / count));
  });
});

describe("A layer of dropout", () => {
  /** Predicts its parameter where the input is 1. */
  const scale: Layer = (at) => at.g.mul(at.input, at.parameter("weight", float32([64], new Float32Array(64).fill(2))));
  const module = sequential([scale, dropout(0.25)], { input: [64], seed: 1 });
  const options = {
    loss: meanSquaredError({ reduction: "sum" }),
    optimizer: sgd({ learningRate: 1 }),
    batchSize: 1,
  } as const;
  const graph = trainingGraph(module, options);
  const feeds = {
    input: float32([1, 64], new Float32Array(64).fill(1)),
    targets: float32([1, 64], new Float32Array(64)),
    learningRate: float32([], [1]),
    "0.weight": module.parameters[0]!,
  };

  it("lets the gradient through where it let the value through, scaled alike", async () => {
    const results = await run(graph.model, { ...feeds, [graph.generator!]: generatorState("layer") });
    // The loss is the sum of (4/3 w)^2 where nothing fell, so the gradient is 2 (4/3)^2 w there and 0 elsewhere.
    const moved = numbers(results["new.0.weight"]!).map((w) => Math.round((2 - w) * 1e4) / 1e4);
    expect([...new Set(moved)].sort()).deep.equal([0, Math.round((2 * 16 * 2 * 1e4) / 9) / 1e4]);
    expect(moved.filter((x) => x === 0).length).within(6, 28);
    expect(numbers(results["new.dropout.generator"]!)[2]).equal(1);
  });

  it("gives its next state, so that a run goes on as if it had not stopped", async () => {
    const state = generatorState("layer");
    const first = await run(graph.model, { ...feeds, [graph.generator!]: state });
    const next = first["new.dropout.generator"]!;
    const [second, again] = [
      await run(graph.model, { ...feeds, [graph.generator!]: next }),
      await run(graph.model, { ...feeds, [graph.generator!]: next }),
    ];
    expect(sameTensor(second["new.0.weight"]!, again["new.0.weight"]!)).equal(true);
    expect(sameTensor(second["new.0.weight"]!, first["new.0.weight"]!)).equal(false);
  });

  it("is an ordinary node of the file, which drops nothing outside of training and has no parameter", async () => {
    expect(module.parameterNames).deep.equal(["0.weight"]);
    const { output } = await run(module.toBytes(), { input: feeds.input });
    expect(numbers(output!)).deep.equal(new Array(64).fill(2));
    expect(() => dropout(1)).throws(FederationError, /p 1/);
  });
});
