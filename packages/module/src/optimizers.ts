// Optimizers, each a block of nodes with PyTorch's formulas. Their memory is named tensors that a run hands back.
import { tensor, zeros } from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "./builder.js";

export interface NamedHeader extends TensorHeader {
  readonly name: string;
}

/** A tensor of an optimizer's memory and its value before the first step. */
export interface StateTensor extends NamedHeader {
  readonly initial: Tensor;
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
  /** The new value of everything, by name. `state` holds what {@link Optimizer.state} named. */
  step(
    g: GraphBuilder,
    trained: readonly Trained[],
    state: ReadonlyMap<string, Value>,
    learningRate: Value,
  ): Map<string, Value>;
}

export interface SgdOptions {
  readonly learningRate: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
}

/** Stochastic gradient descent: v' = momentum v + (g + weightDecay p), p' = p - learningRate v'. */
export function sgd({ learningRate, momentum = 0, weightDecay = 0, nesterov = false }: SgdOptions): Optimizer {
  const memory = (name: string): string => `momentum.${name}`;
  return {
    name: `sgd(momentum=${momentum}, weightDecay=${weightDecay}, nesterov=${nesterov})`,
    learningRate,
    state: (parameters) => (momentum === 0 ? [] : parameters.map((header) => empty(memory(header.name), header))),
    step(g, trained, state, rate) {
      const next = new Map<string, Value>();
      for (const { parameter, gradient } of trained) {
        const decayed = withDecay(g, gradient, parameter, weightDecay);
        const old = state.get(memory(parameter.name));
        let direction = decayed;
        if (old !== undefined) {
          const factor = g.scalar(momentum, old);
          const velocity = g.add(g.mul(old, factor), decayed);
          next.set(memory(parameter.name), velocity);
          direction = nesterov ? g.add(decayed, g.mul(velocity, factor)) : velocity;
        }
        next.set(parameter.name, g.sub(parameter, g.mul(direction, castTo(g, rate, parameter))));
      }
      return next;
    },
  };
}

export interface AdamOptions {
  readonly learningRate: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
}

/** Adam (Kingma and Ba 2015) with bias correction; weight decay is added to the gradient, as PyTorch's `Adam` does. */
export function adam(options: AdamOptions): Optimizer {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
  const step = "adam.step";
  return {
    name: `adam(beta1=${beta1}, beta2=${beta2}, epsilon=${epsilon}, weightDecay=${weightDecay})`,
    learningRate,
    state: (parameters) => [
      { name: step, dtype: "int64", shape: [], initial: tensor("int64", [], BigInt64Array.of(0n)) },
      ...parameters.flatMap((header) => [
        empty(`adam.m.${header.name}`, header),
        empty(`adam.v.${header.name}`, header),
      ]),
    ],
    step(g, trained, state, rate) {
      const held = (name: string): Value => state.get(name) as Value;
      const count = g.add(held(step), g.scalar(1, held(step)));
      const next = new Map([[step, count]]);
      const [first, second] = [biasCorrection(g, beta1, count), biasCorrection(g, beta2, count)];
      for (const { parameter, gradient } of trained) {
        const like = (value: number): Value => g.scalar(value, parameter);
        const d = withDecay(g, gradient, parameter, weightDecay);
        const m = g.add(g.mul(held(`adam.m.${parameter.name}`), like(beta1)), g.mul(d, like(1 - beta1)));
        const v = g.add(g.mul(held(`adam.v.${parameter.name}`), like(beta2)), g.mul(g.mul(d, d), like(1 - beta2)));
        next.set(`adam.m.${parameter.name}`, m).set(`adam.v.${parameter.name}`, v);
        const root = g.div(g.op("Sqrt", [v]), castTo(g, g.op("Sqrt", [second]), parameter));
        const size = g.div(castTo(g, rate, parameter), castTo(g, first, parameter));
        next.set(parameter.name, g.sub(parameter, g.mul(g.div(m, g.add(root, like(epsilon))), size)));
      }
      return next;
    },
  };
}

/** 1 - beta^count, in float64: in float32 the first steps would lose half of their digits. */
function biasCorrection(g: GraphBuilder, beta: number, count: Value): Value {
  const steps = g.op("Cast", [count], { to: 11 });
  return g.sub(g.scalar(1, steps), g.op("Pow", [g.scalar(beta, steps), steps]));
}

function empty(name: string, { dtype, shape }: TensorHeader): StateTensor {
  return { name, dtype, shape, initial: zeros(dtype, shape) };
}

function withDecay(g: GraphBuilder, gradient: Value, parameter: Value, weightDecay: number): Value {
  return weightDecay === 0 ? gradient : g.add(gradient, g.mul(parameter, g.scalar(weightDecay, parameter)));
}

function castTo(g: GraphBuilder, value: Value, like: Value): Value {
  return value.dtype === like.dtype ? value : g.op("Cast", [value], { to: like.dtype === "float64" ? 11 : 1 });
}
