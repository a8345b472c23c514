// Partitions by the classes of the examples.
import { dirichlet, permutation, random } from "@perennial-fl/core";
import { cut } from "./by-size.js";

export function dirichletParts(labels: ArrayLike<number>, clients: number, alpha: number, seed: number): number[][] {
  const parts = Array.from({ length: clients }, (): number[] => []);
  for (const [label, members] of byLabel(labels)) {
    const draw = random("partition", seed, label);
    const shares = dirichlet(alpha, clients, draw);
    const order = permutation(members.length, draw);
    cut(shares, members.length).forEach(([from, to], client) => {
      for (const at of order.subarray(from, to)) parts[client]?.push(members[at] as number);
    });
  }
  return parts;
}

export function byShards(labels: ArrayLike<number>, clients: number, shards: number, seed: number): number[][] {
  const draw = random("partition", seed);
  // Within a label in drawn order, so that a shard is a sample of its label and not of the file.
  const sorted = byLabel(labels).flatMap(([, members]) =>
    Array.from(permutation(members.length, draw), (at) => members[at] as number),
  );
  const ranges = cut(
    Array.from({ length: clients * shards }, () => 1),
    sorted.length,
  );
  const order = permutation(ranges.length, draw);
  return Array.from({ length: clients }, (_, client) =>
    Array.from(order.subarray(client * shards, (client + 1) * shards)).flatMap((shard) => {
      const [from, to] = ranges[shard] as readonly [number, number];
      return sorted.slice(from, to);
    }),
  );
}

/** The examples of each label, in rising order of labels. */
function byLabel(labels: ArrayLike<number>): [label: number, members: number[]][] {
  const found = new Map<number, number[]>();
  for (let example = 0; example < labels.length; example++) {
    const label = labels[example] as number;
    const members = found.get(label);
    if (members === undefined) found.set(label, [example]);
    else members.push(example);
  }
  return [...found].sort(([a], [b]) => a - b);
}
