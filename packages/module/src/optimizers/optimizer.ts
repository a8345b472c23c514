// What an optimizer is: a block of nodes behind the gradients, with memory that a run hands back.
import { zeros } from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";

export interface NamedHeader extends TensorHeader {
  readonly name: string;
}

/** A tensor of the training state, and its value before the first step. */
export interface StateTensor extends NamedHeader {
  readonly initial: Tensor;
}

/**
 * A tensor that a step is fed beside a parameter, with the parameter's header, and that stays the same for a whole call:
 * an `anchor` is a model not to stray from, a `correction` is added to the gradient.
 */
export interface Reference extends NamedHeader {
  readonly kind: "anchor" | "correction";
  readonly parameter: string;
}

/** A trained parameter with its gradient. */
export interface Trained {
  readonly parameter: Value;
  readonly gradient: Value;
}

export interface Optimizer {
  /** For messages and digests. */
  readonly name: string;
  readonly learningRate: number;
  /** The memory that these parameters need. */
  state(parameters: readonly NamedHeader[]): readonly StateTensor[];
  /** What these parameters are held against, if anything. */
  references?(parameters: readonly NamedHeader[]): readonly Reference[];
  /** The new value of everything, by name. `held` has what {@link Optimizer.state} and {@link Optimizer.references} named. */
  step(
    g: GraphBuilder,
    trained: readonly Trained[],
    held: ReadonlyMap<string, Value>,
    learningRate: Value,
  ): Map<string, Value>;
}

/** A state tensor of the header of a parameter. */
export function empty(name: string, { dtype, shape }: TensorHeader): StateTensor {
  return { name, dtype, shape, initial: zeros(dtype, shape) };
}

/** The number of steps before this one. */
export function counter(name: string): StateTensor {
  return empty(name, { dtype: "int64", shape: [] });
}

/** PyTorch's `weight_decay`: the gradient of an added penalty of weightDecay/2 times the square of the parameter. */
export function withDecay(g: GraphBuilder, { parameter, gradient }: Trained, weightDecay: number): Value {
  return weightDecay === 0 ? gradient : g.add(gradient, g.mul(parameter, g.scalar(weightDecay, parameter)));
}

/** An exponential average: `keep` times the old and the rest of the new. */
export function averaged(g: GraphBuilder, old: Value, next: Value, keep: number): Value {
  return g.add(g.mul(old, g.scalar(keep, old)), g.mul(next, g.scalar(1 - keep, old)));
}
