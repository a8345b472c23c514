// Robust aggregates that look at one coordinate of all updates at a time. Unweighted: a count of examples is a claim.
import { FederationError } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "./numbers.js";
import type { PlainAggregate, Contribution } from "./strategy.js";

/**
 * The median of every coordinate, of two middle values their mean (Yin et al. 2018, arXiv 1803.01498).
 * Memory: one tensor of every client.
 */
export const median: PlainAggregate = (contributions, current) => combineSorted(contributions, current, medianOf);

/**
 * The mean of every coordinate without its ⌊βn⌋ smallest and ⌊βn⌋ largest values (Yin et al. 2018).
 * `beta` is from 0 to below 0.5.
 */
export function trimmedMean(beta: number): PlainAggregate {
  if (!(beta >= 0 && beta < 0.5)) {
    throw new FederationError("argument/invalid", `the trimmed share of each end is from 0 to below 0.5, not ${beta}`);
  }
  return (contributions, current) =>
    combineSorted(contributions, current, (sorted) => {
      const cut = Math.floor(beta * sorted.length);
      return meanOf(sorted.subarray(cut, sorted.length - cut));
    });
}

/** The mean of the `count` values of every coordinate that lie nearest to its median, as Bulyan's second step. */
export function meanAroundMedian(count: number): PlainAggregate {
  return (contributions, current) =>
    combineSorted(contributions, current, (sorted) => meanOf(nearestRun(sorted, medianOf(sorted), count)));
}

/** Combines each coordinate's values, in ascending order, to one. */
function combineSorted(
  contributions: readonly Contribution[],
  current: readonly Tensor[],
  combine: (sorted: Float64Array) => number,
): Tensor[] {
  return current.map((header, index) => {
    const updates = contributions.map(({ result }) => numbersOf(result.read(index)));
    const values = new Float64Array(updates.length);
    const combined = new Float64Array(header.data.length);
    for (let i = 0; i < combined.length; i++) {
      for (let k = 0; k < updates.length; k++) values[k] = updates[k]?.[i] as number;
      combined[i] = combine(values.sort());
    }
    return tensorOf(header, combined);
  });
}

function medianOf(sorted: Float64Array): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

function meanOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** The `count` neighbours in a sorted row that are nearest to a centre: one window, found by shrinking from both ends. */
function nearestRun(sorted: Float64Array, centre: number, count: number): Float64Array {
  let [start, end] = [0, sorted.length];
  while (end - start > count) {
    const below = centre - (sorted[start] as number);
    const above = (sorted[end - 1] as number) - centre;
    if (below > above) start++;
    else end--;
  }
  return sorted.subarray(start, end);
}
