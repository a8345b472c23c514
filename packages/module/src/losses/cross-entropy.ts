// Cross-entropy of class scores against class indices.
import { FederationError, tensor } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { oneHot } from "../gradient/site.js";
import { total } from "./loss.js";
import type { Loss, Reduction } from "./loss.js";

export interface CrossEntropyOptions {
  /** How much each class counts, in the order of the classes. */
  readonly weight?: readonly number[];
  /** The share of a target that is spread evenly over all classes. */
  readonly labelSmoothing?: number;
  /** A target that does not count. */
  readonly ignoreIndex?: number;
  readonly reduction?: Reduction;
}

/**
 * Cross-entropy of scores [batch, classes, ...] before any softmax against int64 class indices [batch, ...] (PyTorch's
 * `CrossEntropyLoss`). Indices must be from 0 but for `ignoreIndex`: onnxruntime takes -1 for the last class without a
 * word. As in PyTorch, the mean is one over weights, and of a batch in which every target is ignored it is not a number.
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss {
  const { weight, labelSmoothing = 0, ignoreIndex, reduction = "mean" } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1) || weight?.some((w) => !(w >= 0 && Number.isFinite(w)))) {
    const given = `labelSmoothing ${labelSmoothing} and weights [${weight?.join(", ") ?? ""}]`;
    throw new FederationError(
      "argument/invalid",
      `crossEntropy takes shares from 0 to 1 and weights from 0, not ${given}`,
    );
  }
  const plain = weight === undefined && labelSmoothing === 0 && ignoreIndex === undefined;
  const terms = (g: GraphBuilder, scores: Value, targets: Value) => termsOf(g, scores, targets, options);
  const sum = (g: GraphBuilder, scores: Value, targets: Value): Value =>
    plain ? fused(g, scores, targets, "sum") : terms(g, scores, targets).sum;
  const loss: Loss = {
    name: `crossEntropy(${JSON.stringify(options)})`,
    ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
    targets: ({ shape }) => ({ dtype: "int64", shape: shape.toSpliced(1, 1) }),
    cost(g, scores, targets) {
      requireClasses(scores, weight);
      if (reduction === "sum") return sum(g, scores, targets);
      if (plain) return fused(g, scores, targets, "mean");
      const made = terms(g, scores, targets);
      return g.div(made.sum, made.weight);
    },
    sum,
    correct(g, scores, targets) {
      const best = g.op("ArgMax", [scores], { axis: 1, keepdims: 0 });
      // A class is never the ignored index unless the latter is one of the classes.
      const right = g.op("Cast", [g.op("Equal", [best, targets])], { to: 1 });
      const valid = validity(g, targets, ignoreIndex);
      return total(g, valid === undefined ? right : g.mul(right, g.op("Cast", [valid], { to: 1 })));
    },
    counted(g, _, targets) {
      const valid = validity(g, targets, ignoreIndex) ?? g.op("Equal", [targets, targets]);
      return total(g, g.op("Cast", [valid], { to: 1 }));
    },
  };
  if (reduction === "sum") return loss;
  return {
    ...loss,
    weight: (g, scores, targets) =>
      plain ? g.op("Cast", [count(g, targets)], { to: 1 }) : terms(g, scores, targets).weight,
  };
}

function count(g: GraphBuilder, targets: Value): Value {
  return g.scalar(
    targets.shape.reduce((a, b) => a * b, 1),
    targets,
  );
}

/** ONNX's own operator. */
function fused(g: GraphBuilder, scores: Value, targets: Value, reduction: Reduction): Value {
  return g.node("SoftmaxCrossEntropyLoss", [scores, targets], { reduction }, { outputs: 2 })[0] as Value;
}

/** The weighted sum of the losses of all targets, and the sum of their weights. */
function termsOf(
  g: GraphBuilder,
  scores: Value,
  targets: Value,
  { weight, labelSmoothing = 0, ignoreIndex }: CrossEntropyOptions,
): { readonly sum: Value; readonly weight: Value } {
  const classes = scores.shape[1] ?? 0;
  const like = (value: number): Value => g.scalar(value, scores);
  const valid = validity(g, targets, ignoreIndex);
  const chosen = valid === undefined ? targets : g.op("Where", [valid, targets, g.scalar(0, targets)]);
  const truth = masked(g, oneHot(g, chosen, classes, scores), valid);
  const weights = weight === undefined ? like(1) : weightsOf(g, scores, weight);
  const weighted = g.mul(truth, weights);
  const even = masked(g, g.mul(g.op("Expand", [weights, g.ints(scores.shape)]), like(labelSmoothing / classes)), valid);
  const share = labelSmoothing === 0 ? weighted : g.add(g.mul(weighted, like(1 - labelSmoothing)), even);
  const logProbability = g.op("LogSoftmax", [scores], { axis: 1 });
  return { sum: g.op("Neg", [total(g, g.mul(share, logProbability))]), weight: total(g, weighted) };
}

function validity(g: GraphBuilder, targets: Value, ignoreIndex: number | undefined): Value | undefined {
  return ignoreIndex === undefined
    ? undefined
    : g.op("Not", [g.op("Equal", [targets, g.scalar(ignoreIndex, targets)])]);
}

/** Zero for every class of a target that is ignored. */
function masked(g: GraphBuilder, value: Value, valid: Value | undefined): Value {
  return valid === undefined
    ? value
    : g.op("Where", [g.op("Unsqueeze", [valid, g.ints([1])]), value, g.scalar(0, value)]);
}

function weightsOf(g: GraphBuilder, scores: Value, weight: readonly number[]): Value {
  const list = scores.dtype === "float64" ? Float64Array.from(weight) : Float32Array.from(weight);
  const shape = scores.shape.map((_, axis) => (axis === 1 ? weight.length : 1));
  return g.constant(tensor(scores.dtype, shape, list));
}

function requireClasses({ shape }: TensorHeader, weight: readonly number[] | undefined): void {
  if (shape.length < 2 || (weight !== undefined && weight.length !== shape[1])) {
    const wanted = weight === undefined ? "[batch, classes, ...]" : `of ${weight.length} classes, one for each weight`;
    throw new FederationError("model/shape", `crossEntropy: scores ${wanted}, not [${shape.join(", ")}]`);
  }
}
