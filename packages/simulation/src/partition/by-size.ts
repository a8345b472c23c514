// Partitions that look at nothing but how many examples there are.
import { permutation, random } from "@perennial-fl/core";

/** Sizes differ by one at most. */
export function iidParts(count: number, clients: number, seed: number): number[][] {
  return dealt(
    count,
    Array.from({ length: clients }, () => 1),
    seed,
  );
}

/** Sizes are as 1, 2^-exponent, 3^-exponent, ...; which client has which is drawn. */
export function powerLawParts(count: number, clients: number, exponent: number, seed: number): number[][] {
  const places = permutation(clients, random("sizes", seed));
  return dealt(
    count,
    Array.from(places, (place) => (place + 1) ** -exponent),
    seed,
  );
}

function dealt(count: number, weights: readonly number[], seed: number): number[][] {
  const order = permutation(count, random("partition", seed));
  return cut(weights, count).map(([from, to]) => Array.from(order.subarray(from, to)));
}

/** Neighbouring ranges that together are `count` things, as near to the weights as whole numbers can be. */
export function cut(weights: readonly number[], count: number): (readonly [from: number, to: number])[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  let from = 0;
  return weights.map((weight, i) => {
    sum += weight;
    const to = i === weights.length - 1 ? count : Math.max(from, Math.min(count, Math.round((sum / total) * count)));
    const range = [from, to] as const;
    from = to;
    return range;
  });
}
