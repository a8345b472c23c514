// Sums of squared differences between all updates in one tensor, tile after tile.
//
// The squares of element i go to sum number i mod 4, as a kernel adds them; the four are added up once, at the end. So
// the bits depend neither on the size of the tiles nor on whether a kernel did it.
import { elementCount, elementSize, tensorFromBytes } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { kernels } from "./kernels/kernels.js";
import type { Row } from "./kernels/kernels.js";
import { numbersOf } from "./numbers.js";
import type { Contribution } from "./strategy.js";
import { readerOf, tileLength, tilesOf } from "./tiles.js";

/** ‖update i − update j‖² within one tensor. */
export interface Square {
  readonly i: number;
  readonly j: number;
  readonly square: number;
}

/** Every pair once, i below j. */
export function squaresOf(
  contributions: readonly Contribution[],
  index: number,
  header: TensorHeader,
): readonly Square[] {
  const pairs = contributions.flatMap((_, i) =>
    contributions.slice(i + 1).map((_, more) => [i, i + 1 + more] as const),
  );
  const sums = new Float64Array(4 * pairs.length);
  if (header.dtype === "float32") addWithKernels(contributions, index, elementCount(header.shape), pairs, sums);
  else addPlainly(contributions, index, header, pairs, sums);
  return pairs.map(([i, j], pair) => {
    const [a, b, c, d] = sums.subarray(4 * pair) as unknown as [number, number, number, number];
    return { i, j, square: a + b + (c + d) };
  });
}

type Pairs = readonly (readonly [i: number, j: number])[];

function addWithKernels(
  contributions: readonly Contribution[],
  index: number,
  elements: number,
  pairs: Pairs,
  sums: Float64Array,
): void {
  const read = readerOf(contributions, index);
  const work = kernels();
  const most = Math.min(tileLength(contributions.length), 4 * Math.ceil(elements / 4));
  const divided = work.divideMemory([sums.byteLength, ...contributions.map(() => 4 * most)]);
  const [place, ...rows] = divided as [Row, ...Row[]];
  work.bytes(place).fill(0);
  for (const { start, length, padded } of tilesOf(elements, most)) {
    for (const [client, row] of rows.entries()) {
      // Behind the last element all rows are equal, which adds nothing.
      work.bytes(row).fill(0, 4 * length);
      read(client, 4 * start, work.bytes(row).subarray(0, 4 * length));
    }
    for (const [pair, [i, j]] of pairs.entries()) {
      const [{ address }, other] = [rows[i] as Row, rows[j] as Row];
      work.addSquares(address, address + 4 * padded, other.address, place.address + 32 * pair);
    }
  }
  sums.set(work.float64(place));
}

function addPlainly(
  contributions: readonly Contribution[],
  index: number,
  { dtype, shape }: TensorHeader,
  pairs: Pairs,
  sums: Float64Array,
): void {
  const read = readerOf(contributions, index);
  const size = elementSize(dtype);
  for (const { start, length } of tilesOf(elementCount(shape), tileLength(contributions.length))) {
    const updates = contributions.map((_, client) => {
      const bytes = new Uint8Array(length * size);
      read(client, start * size, bytes);
      return numbersOf(tensorFromBytes(dtype, [length], bytes));
    });
    for (const [pair, [i, j]] of pairs.entries()) {
      const [a, b] = [updates[i] as ArrayLike<number>, updates[j] as ArrayLike<number>];
      for (let at = 0; at < length; at++) {
        const difference = (a[at] as number) - (b[at] as number);
        const sum = 4 * pair + (at % 4);
        sums[sum] = (sums[sum] as number) + difference * difference;
      }
    }
  }
}
