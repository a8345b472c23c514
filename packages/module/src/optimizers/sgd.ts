// Stochastic gradient descent, with PyTorch's formulas.
import type { GraphBuilder, Value } from "../builder.js";
import { counter, empty, withDecay } from "./optimizer.js";
import type { Optimizer } from "./optimizer.js";

export interface SgdOptions {
  readonly learningRate: number;
  readonly momentum?: number;
  /** How much less than whole a gradient enters the momentum, from the second step on. */
  readonly dampening?: number;
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
}

/** PyTorch's `SGD`: v' = momentum v + (1 - dampening) (g + weightDecay p), p' = p - learningRate v'. */
export function sgd(options: SgdOptions): Optimizer {
  const { learningRate, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false } = options;
  const memory = (name: string): string => `momentum.${name}`;
  const step = "sgd.step";
  const counts = momentum !== 0 && dampening !== 0;
  return {
    name: `sgd(momentum=${momentum}, dampening=${dampening}, weightDecay=${weightDecay}, nesterov=${nesterov})`,
    learningRate,
    state: (parameters) =>
      momentum === 0
        ? []
        : [...(counts ? [counter(step)] : []), ...parameters.map((header) => empty(memory(header.name), header))],
    step(g, trained, held, rate) {
      const next = new Map<string, Value>();
      const count = held.get(step);
      if (count !== undefined) next.set(step, g.add(count, g.scalar(1, count)));
      for (const entry of trained) {
        const { parameter } = entry;
        const decayed = withDecay(g, entry, weightDecay);
        const old = held.get(memory(parameter.name));
        let direction = decayed;
        if (old !== undefined) {
          const factor = g.scalar(momentum, old);
          const entering = count === undefined ? decayed : dampened(g, decayed, dampening, count);
          const velocity = g.add(g.mul(old, factor), entering);
          next.set(memory(parameter.name), velocity);
          direction = nesterov ? g.add(decayed, g.mul(velocity, factor)) : velocity;
        }
        next.set(parameter.name, g.sub(parameter, g.mul(direction, g.cast(rate, parameter))));
      }
      return next;
    },
  };
}

/** The first gradient enters whole. */
function dampened(g: GraphBuilder, gradient: Value, dampening: number, count: Value): Value {
  const first = g.op("Equal", [count, g.scalar(0, count)]);
  return g.mul(gradient, g.op("Where", [first, g.scalar(1, gradient), g.scalar(1 - dampening, gradient)]));
}
