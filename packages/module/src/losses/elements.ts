// Losses of elements: prediction and targets have one shape.
import type { GraphBuilder, Value } from "../builder.js";
import { elementLoss, requireNumber } from "./loss.js";
import type { Loss, Reduction } from "./loss.js";

export interface ReductionOptions {
  readonly reduction?: Reduction;
}

/** Squared differences (PyTorch's `MSELoss`). Targets have the prediction's shape. */
export function meanSquaredError({ reduction = "mean" }: ReductionOptions = {}): Loss {
  return elementLoss(named("meanSquaredError", { reduction }), reduction, (g, prediction, targets) => {
    const difference = g.sub(prediction, targets);
    return g.mul(difference, difference);
  });
}

/** Absolute differences (PyTorch's `L1Loss`). */
export function meanAbsoluteError({ reduction = "mean" }: ReductionOptions = {}): Loss {
  return elementLoss(named("meanAbsoluteError", { reduction }), reduction, (g, prediction, targets) =>
    g.op("Abs", [g.sub(prediction, targets)]),
  );
}

export interface HuberOptions extends ReductionOptions {
  /** Where the square ends and the line begins. */
  readonly delta?: number;
}

/** d²/2 up to delta, delta (|d| - delta/2) beyond (PyTorch's `HuberLoss`; Huber 1964). */
export function huber({ delta = 1, reduction = "mean" }: HuberOptions = {}): Loss {
  requireNumber("huber's delta", delta, { above: 0 });
  return elementLoss(named("huber", { delta, reduction }), reduction, (g, prediction, targets) => {
    const size = g.op("Abs", [g.sub(prediction, targets)]);
    const like = (value: number): Value => g.scalar(value, size);
    const square = g.mul(like(0.5), g.mul(size, size));
    const line = g.mul(like(delta), g.sub(size, like(delta / 2)));
    return g.op("Where", [g.op("Greater", [size, like(delta)]), line, square]);
  });
}

export interface BinaryCrossEntropyOptions extends ReductionOptions {
  /** How much more than a negative element a positive one counts. */
  readonly posWeight?: number;
}

/** Cross-entropy of scores before a sigmoid against probabilities from 0 to 1 (PyTorch's `BCEWithLogitsLoss`). */
export function binaryCrossEntropyWithLogits(options: BinaryCrossEntropyOptions = {}): Loss {
  const { posWeight = 1, reduction = "mean" } = options;
  requireNumber("binaryCrossEntropyWithLogits's posWeight", posWeight, { above: 0 });
  const each = (g: GraphBuilder, score: Value, targets: Value): Value => {
    // -log(1 - p) = x + softplus(-x) and -log p = softplus(-x): neither overflows.
    const softplus = g.op("Softplus", [g.op("Neg", [score])]);
    const negative = g.sub(g.scalar(1, targets), targets);
    const weight =
      posWeight === 1 ? g.scalar(1, targets) : g.add(negative, g.mul(targets, g.scalar(posWeight, targets)));
    return g.add(g.mul(negative, score), g.mul(weight, softplus));
  };
  return elementLoss(named("binaryCrossEntropyWithLogits", { posWeight, reduction }), reduction, each);
}

function named(name: string, options: Readonly<Record<string, string | number>>): string {
  return `${name}(${Object.entries(options)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ")})`;
}
