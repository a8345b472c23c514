// Divides examples among clients unevenly, as data lie in the world: some clients hardly know some labels.
import { dirichlet, FederationError, permutation, random } from "@perennial-fl/core";

export interface PartitionOptions {
  readonly parts: number;
  /** Concentration: the smaller, the more a label belongs to one part alone. */
  readonly alpha: number;
  readonly seed: number;
}

/**
 * The indices of each part. For every label the shares of the parts are drawn from a Dirichlet distribution (Hsu et
 * al. 2019, arXiv 1909.06335). Each example is in exactly one part, and no part is empty. The same options give the
 * same parts.
 */
export function partitionByLabel(labels: Uint8Array, { parts, alpha, seed }: PartitionOptions): Uint32Array[] {
  if (!(Number.isSafeInteger(parts) && parts >= 1 && parts <= labels.length)) {
    throw new FederationError("argument/invalid", `${labels.length} examples cannot be divided into ${parts} parts`);
  }
  if (!(alpha > 0 && alpha < Infinity)) {
    throw new FederationError("argument/invalid", `alpha is a positive number, not ${alpha}`);
  }
  const divided = Array.from({ length: parts }, (): number[] => []);
  for (const label of [...new Set(labels)].sort((a, b) => a - b)) {
    const drawn = random("partition", seed, label);
    const members = indicesOf(labels, label);
    const shares = dirichlet(alpha, parts, drawn);
    const order = permutation(members.length, drawn);
    cut(shares, members.length).forEach(([from, to], part) => {
      for (const at of order.subarray(from, to)) divided[part]?.push(members[at] as number);
    });
  }
  fillEmpty(divided);
  return divided.map((part) => Uint32Array.from(part).sort());
}

function indicesOf(labels: Uint8Array, label: number): number[] {
  const indices: number[] = [];
  labels.forEach((found, index) => {
    if (found === label) indices.push(index);
  });
  return indices;
}

/** Neighbouring ranges of `count` things in these shares; the last ends at `count`, however the sums were rounded. */
function cut(shares: readonly number[], count: number): (readonly [from: number, to: number])[] {
  let sum = 0;
  let from = 0;
  return shares.map((share, i) => {
    sum += share;
    const to = i === shares.length - 1 ? count : Math.max(from, Math.min(count, Math.round(sum * count)));
    const range = [from, to] as const;
    from = to;
    return range;
  });
}

/** An empty part gets one example of the largest. */
function fillEmpty(divided: readonly number[][]): void {
  for (const part of divided) {
    if (part.length > 0) continue;
    const largest = divided.reduce((most, other) => (other.length > most.length ? other : most));
    part.push(largest.pop() as number);
  }
}
