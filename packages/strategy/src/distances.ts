// Robust aggregates by distances between whole updates: Krum, Multi-Krum, Bulyan.
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { checkCount } from "./checks.js";
import { meanAroundMedian } from "./coordinates.js";
import { weightedMean } from "./mean.js";
import { squaresOf } from "./squares.js";
import type { PlainAggregate, Contribution } from "./strategy.js";

/**
 * Krum: the update with the smallest sum of squared distances to its n − f − 2 nearest others, f of n clients being
 * malicious (Blanchard et al. 2017, arXiv 1703.02757). With `keep` > 0 it is Multi-Krum: the weighted mean of the
 * `keep` best. At least one neighbour is always looked at. Memory: a tile of every
 * client.
 */
export function krum({ malicious, keep = 0 }: { readonly malicious: number; readonly keep?: number }): PlainAggregate {
  checkCount("the number of malicious clients", malicious, 0);
  checkCount("the number of kept updates", keep, 0);
  return (contributions, current) => {
    const ranking = rankByKrum(squaredDistances(contributions, current), malicious);
    const best = ranking.slice(0, Math.max(1, keep)).map((index) => contributions[index] as Contribution);
    const [first] = best;
    if (keep > 0 || first === undefined) return weightedMean(best, current);
    return current.map((_, index) => first.result.read(index));
  };
}

/**
 * Bulyan: θ = n − 2f updates by repeated Krum, then per coordinate the mean of the θ − 2f values nearest to their
 * median (El Mhamdi et al. 2018, arXiv 1802.07927). Needs n ≥ 4f + 3 ({@link bulyanNeeds}), else throws `strategy/failed`.
 */
export function bulyan({ malicious }: { readonly malicious: number }): PlainAggregate {
  checkCount("the number of malicious clients", malicious, 0);
  return (contributions, current) => {
    const needed = bulyanNeeds(malicious);
    if (contributions.length < needed) {
      throw new FederationError(
        "strategy/failed",
        `bulyan against ${malicious} malicious clients needs ${needed} updates, and ${contributions.length} came`,
      );
    }
    const distances = squaredDistances(contributions, current);
    let left = contributions.map((_, index) => index);
    const chosen: Contribution[] = [];
    const theta = contributions.length - 2 * malicious;
    while (chosen.length < theta) {
      const among = left.map((i) => left.map((j) => distances[i]?.[j] as number));
      const pick = left[rankByKrum(among, malicious)[0] as number] as number;
      chosen.push(contributions[pick] as Contribution);
      left = left.filter((index) => index !== pick);
    }
    return meanAroundMedian(theta - 2 * malicious)(chosen, current);
  };
}

/** How many updates Bulyan needs against so many malicious clients. */
export function bulyanNeeds(malicious: number): number {
  return 4 * malicious + 3;
}

/** Indices from the best score to the worst; equal scores keep the cohort's order. */
function rankByKrum(distances: readonly (readonly number[])[], malicious: number): number[] {
  const neighbours = Math.max(1, distances.length - malicious - 2);
  const scores = distances.map((row, self) => {
    const others = row.filter((_, other) => other !== self).sort((a, b) => a - b);
    return others.slice(0, neighbours).reduce((sum, distance) => sum + distance, 0);
  });
  return scores.map((_, index) => index).sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
}

/** Squared Euclidean distances between all updates, over all tensors. */
function squaredDistances(contributions: readonly Contribution[], current: readonly TensorHeader[]): number[][] {
  const distances = contributions.map(() => new Array<number>(contributions.length).fill(0));
  for (const [index, header] of current.entries()) {
    for (const { i, j, square } of squaresOf(contributions, index, header)) {
      const distance = (distances[i]?.[j] as number) + square;
      (distances[i] as number[])[j] = distance;
      (distances[j] as number[])[i] = distance;
    }
  }
  return distances;
}
