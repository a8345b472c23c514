// What happens to gradients before an optimizer sees them, each around an optimizer: the outermost comes first.
import { FederationError } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { counter, empty } from "./optimizer.js";
import type { NamedHeader, Optimizer, Reference, Trained } from "./optimizer.js";

type Change = (g: GraphBuilder, trained: readonly Trained[], held: ReadonlyMap<string, Value>) => readonly Trained[];

/** Gradients scaled down together until their joint norm is at most `maxNorm` (PyTorch's `clip_grad_norm_`). */
export function clipByNorm(maxNorm: number, optimizer: Optimizer): Optimizer {
  positive("clipByNorm", maxNorm);
  return changed(`clipByNorm(${maxNorm})`, optimizer, (g, trained) => {
    const [first] = trained;
    if (first === undefined) return trained;
    const squares = trained.map(({ gradient }) =>
      g.cast(g.op("ReduceSum", [g.mul(gradient, gradient)], { keepdims: 0 }), first.gradient),
    );
    const norm = g.op("Sqrt", [squares.reduce((sum, square) => g.add(sum, square))]);
    const wanted = g.div(g.scalar(maxNorm, norm), g.add(norm, g.scalar(1e-6, norm)));
    const factor = g.op("Min", [wanted, g.scalar(1, norm)]);
    return trained.map(({ parameter, gradient }) => ({
      parameter,
      gradient: g.mul(gradient, g.cast(factor, gradient)),
    }));
  });
}

/** Every element of a gradient cut to [-maxValue, maxValue] (PyTorch's `clip_grad_value_`). */
export function clipByValue(maxValue: number, optimizer: Optimizer): Optimizer {
  positive("clipByValue", maxValue);
  return changed(`clipByValue(${maxValue})`, optimizer, (g, trained) =>
    trained.map(({ parameter, gradient }) => ({
      parameter,
      gradient: g.op("Clip", [gradient, g.scalar(-maxValue, gradient), g.scalar(maxValue, gradient)]),
    })),
  );
}

/**
 * FedProx's proximal term (Li et al. 2020): the loss grows by mu/2 times the squared distance to the anchor, which is the
 * model that the call began with unless another is given. With the global model as the anchor of a personal one, this
 * is Ditto's term (Li et al. 2021). A mu of 0 gives the optimizer itself: FedProx without its term is FedAvg.
 */
export function proximal(mu: number, optimizer: Optimizer): Optimizer {
  if (mu === 0) return optimizer;
  positive("proximal", mu);
  const change: Change = (g, trained, held) =>
    trained.map(({ parameter, gradient }) => {
      const distance = g.sub(parameter, held.get(`anchor.${parameter.name}`) as Value);
      return { parameter, gradient: g.add(gradient, g.mul(distance, g.scalar(mu, parameter))) };
    });
  return referring("anchor", changed(`proximal(${mu})`, optimizer, change));
}

/**
 * SCAFFOLD's control variates (Karimireddy et al. 2020): to every gradient the correction c - c_i is added, which is
 * given to each call of the trainer.
 */
export function corrected(optimizer: Optimizer): Optimizer {
  const change: Change = (g, trained, held) =>
    trained.map(({ parameter, gradient }) => ({
      parameter,
      gradient: g.add(gradient, held.get(`correction.${parameter.name}`) as Value),
    }));
  return referring("correction", changed("corrected", optimizer, change));
}

/** One step of the optimizer for every `batches` batches, by the mean of their gradients. */
export function accumulate(batches: number, optimizer: Optimizer): Optimizer {
  if (!Number.isSafeInteger(batches) || batches < 1) {
    throw new FederationError("argument/invalid", `accumulate takes a whole number of batches from 1, not ${batches}`);
  }
  const count = "accumulate.count";
  const memory = (name: string): string => `accumulate.sum.${name}`;
  return {
    ...optimizer,
    name: `accumulate(${batches}) ${optimizer.name}`,
    state: (parameters) => [
      counter(count),
      ...parameters.map((header) => empty(memory(header.name), header)),
      ...optimizer.state(parameters),
    ],
    step(g, trained, held, rate) {
      const old = (name: string): Value => held.get(name) as Value;
      const reached = g.add(old(count), g.scalar(1, old(count)));
      const due = g.op("Equal", [reached, g.scalar(batches, reached)]);
      const sums = trained.map(({ parameter, gradient }) => g.add(old(memory(parameter.name)), gradient));
      const means = trained.map(({ parameter }, i) => {
        const sum = sums[i] as Value;
        return { parameter, gradient: g.mul(sum, g.scalar(1 / batches, sum)) };
      });
      const next = new Map([[count, g.op("Where", [due, g.scalar(0, reached), reached])]]);
      trained.forEach(({ parameter }, i) => {
        const sum = sums[i] as Value;
        next.set(memory(parameter.name), g.op("Where", [due, g.scalar(0, sum), sum]));
      });
      const before = new Map(trained.map(({ parameter }) => [parameter.name, parameter]));
      for (const [name, value] of optimizer.step(g, means, held, rate)) {
        next.set(name, g.op("Where", [due, value, before.get(name) ?? old(name)]));
      }
      return next;
    },
  };
}

function changed(title: string, optimizer: Optimizer, change: Change): Optimizer {
  return {
    ...optimizer,
    name: `${title} ${optimizer.name}`,
    step: (g, trained, held, rate) => optimizer.step(g, change(g, trained, held), held, rate),
  };
}

function referring(kind: Reference["kind"], optimizer: Optimizer): Optimizer {
  const own = ({ name, dtype, shape }: NamedHeader): Reference => ({
    name: `${kind}.${name}`,
    dtype,
    shape,
    kind,
    parameter: name,
  });
  return {
    ...optimizer,
    references(parameters) {
      const inner = optimizer.references?.(parameters) ?? [];
      if (inner.some((reference) => reference.kind === kind)) {
        throw new FederationError("argument/invalid", `${optimizer.name}: two ${kind}s for one parameter`);
      }
      return [...parameters.map(own), ...inner];
    },
  };
}

function positive(what: string, value: number): void {
  if (value > 0 && Number.isFinite(value)) return;
  throw new FederationError("argument/invalid", `${what} takes a positive number, not ${value}`);
}
