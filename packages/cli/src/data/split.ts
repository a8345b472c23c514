// Which examples train a model and which judge it.
import { createHash } from "node:crypto";
import { bytesOf, describeTensor, elementCount, FederationError, permutation, random, zeros } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";

export interface Split {
  readonly train: Dataset;
  readonly validation?: Dataset;
}

/** Holds out a share of the examples, drawn by the seed; at least one, and never all. Throws `argument/invalid`. */
export function split(dataset: Dataset, share: number, seed: number): Split {
  if (share === 0) return { train: dataset };
  const count = dataset.inputs.shape[0] as number;
  const held = Math.max(1, Math.round(count * share));
  if (held >= count) {
    const why = `${held} of ${count} examples would be held out and none be left to train on`;
    throw new FederationError("argument/invalid", `--validation ${share}: ${why}`);
  }
  const order = permutation(count, random("validation", seed));
  // In the order of the data, so that equal shares of them are equal bytes.
  const [validation, train] = [order.slice(0, held).sort(), order.slice(held).sort()];
  return { train: selected(dataset, train), validation: selected(dataset, validation) };
}

/** The examples with these numbers, in this order. */
export function selected({ inputs, targets }: Dataset, rows: Uint32Array): Dataset {
  return { inputs: rowsOf(inputs, rows), targets: rowsOf(targets, rows) };
}

function rowsOf(held: Tensor, rows: Uint32Array): Tensor {
  const [, ...example] = held.shape;
  const width = elementCount(example);
  const made = zeros(held.dtype, [rows.length, ...example]);
  const [from, to] = [held.data as Float32Array, made.data as Float32Array];
  rows.forEach((row, at) => {
    to.set(from.subarray(row * width, (row + 1) * width), at * width);
  });
  return made;
}

/** The SHA-256 over headers and elements: a resumed run must have the data that it began with. */
export function datasetSha256({ inputs, targets }: Dataset): string {
  const hash = createHash("sha256");
  for (const held of [inputs, targets]) hash.update(describeTensor(held)).update(bytesOf(held));
  return hash.digest("hex");
}
