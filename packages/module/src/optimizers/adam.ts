// Adam and AdamW, with PyTorch's formulas.
import type { GraphBuilder, Value } from "../builder.js";
import { averaged, counter, empty, withDecay } from "./optimizer.js";
import type { Optimizer, Trained } from "./optimizer.js";

export interface AdamOptions {
  readonly learningRate: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
}

/** Adam (Kingma and Ba 2015) with bias correction; weight decay is added to the gradient, as PyTorch's `Adam` does. */
export function adam(options: AdamOptions): Optimizer {
  const { weightDecay = 0 } = options;
  return adaptive("adam", { ...options, weightDecay }, (g, entry) => ({
    ...entry,
    gradient: withDecay(g, entry, weightDecay),
  }));
}

/** AdamW (Loshchilov and Hutter 2019): weight decay shrinks the parameters and does not enter the moments. */
export function adamW(options: AdamOptions): Optimizer {
  const { weightDecay = 0.01 } = options;
  return adaptive("adamW", { ...options, weightDecay }, (g, { parameter, gradient }, rate) => {
    const shrunk = g.sub(g.scalar(1, parameter), g.mul(g.cast(rate, parameter), g.scalar(weightDecay, parameter)));
    return { gradient, parameter: weightDecay === 0 ? parameter : g.mul(parameter, shrunk) };
  });
}

/** What both have in common; `decay` says where the weight decay comes in. */
function adaptive(
  title: string,
  { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay }: AdamOptions & { weightDecay: number },
  decay: (g: GraphBuilder, entry: Trained, rate: Value) => Trained,
): Optimizer {
  const step = "adam.step";
  return {
    name: `${title}(beta1=${beta1}, beta2=${beta2}, epsilon=${epsilon}, weightDecay=${weightDecay})`,
    learningRate,
    state: (parameters) => [
      counter(step),
      ...parameters.flatMap((header) => [
        empty(`adam.m.${header.name}`, header),
        empty(`adam.v.${header.name}`, header),
      ]),
    ],
    step(g, trained, held, rate) {
      const old = (name: string): Value => held.get(name) as Value;
      const count = g.add(old(step), g.scalar(1, old(step)));
      const next = new Map([[step, count]]);
      const [first, second] = [biasCorrection(g, beta1, count), biasCorrection(g, beta2, count)];
      for (const entry of trained) {
        const { name } = entry.parameter;
        const { parameter, gradient } = decay(g, entry, rate);
        const m = averaged(g, old(`adam.m.${name}`), gradient, beta1);
        const v = averaged(g, old(`adam.v.${name}`), g.mul(gradient, gradient), beta2);
        next.set(`adam.m.${name}`, m).set(`adam.v.${name}`, v);
        const root = g.div(g.op("Sqrt", [v]), g.cast(g.op("Sqrt", [second]), parameter));
        const size = g.div(g.cast(rate, parameter), g.cast(first, parameter));
        next.set(name, g.sub(parameter, g.mul(g.div(m, g.add(root, g.scalar(epsilon, parameter))), size)));
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
