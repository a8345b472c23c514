// Choosing a cohort.
import { FederationError, sample } from "@perennial-fl/core";
import type { Select } from "./strategy.js";

export interface FractionOptions {
  /** Share of the available clients, 0 to 1. */
  readonly fraction: number;
  /** At least so many, as far as there are clients. */
  readonly min: number;
  readonly minAvailable: number;
}

/**
 * A uniform sample without replacement of max(⌊available · fraction⌋, min) clients, as Flower sizes it.
 * A fraction of 0 chooses nobody.
 */
export function byFraction({ fraction, min, minAvailable }: FractionOptions): Select {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new FederationError("argument/invalid", `a fraction of clients is from 0 to 1, not ${fraction}`);
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
      const size = Math.max(Math.floor(available.length * fraction), min);
      return sample(available, Math.min(size, available.length), random);
    },
  };
}
