// Float32 updates sorted coordinate by coordinate with kernels: a sorting network over the clients' rows.
import { kernels } from "./kernels/kernels.js";
import type { Kernels, Row } from "./kernels/kernels.js";
import type { Contribution } from "./strategy.js";
import { readerOf, tileLength, tilesOf } from "./tiles.js";
import type { Tile } from "./tiles.js";

/** Makes the combined elements of a tile out of its rows, which ascend: row 0 holds the smallest of each coordinate. */
type Combine = (work: Kernels, rows: readonly Row[], sum: Row, tile: Tile) => Float32Array;

/** The mean of every coordinate's values of rank `from` up to, and without, rank `to`; the smallest has rank 0. */
export function meanOfRanks(
  contributions: readonly Contribution[],
  index: number,
  elements: number,
  [from, to]: readonly [number, number],
): Float32Array {
  return combineSorted(contributions, index, elements, (work, rows, sum, { padded }) => {
    work.bytes(sum).fill(0);
    for (const row of rows.slice(from, to)) work.addWeighted(sum.address, sum.address + 8 * padded, row.address, 1);
    const [first] = rows as [Row];
    work.divide(first.address, first.address + 4 * padded, sum.address, to - from);
    return work.float32(first);
  });
}

/** Any function of every coordinate's values in ascending order, rounded to float32. */
export function combineEach(
  contributions: readonly Contribution[],
  index: number,
  elements: number,
  combine: (sorted: Float64Array) => number,
): Float32Array {
  const values = new Float64Array(contributions.length);
  return combineSorted(contributions, index, elements, (work, rows, _, { length }) => {
    const sorted = rows.map((row) => work.float32(row));
    const combined = new Float32Array(length);
    for (let i = 0; i < length; i++) {
      for (let k = 0; k < values.length; k++) values[k] = sorted[k]?.[i] as number;
      combined[i] = combine(values);
    }
    return combined;
  });
}

function combineSorted(
  contributions: readonly Contribution[],
  index: number,
  elements: number,
  combine: Combine,
): Float32Array {
  const combined = new Float32Array(elements);
  const read = readerOf(contributions, index);
  const work = kernels();
  const network = sortingNetwork(contributions.length);
  const most = Math.min(tileLength(contributions.length), 4 * Math.ceil(elements / 4));
  const [sum, ...rows] = work.divideMemory([8 * most, ...contributions.map(() => 4 * most)]) as [Row, ...Row[]];
  for (const tile of tilesOf(elements, most)) {
    const bytes = 4 * tile.padded;
    const flip = ({ address }: Row): void => {
      work.flip(address, address + bytes);
    };
    for (const [client, row] of rows.entries()) {
      read(client, 4 * tile.start, work.bytes(row).subarray(0, 4 * tile.length));
      flip(row);
    }
    for (const [low, high] of network) {
      const { address } = rows[low] as Row;
      work.exchange(address, address + bytes, (rows[high] as Row).address);
    }
    rows.forEach(flip);
    combined.set(combine(work, rows, sum, tile).subarray(0, tile.length), tile.start);
  }
  return combined;
}

/**
 * Pairs of places that, compared and exchanged in this order, sort any `count` values (Batcher's merge exchange: Knuth,
 * The Art of Computer Programming 3, 5.2.2, algorithm M).
 */
export function sortingNetwork(count: number): readonly (readonly [low: number, high: number])[] {
  const pairs: [number, number][] = [];
  if (count < 2) return pairs;
  const top = 2 ** (Math.ceil(Math.log2(count)) - 1);
  for (let p = top; p >= 1; p /= 2) {
    let [r, d] = [0, p];
    for (let q = top; ; q /= 2) {
      for (let i = 0; i < count - d; i++) if ((i & p) === r) pairs.push([i, i + d]);
      if (q === p) break;
      [r, d] = [p, q - p];
    }
  }
  return pairs;
}
