// Divides the examples of one dataset among virtual clients: each example is in exactly one part.
import { FederationError } from "@perennial-fl/core";
import { byKey } from "./by-key.js";
import { byShards, dirichletParts } from "./by-label.js";
import { iidParts, powerLawParts } from "./by-size.js";

/** How the examples come to lie where they lie. */
export type PartitionRule =
  /** Drawn without regard to anything: sizes differ by one at most. */
  | { readonly type: "iid" }
  /** Of every label, shares drawn from a Dirichlet distribution (Hsu et al. 2019, arXiv 1909.06335): the smaller `alpha`, the more a label is one client's. */
  | { readonly type: "dirichlet"; readonly alpha: number }
  /** Sorted by label and cut into equal shards, of which every client gets so many (McMahan et al. 2017, arXiv 1602.05629). */
  | { readonly type: "label"; readonly shards: number }
  /** Drawn without regard to labels, in sizes of a power law: the k-th largest part is k^-exponent of the largest. */
  | { readonly type: "size"; readonly exponent: number }
  /** By a key of the examples, such as a hospital or a writer: whoever has a key has all of its examples. */
  | { readonly type: "key" };

/** What is known of the examples, in their order. */
export interface Examples {
  readonly count: number;
  /** The class of each; for `dirichlet` and `label`. */
  readonly labels?: ArrayLike<number>;
  /** For `key`. */
  readonly keys?: readonly string[];
}

export interface PartitionOptions {
  /** How many parts. Absent only for `key`: one for each key. */
  readonly clients?: number | undefined;
  readonly seed: number;
  /** No part is smaller: the largest ones give what is lacking. Default 1. Keys are never divided for this. */
  readonly minSize?: number;
}

/** One client's examples: their numbers in rising order, and for `key` what they have in common. */
export interface Part {
  readonly examples: Uint32Array;
  readonly keys?: readonly string[];
}

/** The same examples, rule and options give the same parts. Throws `argument/invalid` for what cannot be done. */
export function partition(examples: Examples, rule: PartitionRule, options: PartitionOptions): readonly Part[] {
  const { count } = examples;
  const { clients, seed, minSize = 1 } = options;
  if (rule.type === "key") return checkSizes(byKey(keysOf(examples), clients), minSize);
  if (clients === undefined || !Number.isSafeInteger(clients) || clients < 1) {
    throw invalid(`a partition is among a whole number of clients from 1, not ${clients}`);
  }
  if (count < clients * minSize) {
    throw invalid(`${count} examples cannot be divided among ${clients} clients with ${minSize} or more each`);
  }
  const parts = divided(examples, rule, clients, seed);
  fill(parts, minSize);
  return parts.map((part) => ({ examples: Uint32Array.from(part).sort() }));
}

function divided(
  examples: Examples,
  rule: Exclude<PartitionRule, { readonly type: "key" }>,
  clients: number,
  seed: number,
): number[][] {
  switch (rule.type) {
    case "iid":
      return iidParts(examples.count, clients, seed);
    case "size":
      if (!(rule.exponent >= 0 && rule.exponent < Infinity))
        throw invalid(`a power law has an exponent from 0, not ${rule.exponent}`);
      return powerLawParts(examples.count, clients, rule.exponent, seed);
    case "dirichlet":
      if (!(rule.alpha > 0 && rule.alpha < Infinity)) throw invalid(`alpha is a positive number, not ${rule.alpha}`);
      return dirichletParts(labelsOf(examples, rule.type), clients, rule.alpha, seed);
    case "label": {
      const { shards } = rule;
      if (!(Number.isSafeInteger(shards) && shards >= 1))
        throw invalid(`a client has a whole number of shards from 1, not ${shards}`);
      if (examples.count < clients * shards)
        throw invalid(`${examples.count} examples cannot be cut into ${clients} x ${shards} shards`);
      return byShards(labelsOf(examples, rule.type), clients, shards, seed);
    }
  }
}

/** Every part that is too small gets examples of whichever is the largest then. */
function fill(parts: readonly number[][], minSize: number): void {
  for (const part of parts) {
    while (part.length < minSize) {
      const largest = parts.reduce((most, other) => (other.length > most.length ? other : most));
      part.push(largest.pop() as number);
    }
  }
}

function checkSizes(parts: readonly Part[], minSize: number): readonly Part[] {
  const small = parts.find(({ examples }) => examples.length < minSize);
  if (small === undefined) return parts;
  const whose = small.keys?.join(", ") ?? "";
  throw invalid(
    `the client with ${whose} has ${small.examples.length} examples, and ${minSize} or more are needed; choose fewer clients than keys`,
  );
}

function labelsOf({ labels, count }: Examples, rule: string): ArrayLike<number> {
  if (labels === undefined) throw invalid(`a partition by ${rule} needs the examples' labels to be classes`);
  if (labels.length !== count) throw invalid(`there are ${count} examples and ${labels.length} labels`);
  return labels;
}

function keysOf({ keys, count }: Examples): readonly string[] {
  if (keys === undefined) throw invalid("a partition by key needs the examples' keys");
  if (keys.length !== count) throw invalid(`there are ${count} examples and ${keys.length} keys`);
  return keys;
}

function invalid(message: string): FederationError {
  return new FederationError("argument/invalid", message);
}
