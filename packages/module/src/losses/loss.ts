// What a loss is: nodes after a module's output.
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";

/** PyTorch's `reduction`: how the losses of a batch become the number that training makes small. */
export type Reduction = "mean" | "sum";

export interface Loss {
  /** For messages and digests. */
  readonly name: string;
  /** What the targets of a batch of predictions look like. */
  targets(prediction: TensorHeader): TensorHeader;
  /** The scalar that training makes small. */
  cost(g: GraphBuilder, prediction: Value, targets: Value): Value;
  /** A sum over the batch; evaluations of several batches add it up and divide by the sum of {@link weight}. */
  sum(g: GraphBuilder, prediction: Value, targets: Value): Value;
  /** What the sum is divided by for a mean, as a scalar; the number of examples where this is absent. */
  weight?(g: GraphBuilder, prediction: Value, targets: Value): Value;
  /** How many predictions are right (float32), where that has a meaning. */
  correct?(g: GraphBuilder, prediction: Value, targets: Value): Value;
  /** How many predictions could be right (float32); the number of examples where this is absent. */
  counted?(g: GraphBuilder, prediction: Value, targets: Value): Value;
  /** A class index that is not one, and that targets may hold. */
  readonly ignoreIndex?: number;
  /** The module's own output that takes the place of the prediction. */
  readonly output?: string;
}

/** A scalar of every element's sum. */
export function total(g: GraphBuilder, value: Value): Value {
  return g.op("ReduceSum", [value], { keepdims: 0 });
}

/** A loss of elements: `each` gives it for every element of the prediction, whose shape the targets share. */
export function elementLoss(
  name: string,
  reduction: Reduction,
  each: (g: GraphBuilder, prediction: Value, targets: Value) => Value,
): Loss {
  const mean = (g: GraphBuilder, prediction: Value, targets: Value): Value =>
    g.op("ReduceMean", [each(g, prediction, targets)], { keepdims: 0 });
  const sum = (g: GraphBuilder, prediction: Value, targets: Value): Value => total(g, each(g, prediction, targets));
  return {
    name,
    targets: ({ dtype, shape }) => ({ dtype, shape }),
    cost: reduction === "mean" ? mean : sum,
    // With a mean every example counts as one, with a sum as many as it has elements.
    sum: (g, prediction, targets) =>
      reduction === "mean"
        ? g.mul(mean(g, prediction, targets), g.scalar(prediction.shape[0] ?? 1, prediction))
        : sum(g, prediction, targets),
  };
}

/** Throws `argument/invalid` unless the number is finite and from `least` (itself or above it) on. */
export function requireNumber(what: string, value: number, { above }: { readonly above: number }): void {
  if (Number.isFinite(value) && value > above) return;
  throw new FederationError("argument/invalid", `${what} is a number above ${above}, not ${value}`);
}
