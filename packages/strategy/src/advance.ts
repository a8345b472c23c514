// One round of a strategy: from what came in to the next model and the next state.
import { random } from "@perennial-fl/core";
import type { Parameters, Saved } from "@perennial-fl/core";
import { discounted } from "./late.js";
import type { Contribution, Strategy } from "./strategy.js";

/** A model and what the strategy remembers with it. */
export interface Held {
  readonly parameters: Parameters;
  readonly state: Saved;
}

/** Which round, and what decides its chances. */
export interface RoundNumber {
  readonly round: number;
  readonly seed: number;
  /** How many clients were asked. Default: as many as contribute. */
  readonly asked?: number;
  /** What the contributions come to, where somebody has carried out the strategy's rule already. */
  readonly aggregated?: Parameters;
}

/**
 * Aggregates and moves. Pure: the same contributions in the same order, round and seed give the same bytes. Without a
 * single contribution everything stays as it was.
 */
export function advance(
  strategy: Strategy,
  contributions: readonly Contribution[],
  { parameters, state }: Held,
  { round, seed, asked = contributions.length, aggregated }: RoundNumber,
): Held {
  if (contributions.length === 0) return { parameters, state };
  const { late } = strategy;
  const counted = late ? contributions.map((each) => discounted(each, parameters, round, late)) : contributions;
  const context = { round, random: random(seed, "aggregate", round), state, contributions: counted, asked };
  const aggregate = aggregated ?? strategy.aggregate(counted, parameters, context);
  const [next, remembered] = strategy.move.update(aggregate, state, parameters, context);
  return { parameters: next, state: remembered };
}
