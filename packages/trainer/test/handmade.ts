// Graphs written by hand, so that the trainer is tested apart from the derivation of gradients: softmax regression
// with momentum on 2 features and 3 classes.
import { float32, tensor, zeros } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";
import type { Graph, Node, ValueInfo } from "@perennial-fl/module";
import type { Graphs } from "../src/graphs.js";

const features = 2;
const classes = 3;
const forward = node("Gemm", ["x", "w", "b"], ["logits"]);
const parameters: ValueInfo[] = [
  { name: "w", dtype: "float32", shape: [features, classes] },
  { name: "b", dtype: "float32", shape: [classes] },
];
const velocities: ValueInfo[] = parameters.map((info) => ({ ...info, name: `velocity.${info.name}` }));

/** Softmax regression by SGD with momentum 0.9. */
export const handmade: Graphs = {
  example: { input: { dtype: "float32", shape: [features] }, target: { type: "label", classes, shape: [] } },
  parameters: [
    { name: "w", dtype: "float32", shape: [features, classes] },
    { name: "b", dtype: "float32", shape: [classes] },
  ],
  initialState: new Map([
    ["velocity.w", zeros("float32", [features, classes])],
    ["velocity.b", zeros("float32", [classes])],
  ]),
  references: [],
  learningRate: 0.1,
  training: (batchSize) => ({
    ...frame("train", batchSize),
    bytes: bytesOfGraph(trainingGraph(batchSize)),
    learningRate: "lr",
    parameters: carried(parameters),
    state: carried(velocities),
    references: [],
  }),
  evaluation: (batchSize) => ({
    ...frame("evaluate", batchSize),
    bytes: bytesOfGraph(evaluationGraph(batchSize)),
    parameters: ["w", "b"],
    correct: "correct",
  }),
};

function frame(kind: string, batchSize: number) {
  return {
    key: `${kind}/${batchSize}`,
    batchSize,
    input: "x",
    inputShape: [batchSize, features],
    target: "t",
    targetShape: [batchSize],
    loss: "loss",
  };
}

function carried(infos: readonly ValueInfo[]) {
  return infos.map(({ name }) => ({ input: name, output: `new.${name}` }));
}

function trainingGraph(batchSize: number): Graph {
  const updates = ["w", "b"].flatMap((name) => [
    node("Mul", ["momentum", `velocity.${name}`], [`kept.${name}`]),
    node("Add", [`kept.${name}`, `gradient.${name}`], [`new.velocity.${name}`]),
    node("Mul", ["lr", `new.velocity.${name}`], [`move.${name}`]),
    node("Sub", [name, `move.${name}`], [`new.${name}`]),
  ]);
  return graph(
    batchSize,
    [
      forward,
      node("SoftmaxCrossEntropyLoss", ["logits", "t"], ["loss", "logProb"]),
      node("Exp", ["logProb"], ["probability"]),
      node("OneHot", ["t", "depth", "offOn"], ["truth"]),
      node("Sub", ["probability", "truth"], ["error"]),
      node("Mul", ["error", "share"], ["dLogits"]),
      node("Gemm", ["x", "dLogits"], ["gradient.w"], { transA: { type: "int", value: 1n } }),
      node("ReduceSum", ["dLogits", "axes"], ["gradient.b"], { keepdims: { type: "int", value: 0n } }),
      ...updates,
    ],
    [...parameters, ...velocities, { name: "lr", dtype: "float32", shape: [] }],
    [
      { name: "loss", dtype: "float32", shape: [] },
      ...[...parameters, ...velocities].map((info) => ({ ...info, name: `new.${info.name}` })),
    ],
    [
      ["momentum", float32([], [0.9])],
      ["depth", tensor("int64", [], BigInt64Array.of(BigInt(classes)))],
      ["offOn", float32([2], [0, 1])],
      ["share", float32([], [1 / batchSize])],
      ["axes", tensor("int64", [1], BigInt64Array.of(0n))],
    ],
  );
}

function evaluationGraph(batchSize: number): Graph {
  return graph(
    batchSize,
    [
      forward,
      node("SoftmaxCrossEntropyLoss", ["logits", "t"], ["loss"], { reduction: { type: "string", value: "sum" } }),
      node("ArgMax", ["logits"], ["answer"], {
        axis: { type: "int", value: 1n },
        keepdims: { type: "int", value: 0n },
      }),
      node("Equal", ["answer", "t"], ["right"]),
      node("Cast", ["right"], ["ones"], { to: { type: "int", value: 1n } }),
      node("ReduceSum", ["ones", "axes"], ["correct"], { keepdims: { type: "int", value: 0n } }),
    ],
    parameters,
    [
      { name: "loss", dtype: "float32", shape: [] },
      { name: "correct", dtype: "float32", shape: [] },
    ],
    [["axes", tensor("int64", [1], BigInt64Array.of(0n))]],
  );
}

function graph(
  batchSize: number,
  nodes: Node[],
  inputs: ValueInfo[],
  outputs: ValueInfo[],
  initializers: [string, Tensor][],
): Graph {
  const data: ValueInfo[] = [
    { name: "x", dtype: "float32", shape: [batchSize, features] },
    { name: "t", dtype: "int64", shape: [batchSize] },
  ];
  return {
    name: "handmade",
    opset: 18,
    domains: {},
    nodes,
    inputs: [...data, ...inputs],
    outputs,
    initializers: new Map(initializers),
    valueInfos: [],
  };
}

function node(opType: string, inputs: string[], outputs: string[], attributes: Node["attributes"] = {}): Node {
  return { name: "", opType, domain: "", inputs, outputs, attributes };
}

function bytesOfGraph(graph: Graph): Uint8Array {
  return OnnxModule.fromGraph(graph).toBytes();
}
