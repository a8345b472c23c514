// Batches: examples gathered row by row, in the order of an epoch's shuffle.
import { permutation, random } from "@perennial-fl/core";
import type { Elements, Examples } from "./dataset.js";

/** Space for one batch, filled again and again. */
export interface Batch {
  readonly size: number;
  readonly inputs: Elements;
  readonly targets: Elements;
}

/** The order of one epoch: a function of what the shuffle is for and of the epoch, so that any epoch can come first. */
export function epochOrder(count: number, seed: readonly (string | number)[], epoch: number): Uint32Array {
  return permutation(count, random(...seed, "epoch", epoch));
}

export function allocateBatch(examples: Examples, size: number): Batch {
  const { count, inputs, targets } = examples;
  const rows = (all: Elements): Elements => {
    const length = (all.length / count) * size;
    return all instanceof BigInt64Array ? new BigInt64Array(length) : new Float32Array(length);
  };
  return { size, inputs: rows(inputs), targets: rows(targets) };
}

/** Copies the examples that `order` names from `start` on into the batch; without an order, those from `start` on. */
export function fillBatch(batch: Batch, examples: Examples, start: number, order?: Uint32Array): void {
  for (let row = 0; row < batch.size; row++) {
    const example = order === undefined ? start + row : (order[start + row] as number);
    copyRow(examples.inputs, example, batch.inputs, row, examples.inputs.length / examples.count);
    copyRow(examples.targets, example, batch.targets, row, examples.targets.length / examples.count);
  }
}

function copyRow(from: Elements, fromRow: number, to: Elements, toRow: number, width: number): void {
  // Both arrays have one element type: a batch is allocated from its examples.
  (to as Float32Array).set((from as Float32Array).subarray(fromRow * width, (fromRow + 1) * width), toRow * width);
}
