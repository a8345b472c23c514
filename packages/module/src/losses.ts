// Losses, as nodes after a module's output.
import type { TensorHeader } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "./builder.js";

export interface Loss {
  /** For messages and digests. */
  readonly name: string;
  /** What the targets of a batch of predictions look like. */
  targets(prediction: TensorHeader): TensorHeader;
  /** The scalar that training makes small. */
  mean(g: GraphBuilder, prediction: Value, targets: Value): Value;
  /** The sum of the examples' losses, so that evaluations of several batches add up. */
  sum(g: GraphBuilder, prediction: Value, targets: Value): Value;
  /** How many predictions are right (float32), where that has a meaning. */
  correct?(g: GraphBuilder, prediction: Value, targets: Value): Value;
}

/**
 * Cross-entropy of scores [batch, classes] before any softmax against int64 class indices [batch] (PyTorch's
 * `CrossEntropyLoss`). Indices must be from 0: onnxruntime takes -1 for the last class without a word.
 */
export function crossEntropy(): Loss {
  const loss = (g: GraphBuilder, prediction: Value, targets: Value, reduction: string): Value =>
    g.node("SoftmaxCrossEntropyLoss", [prediction, targets], { reduction }, { outputs: 2 })[0] as Value;
  return {
    name: "crossEntropy",
    targets: ({ shape }) => ({ dtype: "int64", shape: shape.toSpliced(1, 1) }),
    mean: (g, prediction, targets) => loss(g, prediction, targets, "mean"),
    sum: (g, prediction, targets) => loss(g, prediction, targets, "sum"),
    correct(g, prediction, targets) {
      const best = g.op("ArgMax", [prediction], { axis: 1, keepdims: 0 });
      const right = g.op("Cast", [g.op("Equal", [best, targets])], { to: 1 });
      return g.op("ReduceSum", [right], { keepdims: 0 });
    },
  };
}

/** The mean of squared differences, over all elements (PyTorch's `MSELoss`). Targets have the prediction's shape. */
export function meanSquaredError(): Loss {
  const mean = (g: GraphBuilder, prediction: Value, targets: Value): Value => {
    const difference = g.sub(prediction, targets);
    return g.op("ReduceMean", [g.mul(difference, difference)], { keepdims: 0 });
  };
  return {
    name: "meanSquaredError",
    targets: ({ dtype, shape }) => ({ dtype, shape }),
    mean,
    sum: (g, prediction, targets) =>
      g.mul(mean(g, prediction, targets), g.scalar(prediction.shape[0] ?? 1, prediction)),
  };
}
