// What the identities of training have in common: small sets of points, and how two models are compared.
import { float32, random, sameTensor, tensor } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import type { ClientContext } from "@perennial-fl/client";
import type { Dataset } from "@perennial-fl/trainer";

export const features = 4;
export const classes = 3;

/** Points of one normal cloud for each class. The same name gives the same points. */
export function points(name: string, count: number): Dataset {
  const draw = random("identity", name);
  const labels = Int32Array.from({ length: count }, () => draw.below(classes));
  const inputs = Float32Array.from({ length: count * features }, (_, i) => {
    return draw.normal() + (i % features === labels[Math.floor(i / features)] ? 2 : 0);
  });
  return { inputs: float32([count, features], inputs), targets: tensor("int32", [count], labels) };
}

/** All examples in one set. */
export function pooled(parts: readonly Dataset[]): Dataset {
  const inputs = parts.flatMap((part) => Array.from(part.inputs.data as Float32Array));
  const labels = Int32Array.from(parts.flatMap((part) => Array.from(part.targets.data as Int32Array)));
  return {
    inputs: float32([labels.length, features], inputs),
    targets: tensor("int32", [labels.length], labels),
  };
}

/** What a client is told with the fit of a round. */
export function context(clientId: string, round: number): ClientContext {
  const key = { run: "identities", round, attempt: 1, phase: "fit" } as const;
  return { clientId, key, signal: new AbortController().signal, warn: () => undefined };
}

export function sameParameters(a: Parameters, b: Parameters): boolean {
  return a.length === b.length && a.every((each, i) => sameTensor(each, b[i] as Parameters[number]));
}

/** max |a − b| over all elements. */
export function farthest(a: Parameters, b: Parameters): number {
  return Math.max(
    ...a.flatMap(({ data }, t) => {
      const other = (b[t] as Parameters[number]).data as Float32Array;
      return Array.from(data as Float32Array, (x, i) => Math.abs(x - (other[i] as number)));
    }),
  );
}

/** max |a| over all elements. */
export function largest(parameters: Parameters): number {
  return Math.max(...parameters.flatMap(({ data }) => Array.from(data as Float32Array, Math.abs)));
}
