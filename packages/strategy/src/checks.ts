// Checks of the numbers that strategies are given.
import { FederationError } from "@perennial-fl/core";

/** Throws `argument/invalid`: rates are from 0, and betas below 1. */
export function checkRates(name: string, rates: Record<string, number>): void {
  for (const [rate, value] of Object.entries(rates)) {
    const limit = rate.startsWith("beta") ? 1 : Infinity;
    if (!(value >= 0 && value < limit))
      throw new FederationError("argument/invalid", `${name}'s ${rate} cannot be ${value}`);
  }
}

/** Throws `argument/invalid`, naming what must be a whole number from `least`. */
export function checkCount(what: string, count: number, least = 1): void {
  if (Number.isSafeInteger(count) && count >= least) return;
  throw new FederationError("argument/invalid", `${what} is a whole number from ${least}, not ${count}`);
}
