// Choosing a cohort.
import { FederationError, sample } from "@perennial-fl/core";
import type { Select } from "./strategy.js";

export interface FractionOptions {
  /** Share of the available clients, 0 to 1. */
  readonly fraction: number;
  /** At least so many, as far as there are clients. */
  readonly min: number;
  readonly minAvailable: number;
  /** Asks so many times more clients than it needs, and closes the phase when as many as needed have answered. Default 1. */
  readonly overSelection?: number;
}

/**
 * A uniform sample without replacement of max(⌊available · fraction⌋, min) clients, as Flower sizes it.
 * A fraction of 0 chooses nobody. With over-selection (Bonawitz et al. 2019, arXiv 1902.01046) stragglers are surplus.
 */
export function byFraction({ fraction, min, minAvailable, overSelection = 1 }: FractionOptions): Select {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new FederationError("argument/invalid", `a fraction of clients is from 0 to 1, not ${fraction}`);
  }
  if (!(overSelection >= 1 && overSelection < Infinity)) {
    throw new FederationError("argument/invalid", `overSelection is a factor from 1, not ${overSelection}`);
  }
  for (const [name, count] of Object.entries({ min, minAvailable })) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new FederationError("argument/invalid", `${name} is a number of clients from 1, not ${count}`);
    }
  }
  return {
    minAvailable: Math.max(min, minAvailable),
    choose(available, random) {
      if (fraction === 0) return [];
      const size = Math.ceil(Math.max(Math.floor(available.length * fraction), min) * overSelection);
      return sample(available, Math.min(size, available.length), random);
    },
    // Undoes the rounding up above, and is never 0: a cohort of one closes when that one has answered.
    closesAt: (cohortSize) => Math.max(1, Math.floor(cohortSize / overSelection)),
  };
}
