// Optimizers that divide by the root of past squares: RMSprop and Adagrad, with PyTorch's formulas.
import { elementCount, tensor } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { averaged, counter, empty, withDecay } from "./optimizer.js";
import type { Optimizer, StateTensor } from "./optimizer.js";

export interface RmspropOptions {
  readonly learningRate: number;
  /** How much of the average of squares is kept. */
  readonly alpha?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
  readonly momentum?: number;
  /** Whether the square of the mean gradient is taken off the mean square. */
  readonly centered?: boolean;
}

/** PyTorch's `RMSprop` (Tieleman and Hinton 2012; centred: Graves 2013). */
export function rmsprop(options: RmspropOptions): Optimizer {
  const { learningRate, alpha = 0.99, epsilon = 1e-8, weightDecay = 0, momentum = 0, centered = false } = options;
  const kinds = ["square", ...(centered ? ["mean"] : []), ...(momentum === 0 ? [] : ["momentum"])];
  return {
    name: `rmsprop(alpha=${alpha}, epsilon=${epsilon}, weightDecay=${weightDecay}, momentum=${momentum}, centered=${centered})`,
    learningRate,
    state: (parameters) =>
      parameters.flatMap((header) => kinds.map((kind) => empty(`rmsprop.${kind}.${header.name}`, header))),
    step(g, trained, held, rate) {
      const next = new Map<string, Value>();
      for (const entry of trained) {
        const { parameter } = entry;
        const memory = (kind: string): string => `rmsprop.${kind}.${parameter.name}`;
        const keep = (kind: string, value: Value): Value => {
          next.set(memory(kind), value);
          return value;
        };
        const old = (kind: string): Value => held.get(memory(kind)) as Value;
        const gradient = withDecay(g, entry, weightDecay);
        let square = keep("square", averaged(g, old("square"), g.mul(gradient, gradient), alpha));
        if (centered) {
          const mean = keep("mean", averaged(g, old("mean"), gradient, alpha));
          square = g.sub(square, g.mul(mean, mean));
        }
        const scaled = g.div(gradient, rootPlus(g, square, epsilon));
        const direction =
          momentum === 0
            ? scaled
            : keep("momentum", g.add(g.mul(old("momentum"), g.scalar(momentum, parameter)), scaled));
        next.set(parameter.name, g.sub(parameter, g.mul(direction, g.cast(rate, parameter))));
      }
      return next;
    },
  };
}

export interface AdagradOptions {
  readonly learningRate: number;
  /** The rate of step t, counted from 0, is learningRate / (1 + t learningRateDecay). */
  readonly learningRateDecay?: number;
  readonly weightDecay?: number;
  readonly initialAccumulatorValue?: number;
  readonly epsilon?: number;
}

/** PyTorch's `Adagrad` (Duchi, Hazan and Singer 2011). */
export function adagrad(options: AdagradOptions): Optimizer {
  const { learningRate, learningRateDecay = 0, weightDecay = 0, epsilon = 1e-10 } = options;
  const { initialAccumulatorValue = 0 } = options;
  const step = "adagrad.step";
  const memory = (name: string): string => `adagrad.sum.${name}`;
  return {
    name:
      `adagrad(learningRateDecay=${learningRateDecay}, weightDecay=${weightDecay}, ` +
      `initialAccumulatorValue=${initialAccumulatorValue}, epsilon=${epsilon})`,
    learningRate,
    state: (parameters) => [
      counter(step),
      ...parameters.map((header) => filled(memory(header.name), header, initialAccumulatorValue)),
    ],
    step(g, trained, held, rate) {
      const count = held.get(step) as Value;
      const next = new Map([[step, g.add(count, g.scalar(1, count))]]);
      for (const entry of trained) {
        const { parameter } = entry;
        const like = (value: number): Value => g.scalar(value, parameter);
        const gradient = withDecay(g, entry, weightDecay);
        const sum = g.add(held.get(memory(parameter.name)) as Value, g.mul(gradient, gradient));
        const slowing = g.add(like(1), g.mul(g.cast(count, parameter), like(learningRateDecay)));
        const size = g.div(g.cast(rate, parameter), slowing);
        next.set(memory(parameter.name), sum);
        next.set(parameter.name, g.sub(parameter, g.mul(g.div(gradient, rootPlus(g, sum, epsilon)), size)));
      }
      return next;
    },
  };
}

function rootPlus(g: GraphBuilder, square: Value, epsilon: number): Value {
  return g.add(g.op("Sqrt", [square]), g.scalar(epsilon, square));
}

function filled(name: string, { dtype, shape }: TensorHeader, value: number): StateTensor {
  const list = dtype === "float64" ? new Float64Array(elementCount(shape)) : new Float32Array(elementCount(shape));
  return { name, dtype, shape, initial: tensor(dtype, shape, list.fill(value)) };
}
