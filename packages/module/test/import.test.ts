// Graphs as exporters write them: old opsets, chains that compute shapes, and what is refused.
import { FederationError, float, float32, tensor } from "@perennial-fl/core";
import { expect } from "chai";
import {
  OnnxModule,
  attributesOf,
  crossEntropy,
  evaluationGraph,
  meanSquaredError,
  scalarsKey,
  sgd,
  trainingGraph,
} from "../src/index.js";
import type { AttributeValues, Graph, Node } from "../src/index.js";
import { normals, numbers, run } from "./train.js";

const node = (opType: string, inputs: readonly string[], output: string, attributes: AttributeValues = {}): Node => ({
  name: `make ${output}`,
  opType,
  domain: "",
  inputs,
  outputs: [output],
  attributes: attributesOf(attributes),
});

function moduleOf(
  opset: number,
  nodes: readonly Node[],
  shape: Graph["inputs"][number]["shape"] = ["n", 2, 3],
): OnnxModule {
  return OnnxModule.fromGraph({
    name: "exported",
    opset,
    domains: {},
    nodes,
    inputs: [{ name: "x", dtype: "float32", shape: shape }],
    outputs: [{ name: "y", dtype: "float32" }],
    initializers: new Map([["w", float32([6, 3], normals("w", [6, 3]).data as Float32Array)]]),
    valueInfos: [],
  });
}

const chain = [
  node("Shape", ["x"], "shape"),
  node("Constant", [], "zero", { value: tensor("int64", [], BigInt64Array.of(0n)) }),
  node("Gather", ["shape", "zero"], "batch"),
  node("Unsqueeze", ["batch"], "list", { axes: [0] }),
  node("Constant", [], "rest", { value: tensor("int64", [1], BigInt64Array.of(-1n)) }),
  node("Concat", ["list", "rest"], "wanted", { axis: 0 }),
  node("Reshape", ["x", "wanted"], "flat"),
];

describe("An exported graph", () => {
  const features = normals("x", [4, 2, 3]);

  /** The module's own output, and the one of its evaluation graph. */
  async function both(module: OnnxModule): Promise<[number[], number[]]> {
    const { y } = await run(module.toBytes(), { x: features });
    const graph = evaluationGraph(module, { loss: meanSquaredError(), batchSize: 4 });
    const { logits } = await run(graph.model, { w: module.parameters[0]!, x: features, targets: y! });
    return [numbers(y!), numbers(logits!)];
  }

  it("of opset 11 means the same in ours, with its shapes computed beforehand", async () => {
    const module = moduleOf(11, [
      ...chain,
      node("Clip", ["flat"], "clipped"),
      node("ReduceMean", ["clipped"], "mean", { axes: [1], keepdims: 1 }),
      node("Sub", ["clipped", "mean"], "centred"),
      node("MatMul", ["centred", "w"], "product"),
      node("Softmax", ["product"], "y"),
    ]);
    const [own, ours] = await both(module);
    own.forEach((value, i) => expect(ours[i]).closeTo(value, 1e-6));
    const { graph } = OnnxModule.fromBytes(evaluationGraph(module, { loss: meanSquaredError(), batchSize: 4 }).model);
    expect(graph.nodes.map(({ opType }) => opType)).not.include("Gather");
  });

  it("of opset 9 keeps its softmax over several axes", async () => {
    const [own, ours] = await both(
      moduleOf(9, [
        node("Softmax", ["x"], "soft", { axis: 1 }),
        node("Flatten", ["soft"], "flat"),
        node("MatMul", ["flat", "w"], "y"),
      ]),
    );
    own.forEach((value, i) => expect(ours[i]).closeTo(value, 1e-6));
  });

  it("trains a scalar only if something says that it is a parameter", () => {
    const module = OnnxModule.fromGraph({
      ...moduleOf(18, [node("MatMul", ["x", "w"], "y")]).graph,
      initializers: new Map(
        ["w", "head.scale", "epsilon", "onnx::Mul_7.1", "temperature"].map((name) => [
          name,
          float32(name === "w" ? [1] : [], [1]),
        ]),
      ),
    });
    expect(module.parameterNames).deep.equal(["w", "head.scale"]);
    const told = OnnxModule.fromBytes(module.withMetadata({ [scalarsKey]: "temperature, other" }).toBytes());
    expect(told.parameterNames).deep.equal(["w", "head.scale", "temperature"]);
  });

  it("computes with a constant scalar as if it stood in the file's nodes", () => {
    const module = OnnxModule.fromGraph({
      ...moduleOf(17, [
        node("Flatten", ["x"], "flat"),
        node("Dropout", ["flat", "ratio", "on"], "dropped"),
        node("MatMul", ["dropped", "w"], "y"),
      ]).graph,
      initializers: new Map([
        ["w", float32([6, 3], normals("w", [6, 3]).data as Float32Array)],
        ["ratio", float32([], [0.25])],
        ["on", tensor("bool", [], Uint8Array.of(1))],
      ]),
    });
    const { generator, parameters } = trainingGraph(module, options);
    expect(generator).equal("dropout.generator");
    expect(parameters.map(({ name }) => name)).deep.equal(["w"]);
  });

  const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: 1 }), batchSize: 4 };
  const refusals: readonly [string, OnnxModule, RegExp][] = [
    [
      "an operator that is not known",
      moduleOf(17, [node("NonMaxSuppression", ["x"], "y")]),
      /NonMaxSuppression node "make y"/,
    ],
    ["an opset of the future", moduleOf(27, chain), /opset 27/],
    [
      "operands that do not fit",
      moduleOf(17, [node("MatMul", ["x", "w"], "y")]),
      /MatMul node "make y".*\[4, 2, 3\] and \[6, 3\]/,
    ],
    ["an input of unknown length", moduleOf(17, chain, ["n", "m", 3]), /axis 1 of its input "x"/],
    ["a batch of another size", moduleOf(17, chain, [5, 2, 3]), /fixed batch of 5, not 4/],
    ["a value that nothing makes", moduleOf(17, [node("Relu", ["ghost"], "y")]), /"ghost"/],
  ];
  for (const [what, module, message] of refusals) {
    it(`is refused for ${what}, by name`, () => {
      expect(() => trainingGraph(module, options)).throws(FederationError, message);
    });
  }

  it("drops in training and not in evaluation, whatever mode it was exported in; a random ratio is refused", async () => {
    const on = node("Constant", [], "on", { value: tensor("bool", [], Uint8Array.of(1)) });
    const withRatio = (ratio: Node): OnnxModule =>
      moduleOf(17, [
        node("Flatten", ["x"], "flat"),
        ratio,
        on,
        node("Dropout", ["flat", "ratio", "on"], "dropped", { seed: 1 }),
        node("Gemm", ["dropped", "w"], "y", { alpha: float(1) }),
      ]);
    const module = withRatio(node("Constant", [], "ratio", { value: float32([], [0.5]) }));
    expect(trainingGraph(module, options).generator).equal("dropout.generator");
    const graph = evaluationGraph(module, { loss: meanSquaredError(), batchSize: 4 });
    const { logits } = await run(graph.model, { w: module.parameters[0]!, x: features, targets: normals("t", [4, 3]) });
    const plain = moduleOf(17, [node("Flatten", ["x"], "flat"), node("Gemm", ["flat", "w"], "y", { alpha: float(1) })]);
    const { y } = await run(plain.toBytes(), { x: features });
    expect(numbers(logits!)).deep.equal(numbers(y!));
    expect(() => trainingGraph(withRatio(node("ReduceMean", ["w"], "ratio", { keepdims: 0 })), options)).throws(
      FederationError,
      /Dropout node "make dropped" drops with a ratio of NaN/,
    );
  });
});
