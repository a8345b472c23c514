// Robust aggregates that look at one coordinate of all updates at a time. Unweighted: a count of examples is a claim.
// Memory: a tile of every client, whatever the size of the model.
import { FederationError, elementCount, elementSize, float32, tensorFromBytes, zeros } from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import { combineEach, meanOfRanks } from "./float32-ranks.js";
import { numbersOf, tensorOf } from "./numbers.js";
import type { PlainAggregate, Contribution } from "./strategy.js";
import { readerOf, tileLength, tilesOf } from "./tiles.js";

/** From which rank of the sorted values up to which other, without it. */
type Ranks = (count: number) => readonly [from: number, to: number];

/** The median of every coordinate, of two middle values their mean (Yin et al. 2018, arXiv 1803.01498). */
export const median: PlainAggregate = (contributions, current) => meanWithin(contributions, current, middle);

const middle: Ranks = (count) => [(count - 1) >> 1, (count >> 1) + 1];

/**
 * The mean of every coordinate without its ⌊βn⌋ smallest and ⌊βn⌋ largest values (Yin et al. 2018).
 * `beta` is from 0 to below 0.5.
 */
export function trimmedMean(beta: number): PlainAggregate {
  if (!(beta >= 0 && beta < 0.5)) {
    throw new FederationError("argument/invalid", `the trimmed share of each end is from 0 to below 0.5, not ${beta}`);
  }
  const kept: Ranks = (count) => [Math.floor(beta * count), count - Math.floor(beta * count)];
  return (contributions, current) => meanWithin(contributions, current, kept);
}

/** The mean of the `count` values of every coordinate that lie nearest to its median, as Bulyan's second step. */
export function meanAroundMedian(count: number): PlainAggregate {
  const combine = (sorted: Float64Array): number =>
    meanOf(nearestRun(sorted, meanOf(sorted.subarray(...middle(sorted.length))), count));
  return (contributions, current) =>
    current.map((header, index) => {
      const { dtype, shape } = header;
      if (dtype !== "float32") return combineSorted(contributions, index, header, combine);
      return float32(shape, combineEach(contributions, index, elementCount(shape), combine));
    });
}

function meanWithin(
  contributions: readonly Contribution[],
  current: readonly TensorHeader[],
  ranks: Ranks,
): readonly Tensor[] {
  const [from, to] = ranks(contributions.length);
  return current.map((header, index) => {
    const { dtype, shape } = header;
    if (dtype === "float32") {
      return float32(shape, meanOfRanks(contributions, index, elementCount(shape), [from, to]));
    }
    return combineSorted(contributions, index, header, (sorted) => meanOf(sorted.subarray(from, to)));
  });
}

/** Combines each coordinate's values, in ascending order, to one; for dtypes that no kernel knows. */
function combineSorted(
  contributions: readonly Contribution[],
  index: number,
  { dtype, shape }: TensorHeader,
  combine: (sorted: Float64Array) => number,
): Tensor {
  const read = readerOf(contributions, index);
  const size = elementSize(dtype);
  const values = new Float64Array(contributions.length);
  const result = zeros(dtype, shape);
  for (const { start, length } of tilesOf(elementCount(shape), tileLength(contributions.length))) {
    const updates = contributions.map((_, client) => {
      const bytes = new Uint8Array(length * size);
      read(client, start * size, bytes);
      return numbersOf(tensorFromBytes(dtype, [length], bytes));
    });
    const combined = new Float64Array(length);
    for (let i = 0; i < length; i++) {
      for (let k = 0; k < updates.length; k++) values[k] = updates[k]?.[i] as number;
      combined[i] = combine(values.sort());
    }
    (result.data as Float64Array).set(tensorOf({ dtype, shape: [length] }, combined).data as Float64Array, start);
  }
  return result;
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
