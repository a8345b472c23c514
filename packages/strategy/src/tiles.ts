// Tiles: a run of elements of one tensor, of every client at a time, so that memory does not grow with the model.
import { bytesOf } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { Contribution } from "./strategy.js";

/** Fills `target` with the bytes of client number `client`'s tensor from byte `start` on. */
export type ReadClient = (client: number, start: number, target: Uint8Array) => void;

/** Reads one tensor of all clients. A result that cannot be read in parts is read whole and held as long as this is. */
export function readerOf(contributions: readonly Contribution[], index: number): ReadClient {
  const whole = new Map<number, Tensor>();
  return (client, start, target) => {
    const { result } = contributions[client] as Contribution;
    if (result.readInto !== undefined) {
      result.readInto(index, start, target);
      return;
    }
    const tensor = whole.get(client) ?? result.read(index);
    whole.set(client, tensor);
    target.set(bytesOf(tensor).subarray(start, start + target.byteLength));
  };
}

export interface Tile {
  /** Number of the first element. */
  readonly start: number;
  readonly length: number;
  /** The length up to the next multiple of 4, as the kernels need it; what lies between is without meaning. */
  readonly padded: number;
}

/** All elements, at most `most` (a multiple of 4) at a time. */
export function* tilesOf(elements: number, most: number): Generator<Tile, void, undefined> {
  for (let start = 0; start < elements; start += most) {
    const length = Math.min(most, elements - start);
    yield { start, length, padded: 4 * Math.ceil(length / 4) };
  }
}

/** Elements that lie in the cache of a core when each of `rows` rows has so many of them: a multiple of 4. */
export function tileLength(rows: number): number {
  return Math.max(64, 4 * Math.floor(2 ** 18 / rows / 4));
}
