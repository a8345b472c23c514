// Gradients that reach a node by more than its first output, or past an operand of another element type.
import { float, float32, random, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { graphBuilder } from "../src/builder.js";
import type { GraphBuilder, Value } from "../src/builder.js";
import { gradientsOf } from "../src/differentiate.js";
import { OnnxModule } from "../src/index.js";
import { numbers, open } from "./train.js";

/** How far the gradient by x, of the sum of what `build` gives times fixed numbers, is from its slope along it. */
async function error(
  shape: readonly number[],
  build: (g: GraphBuilder, x: Value) => readonly Value[],
): Promise<number> {
  const g = graphBuilder();
  const draw = random("outputs", ...shape);
  const normals = (of: readonly number[]): Tensor =>
    float32(
      of,
      Array.from({ length: of.reduce((a, b) => a * b, 1) }, () => draw.normal()),
    );
  const x = g.input("x", "float32", shape);
  const terms = build(g, x).map((value) =>
    g.op("ReduceSum", [g.mul(value, g.constant(normals(value.shape)))], { keepdims: 0 }),
  );
  const loss = terms.reduce((sum, term) => g.add(sum, term));
  const [gradient] = gradientsOf(g, loss, [x]);
  const session = await open(OnnxModule.fromGraph(g.graph("outputs", { loss, gradient: gradient! })).toBytes());
  const at = normals(shape);
  const slope = numbers((await session.run({ x: at }))["gradient"]!);
  const length = Math.hypot(...slope);
  const lossAt = async (step: number): Promise<number> => {
    const there = numbers(at).map((value, i) => value + (step * slope[i]!) / length);
    return numbers((await session.run({ x: float32(shape, there) }))["loss"]!)[0]!;
  };
  const found = ((await lossAt(1e-2)) - (await lossAt(-1e-2))) / 2e-2;
  await session.release();
  return Math.abs(found / length - 1);
}

describe("A gradient", () => {
  const normalise = (g: GraphBuilder, x: Value): readonly Value[] =>
    g.node(
      "LayerNormalization",
      [x, g.constant(float32([4], [1, 0.5, 2, -1]))],
      { epsilon: float(0.01) },
      { outputs: 3 },
    );

  it("passes through every output of a LayerNormalization", async () => {
    expect(await error([3, 4], normalise)).below(2e-3);
  });

  it("passes through the statistics of a LayerNormalization alone", async () => {
    expect(await error([3, 4], (g, x) => normalise(g, x).slice(1))).below(2e-3);
  });

  it("passes through the logarithms that a SoftmaxCrossEntropyLoss puts out, with its loss and without", async () => {
    const targets = tensor("int64", [3], BigInt64Array.of(1n, 0n, 3n));
    const both = (g: GraphBuilder, x: Value): readonly Value[] =>
      g.node("SoftmaxCrossEntropyLoss", [x, g.constant(targets)], {}, { outputs: 2 });
    expect(await error([3, 4], both)).below(2e-3);
    expect(await error([3, 4], (g, x) => both(g, x).slice(1))).below(2e-3);
  });

  it("passes by an exponent of whole numbers", async () => {
    const cubes = tensor("int64", [], BigInt64Array.of(3n));
    expect(await error([3, 4], (g, x) => [g.op("Pow", [x, g.constant(cubes)])])).below(2e-3);
  });
});
