// Every gradient rule against float64 references (fixtures/make-references.py) and against differences of its own forward graph.
import { readFileSync } from "node:fs";
import { FederationError, random, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { attributesOf, differentiate, gradientRules } from "../src/index.js";
import type { AttributeValues, Graph, Node } from "../src/index.js";
import { OnnxModule } from "../src/module.js";
import { numbers, run } from "./train.js";

interface Listed {
  readonly dtype: "bool" | "float32" | "int64";
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
interface Case {
  readonly op: string;
  readonly name: string;
  readonly attributes: AttributeValues;
  readonly inputs: readonly Listed[];
  readonly weights: Listed;
  readonly gradients: readonly (readonly number[] | null)[];
}

const cases = JSON.parse(readFileSync(new URL("../../fixtures/gradients.json", import.meta.url), "utf8")) as Case[];

/** Operators that the opset of the other cases does not have. */
const opsets: { readonly [op: string]: number } = { Gelu: 20, GroupNormalization: 21, RMSNormalization: 23, Swish: 24 };

/** sum(weights * op(x0, x1, ...)); every tensor is an initializer. */
function graphOf({ op, attributes, inputs, weights, gradients }: Case, moved: readonly Tensor[]): Graph {
  // A Split has as many outputs as lengths; the first one is what counts.
  const outputs =
    op === "Split" || op === "TopK"
      ? ["y", "rest"]
      : op === "BatchNormalization" && "training_mode" in attributes
        ? ["y", "mean", "var"]
        : ["y"];
  const node = (
    opType: string,
    from: readonly string[],
    to: readonly string[],
    values: AttributeValues = {},
  ): Node => ({
    name: `${opType} to ${to[0]!}`,
    opType,
    domain: "",
    inputs: from,
    outputs: to,
    attributes: attributesOf(values),
  });
  const isFixed = (i: number): boolean => gradients[i] === null && inputs[i]!.dtype === "float32";
  return {
    name: "case",
    opset: opsets[op] ?? 18,
    domains: {},
    inputs: [],
    valueInfos: [],
    nodes: [
      // Numbers without a gradient, such as the scales of a Resize, are known before the graph runs.
      ...moved.flatMap((value, i) => (isFixed(i) ? [node("Constant", [], [`x${i}`], { value })] : [])),
      node(
        op,
        inputs.map((_, i) => `x${i}`),
        outputs,
        attributes,
      ),
      node("Mul", ["y", "weights"], ["weighted"]),
      node("ReduceSum", ["weighted"], ["loss"], { keepdims: 0 }),
    ],
    outputs: [{ name: "loss", dtype: "float32", shape: [] }],
    initializers: new Map([
      ...moved.flatMap((value, i) => (isFixed(i) ? [] : [[`x${i}`, value] as const])),
      ["weights", tensorOf(weights)],
    ]),
  };
}

function tensorOf({ dtype, shape, data }: Listed): Tensor {
  if (dtype === "int64") return tensor(dtype, shape, BigInt64Array.from(data, BigInt));
  return dtype === "bool" ? tensor(dtype, shape, Uint8Array.from(data)) : tensor(dtype, shape, Float32Array.from(data));
}

async function lossAt(test: Case, inputs: readonly Tensor[]): Promise<number> {
  const { loss } = await run(OnnxModule.fromGraph(graphOf(test, inputs)).toBytes(), {});
  return numbers(loss!)[0]!;
}

function relativeError(actual: readonly number[], expected: readonly number[]): number {
  const norm = (list: readonly number[]): number => Math.hypot(...list);
  return norm(actual.map((x, i) => x - expected[i]!)) / Math.max(norm(expected), 1e-3);
}

for (const test of cases) {
  describe(`The gradient of ${test.op} ${test.name}`, () => {
    const inputs = test.inputs.map(tensorOf);
    const wanted = test.gradients.flatMap((gradient, i) => (gradient === null ? [] : [i]));
    const gradients = async (): Promise<number[][]> => {
      const graph = differentiate(
        graphOf(test, inputs),
        "loss",
        wanted.map((i) => `x${i}`),
      );
      const results = await run(OnnxModule.fromGraph(graph).toBytes(), {});
      return wanted.map((i) => numbers(results[`gradient.x${i}`]!));
    };

    it("is that of float64", async () => {
      (await gradients()).forEach((gradient, at) => {
        expect(relativeError(gradient, test.gradients[wanted[at]!]!)).below(3e-6);
      });
    });

    it("says how the forward graph changes", async () => {
      const found = await gradients();
      for (const [at, i] of wanted.entries()) {
        const draw = random("direction", test.op, test.name, i);
        const x = numbers(inputs[i]!);
        const direction = x.map(() => draw.normal());
        const step = 1e-2;
        const [ahead, behind] = await Promise.all(
          [step, -step].map((h) => {
            const moved = tensorOf({ ...test.inputs[i]!, data: x.map((value, j) => value + h * direction[j]!) });
            return lossAt(test, inputs.with(i, moved));
          }),
        );
        const expected = found[at]!.reduce((sum, g, j) => sum + g * direction[j]!, 0);
        const scale = Math.max(Math.hypot(...found[at]!) * Math.hypot(...direction), 1e-2);
        expect(Math.abs((ahead! - behind!) / (2 * step) - expected) / scale).below(5e-3);
      }
    });
  });
}

describe("The table of gradient rules", () => {
  it("has a case for every rule", () => {
    const tested = new Set(cases.map(({ op }) => op));
    expect(Object.keys(gradientRules).filter((op) => !tested.has(op))).deep.equal([]);
  });

  it("refuses an operator without a rule by its name and its node's", () => {
    const test = { ...cases.find(({ op }) => op === "Neg")!, op: "Sign" };
    expect(() => differentiate(graphOf(test, test.inputs.map(tensorOf)), "loss", ["x0"]))
      .throws(FederationError, /Sign node "Sign to y" has no gradient rule/)
      .with.property("code", "model/unsupported");
  });

  it("sums the gradients of a value that is used twice", async () => {
    const test = cases.find(({ op }) => op === "Mul")!;
    const graph = graphOf(test, test.inputs.map(tensorOf));
    const [first, ...rest] = graph.nodes;
    const squared = { ...graph, nodes: [{ ...first!, inputs: ["x0", "x0"] }, ...rest] };
    const results = await run(OnnxModule.fromGraph(differentiate(squared, "loss", ["x0"])).toBytes(), {});
    const expected = test.inputs[0]!.data.map((x, i) => 2 * x * test.weights.data[i]!);
    expect(relativeError(numbers(results["gradient.x0"]!), expected)).below(1e-6);
  });
});
