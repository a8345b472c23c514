// Layers over sequences [batch, length, features]: embedding, attention, recurrent layers.
import { FederationError, elementCount, float32 } from "@perennial-fl/core";
import type { Random, Tensor } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import { number } from "./activations.js";
import { uniform } from "./dense.js";
import type { Layer, LayerSite } from "./layer.js";

/** A row of a table for each index (PyTorch's `nn.Embedding`). The input's float32 numbers are taken as indices. */
export function embedding(numEmbeddings: number, embeddingDim: number): Layer {
  return (at) => {
    const weight = at.parameter("weight", normal([numEmbeddings, embeddingDim], at.random("weight")));
    return at.place("Gather", [weight, at.g.op("Cast", [at.input], { to: 7 })], { axis: 0 });
  };
}

export interface AttentionOptions {
  readonly bias?: boolean;
  /** Whether a position sees only itself and those before it. */
  readonly causal?: boolean;
}

/** Self-attention of several heads (Vaswani et al. 2017; PyTorch's `nn.MultiheadAttention` with `batch_first`). */
export function multiheadAttention(
  embedDim: number,
  numHeads: number,
  { bias = true, causal = false }: AttentionOptions = {},
): Layer {
  return (at) => {
    const { g, input } = at;
    const [, length, width] = input.shape as [number, number, number];
    if (input.shape.length !== 3 || width !== embedDim || embedDim % numHeads !== 0) {
      const given = `[${input.shape.slice(1).join(", ")}]`;
      throw new FederationError(
        "model/shape",
        `building layer ${at.name}: attention takes sequences of ${embedDim} features in ${numHeads} heads, not ${given}`,
      );
    }
    const size = embedDim / numHeads;
    // Xavier's uniform initialisation for the three projections together, as PyTorch does.
    const spread = Math.sqrt(6 / (4 * embedDim));
    const weight = at.parameter(
      "in_proj_weight",
      uniform([3 * embedDim, embedDim], spread, at.random("in_proj_weight")),
    );
    const offset = bias ? at.parameter("in_proj_bias", zeros([3 * embedDim])) : undefined;
    const bound = 1 / Math.sqrt(embedDim);
    const outWeight = at.parameter(
      "out_proj.weight",
      uniform([embedDim, embedDim], bound, at.random("out_proj.weight")),
    );
    const outOffset = bias ? at.parameter("out_proj.bias", zeros([embedDim])) : undefined;

    const projected = times(at, input, weight, offset);
    const parts = g.node("Split", [projected], { axis: 2, num_outputs: 3 }, { outputs: 3 });
    const heads = (value: Value, perm: readonly number[]): Value =>
      g.op("Transpose", [g.op("Reshape", [value, g.ints([0, length, numHeads, size])])], { perm });
    const [query, key, value] = parts as [Value, Value, Value];
    const product = g.op("MatMul", [heads(query, [0, 2, 1, 3]), heads(key, [0, 2, 3, 1])]);
    const scores = g.mul(product, number(at, 1 / Math.sqrt(size)));
    const weights = g.op("Softmax", [causal ? g.add(scores, future(at, length)) : scores], { axis: -1 });
    const mixed = g.op("Transpose", [g.op("MatMul", [weights, heads(value, [0, 2, 1, 3])])], { perm: [0, 2, 1, 3] });
    return times(at, g.op("Reshape", [mixed, g.ints([0, length, embedDim])]), outWeight, outOffset);
  };
}

export interface RecurrentOptions {
  readonly bias?: boolean;
  /** All states [batch, length, hidden], or the last one [batch, hidden]. */
  readonly output?: "all" | "last";
}

/** PyTorch's `nn.LSTM` of one layer with `batch_first`. */
export function lstm(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}): Layer {
  return recurrent("LSTM", [0, 3, 1, 2], inputSize, hiddenSize, options);
}

/** PyTorch's `nn.GRU` of one layer with `batch_first`. */
export function gru(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}): Layer {
  return recurrent("GRU", [1, 0, 2], inputSize, hiddenSize, options);
}

/** `order` says which of PyTorch's gates come in which place of ONNX's. */
function recurrent(
  opType: "GRU" | "LSTM",
  order: readonly number[],
  inputSize: number,
  hiddenSize: number,
  { bias = true, output = "all" }: RecurrentOptions,
): Layer {
  return (at) => {
    const { g } = at;
    const bound = 1 / Math.sqrt(hiddenSize);
    const rows = order.length * hiddenSize;
    const parameter = (name: string, shape: readonly number[]): Value =>
      arranged(at, at.parameter(name, uniform(shape, bound, at.random(name))), order);
    const weights = ["weight_ih_l0", "weight_hh_l0"].map((name, i) =>
      g.op("Unsqueeze", [parameter(name, [rows, i === 0 ? inputSize : hiddenSize]), g.ints([0])]),
    );
    const biases = bias ? ["bias_ih_l0", "bias_hh_l0"].map((name) => parameter(name, [rows])) : [];
    const joined = bias ? [g.op("Unsqueeze", [g.op("Concat", biases, { axis: 0 }), g.ints([0])])] : [];
    const steps = g.op("Transpose", [at.input], { perm: [1, 0, 2] });
    const reset = opType === "GRU" ? { linear_before_reset: 1 } : {};
    const states = at.place(opType, [steps, ...weights, ...joined], { hidden_size: hiddenSize, ...reset });
    if (output === "all") return g.op("Transpose", [g.op("Squeeze", [states, g.ints([1])])], { perm: [1, 0, 2] });
    const length = states.shape[0] as number;
    const last = g.op("Slice", [states, g.ints([length - 1]), g.ints([length]), g.ints([0])]);
    return g.op("Squeeze", [last, g.ints([0, 1])]);
  };
}

function arranged({ g }: LayerSite, value: Value, order: readonly number[]): Value {
  const gates = g.node("Split", [value], { axis: 0, num_outputs: order.length }, { outputs: order.length });
  return g.op(
    "Concat",
    order.map((gate) => gates[gate]),
    { axis: 0 },
  );
}

function times({ g }: LayerSite, value: Value, weight: Value, offset: Value | undefined): Value {
  const product = g.op("MatMul", [value, g.op("Transpose", [weight], { perm: [1, 0] })]);
  return offset === undefined ? product : g.add(product, offset);
}

function future({ g }: LayerSite, length: number): Value {
  const mask = Float32Array.from({ length: length ** 2 }, (_, i) => (i % length > Math.floor(i / length) ? -1e9 : 0));
  return g.op("Constant", [], { value: float32([length, length], mask) });
}

function zeros(shape: readonly number[]): Tensor {
  return float32(shape, new Float32Array(elementCount(shape)));
}

function normal(shape: readonly number[], random: Random): Tensor {
  return float32(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );
}
