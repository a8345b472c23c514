// A stored model as training reads it, with the gradient of a weighted sum of its outputs by each of its inputs.
import { messageOf, random, tensor, zeros } from "@perennial-fl/core";
import type { DType, Tensor } from "@perennial-fl/core";
import { graphBuilder } from "../../src/builder.js";
import { gradientsOf } from "../../src/differentiate.js";
import { OnnxModule } from "../../src/index.js";
import type { Graph, Value } from "../../src/index.js";
import { trace } from "../../src/trace.js";
import { numbers } from "../train.js";

export type Precision = "float32" | "float64";

export interface Model {
  readonly bytes: Uint8Array;
  /** The inputs of real numbers, under their names. */
  readonly moved: ReadonlyMap<string, Tensor>;
  /** The other inputs that are only known when the graph runs. */
  readonly fed: ReadonlyMap<string, Tensor>;
  /** What each output of real numbers counts in the loss. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Whether the operator runs and cannot be differentiated. */
  readonly ruleless: boolean;
}

/** The model as training reads it, with every output and the gradient of a weighted sum of them all. */
export function modelOf(precision: Precision, graph: Graph, inputs: readonly Tensor[]): Model {
  const g = graphBuilder();
  const moved = new Map<string, Tensor>();
  const fed = new Map<string, Tensor>();
  const constants = new Map<string, Tensor>();
  graph.inputs.forEach(({ name }, i) => {
    const held = converted(inputs[i]!, precision);
    if (isFixed(graph, name)) constants.set(name, inputs[i]!);
    else if (isReal(held.dtype)) moved.set(name, held);
    else if (["bool", "int32", "int64"].includes(held.dtype)) constants.set(name, held);
    else fed.set(name, held);
  });
  const fixed = new Map([...graph.initializers].map(([name, held]) => [name, converted(held, precision)]));
  const values = trace(
    g,
    {
      ...graph,
      inputs: [...moved, ...fed].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
      nodes: [...[...constants].map(([name, value]) => constantNode(name, value)), ...graph.nodes],
      initializers: fixed,
    },
    {},
  );
  const outputs: Record<string, Value> = {};
  const weights = new Map<string, Tensor>();
  let loss: Value | undefined;
  graph.outputs.forEach(({ name }, i) => {
    const value = values.get(name);
    if (value === undefined) return;
    outputs[`output.${i}`] = value;
    if (!isReal(value.dtype)) return;
    const draw = random("weights", i);
    const weight = g.input(`weight.${i}`, value.dtype, value.shape);
    weights.set(
      weight.name,
      shifted(zeros(value.dtype, value.shape), () => draw.normal()),
    );
    const term = g.cast(g.op("ReduceSum", [g.mul(value, weight)], { keepdims: 0 }), { dtype: precision, shape: [] });
    loss = loss === undefined ? term : g.add(loss, term);
  });
  const names = [...moved.keys()];
  const wanted = names.map((name) => values.get(name)!);
  let ruleless = false;
  try {
    const gradients = loss === undefined ? [] : gradientsOf(g, loss, wanted);
    gradients.forEach((gradient, i) => {
      const input = wanted[i]!;
      outputs[`gradient.${names[i]!}`] = gradient ?? g.mul(input, g.scalar(0, input));
    });
  } catch (error) {
    ruleless = messageOf(error).includes("has no gradient rule");
    if (!ruleless) throw error;
  }
  return { bytes: OnnxModule.fromGraph(g.graph("judged", outputs)).toBytes(), moved, fed, weights, ruleless };
}

/** Inputs that only say how: they must be known before the graph runs, and nobody differentiates by them. */
function isFixed({ nodes }: Graph, name: string): boolean {
  const fixed: { readonly [operator: string]: readonly number[] } = {
    BatchNormalization: [3, 4],
    Clip: [1, 2],
    Dropout: [1],
    NegativeLogLikelihoodLoss: [2],
    OneHot: [1, 2],
    Range: [0, 1, 2],
    Pad: [2],
    Resize: [1, 2],
    SoftmaxCrossEntropyLoss: [2],
    Upsample: [1],
  };
  return nodes.some(({ opType, inputs }) => fixed[opType]?.some((i) => inputs[i] === name));
}

function constantNode(name: string, value: Tensor): Graph["nodes"][number] {
  const attributes = { value: { type: "tensor", value } } as const;
  return { name: "", opType: "Constant", domain: "", inputs: [], outputs: [name], attributes };
}

export function isReal(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64";
}

function converted(value: Tensor, precision: Precision): Tensor {
  if (!isReal(value.dtype)) return value;
  return tensor(precision, value.shape, arrayOf(precision, numbers(value)));
}

function arrayOf(dtype: DType, values: readonly number[]): Float32Array | Float64Array {
  return dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values);
}

/** The same tensor with something added to every element. */
export function shifted(at: Tensor, by: (x: number, i: number) => number): Tensor {
  const values = numbers(at).map((x, i) => x + by(x, i));
  return tensor(at.dtype, at.shape, arrayOf(at.dtype, values));
}
