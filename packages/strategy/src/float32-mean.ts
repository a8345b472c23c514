// The weighted mean of float32 tensors by kernels: the bits of the plain mean, or the same ones in any order of clients.
import { FederationError } from "@perennial-fl/core";
import { kernels } from "./kernels/kernels.js";
import type { Kernels, Row } from "./kernels/kernels.js";
import type { Contribution } from "./strategy.js";
import { readerOf, tilesOf } from "./tiles.js";
import type { ReadClient, Tile } from "./tiles.js";

/** `cohort`: one float64 sum in cohort order. `exact`: two sums on fixed grids, whose additions are exact. */
export type Summation = "cohort" | "exact";

/** Elements at a time: four clients' rows and the sums of so many lie in the cache of a core. */
const tileElements = 2 ** 15;
const rowsAtOnce = 4;

/** Exact sums hold weighted elements below this, and sums of up to four times as much. */
export const exactLimit = 2 ** 31;

/** Σ nₖ wₖ / Σ nₖ of tensor number `index`, which has so many float32 elements in every contribution. */
export function meanOfFloat32(
  contributions: readonly Contribution[],
  index: number,
  elements: number,
  summation: Summation,
): Float32Array {
  const mean = new Float32Array(elements);
  const weights = contributions.map(({ numExamples }) => numExamples);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const read = readerOf(contributions, index);
  const work = kernels();
  const most = Math.min(tileElements, 4 * Math.ceil(elements / 4));
  const sums = [8 * most, 8 * most];
  const [sum, rest, ...rows] = work.divideMemory([...sums, ...new Array<number>(rowsAtOnce).fill(4 * most)]);
  const place: Place = { sum: sum as Row, rest: rest as Row, rows };
  const add = summation === "exact" ? addExactly : addInOrder;
  for (const tile of tilesOf(elements, most)) {
    work.bytes(place.sum).fill(0);
    work.bytes(place.rest).fill(0);
    add(work, place, tile, weights, read);
    const [row] = rows as [Row];
    work.divide(row.address, row.address + 4 * tile.padded, place.sum.address, total);
    mean.set(work.float32(row).subarray(0, tile.length), tile.start);
  }
  return mean;
}

interface Place {
  readonly sum: Row;
  readonly rest: Row;
  readonly rows: readonly Row[];
}

type Add = (work: Kernels, place: Place, tile: Tile, weights: readonly number[], read: ReadClient) => void;

const addInOrder: Add = (work, { sum, rows }, { start, length, padded }, weights, read) => {
  const end = sum.address + 8 * padded;
  for (let first = 0; first < weights.length; first += rowsAtOnce) {
    const some = weights.slice(first, first + rowsAtOnce);
    for (const i of some.keys()) read(first + i, 4 * start, work.bytes(rows[i] as Row).subarray(0, 4 * length));
    const addresses = rows.map(({ address }) => address);
    if (some.length === rowsAtOnce) work.addWeightedRows(sum.address, end, ...addresses, ...some);
    else
      some.forEach((weight, i) => {
        work.addWeighted(sum.address, end, addresses[i] as number, weight);
      });
  }
};

const addExactly: Add = (work, { sum, rest, rows }, { start, length, padded }, weights, read) => {
  const end = sum.address + 8 * padded;
  const [row] = rows as [Row];
  // What lies behind the last element must not look like one that is too large.
  work.bytes(row).fill(0);
  // No partial sum, in whatever order, is larger than this.
  let bound = 0;
  for (const [client, weight] of weights.entries()) {
    read(client, 4 * start, work.bytes(row).subarray(0, 4 * length));
    const largest = work.addExactly(sum.address, end, rest.address, row.address, weight);
    bound += largest;
    if (largest < exactLimit && bound < 4 * exactLimit) continue;
    throw new FederationError(
      "strategy/failed",
      largest < exactLimit
        ? `the exact sum is below 2^33, and the updates' largest weighted elements come to ${bound}`
        : `the exact sum holds weighted elements below 2^31, and an update has one of ${largest}`,
    );
  }
  work.addSums(sum.address, end, rest.address);
};
