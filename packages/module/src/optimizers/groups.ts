// Parameter groups: an optimizer for each part of the parameters.
import { FederationError } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import type { NamedHeader, Optimizer } from "./optimizer.js";

export interface ParameterGroup {
  /** Whether a parameter belongs here; the first group that says so has it. */
  readonly parameters: (name: string) => boolean;
  readonly optimizer: Optimizer;
}

/**
 * Optimizers by parameter; `rest` has those that no group names. Its learning rate is the one that schedules move and
 * calls replace, and the groups' rates keep their proportion to it. Throws `argument/invalid` where it is 0.
 */
export function parameterGroups(groups: readonly ParameterGroup[], rest: Optimizer): Optimizer {
  if (rest.learningRate === 0) {
    throw new FederationError("argument/invalid", "parameterGroups: the last optimizer's learning rate is 0");
  }
  const parts = [...groups.map(({ optimizer }) => optimizer), rest];
  const groupOf = (name: string): number => {
    const at = groups.findIndex(({ parameters }) => parameters(name));
    return at < 0 ? groups.length : at;
  };
  const part = (parameters: readonly NamedHeader[], i: number): NamedHeader[] =>
    parameters.filter(({ name }) => groupOf(name) === i);
  // Two groups may have optimizers of one kind, whose memory has the same names.
  const scoped = (name: string, i: number): string => (i === groups.length ? name : `group${i}.${name}`);
  return {
    name: `groups(${parts.map(({ name, learningRate }) => `${name} at ${learningRate}`).join("; ")})`,
    learningRate: rest.learningRate,
    state: (parameters) =>
      parts.flatMap((optimizer, i) =>
        optimizer.state(part(parameters, i)).map((held) => ({ ...held, name: scoped(held.name, i) })),
      ),
    references: (parameters) => parts.flatMap((optimizer, i) => optimizer.references?.(part(parameters, i)) ?? []),
    step(g, trained, held, rate) {
      const next = new Map<string, Value>();
      parts.forEach((optimizer, i) => {
        const own = trained.filter(({ parameter }) => groupOf(parameter.name) === i);
        const headers = own.map(({ parameter }) => parameter);
        const memory = optimizer.state(headers).map(({ name }) => [name, held.get(scoped(name, i)) as Value] as const);
        const pace = optimizer.learningRate / rest.learningRate;
        const ownRate = pace === 1 ? rate : g.mul(rate, g.scalar(pace, rate));
        const parameters = new Set(headers.map(({ name }) => name));
        for (const [name, value] of optimizer.step(g, own, new Map([...held, ...memory]), ownRate)) {
          next.set(parameters.has(name) ? name : scoped(name, i), value);
        }
      });
      return next;
    },
  };
}
