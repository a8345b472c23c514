// What all strategies have in common: the options that all take, and how a strategy is made of them.
import { FederationError } from "@perennial-fl/core";
import type { Config, Phase, Saved } from "@perennial-fl/core";
import { latePolicy } from "./late.js";
import type { Summation } from "./float32-mean.js";
import { exactObjection } from "./mean.js";
import { ruled } from "./rules.js";
import { byFraction } from "./select.js";
import type { Aggregate, Move, Strategy } from "./strategy.js";

/** What all strategies take; the names and defaults are Flower's. */
export interface StrategyOptions {
  /** Share of the available clients that trains in a round. Default 1. */
  readonly fractionFit?: number;
  /** Share that evaluates the new model. Default 1; 0 skips evaluation. */
  readonly fractionEvaluate?: number;
  /** Default 2, or fewer if fewer are enough to be available. */
  readonly minFitClients?: number;
  /** Default as `minFitClients`. */
  readonly minEvaluateClients?: number;
  /** Default 2. */
  readonly minAvailableClients?: number;
  /** Asks so many times more clients to train than are needed; who is last is surplus. Default 1. */
  readonly overSelection?: number;
  /** Share of the cohort that must have answered for a round to count. Default: one client is enough. */
  readonly minCompletion?: number;
  /**
   * What becomes of an update that comes after its round had closed: `drop` (default), or `stale`: it counts in the
   * round then open, or the next, scaled by (1 + τ)^−a if its model is τ rounds old by then.
   */
  readonly late?: "drop" | "stale";
  /** a of the above. Default 0.5, FedBuff's. */
  readonly stalenessExponent?: number;
  /**
   * How a strategy with a weighted mean sums float32: in `cohort` order, or `exact`, the same bits in any order of
   * clients, for weighted elements below 2^31. Default `cohort`, the order of which is fixed too.
   */
  readonly summation?: Summation;
  /** What clients are told with a fit instruction. */
  readonly onFitConfig?: (round: number) => Config;
  readonly onEvaluateConfig?: (round: number) => Config;
}

/** The weighted mean that the options ask for. */
export function meanBy({ summation = "cohort" }: StrategyOptions): Aggregate {
  return ruled({ name: summation === "exact" ? "exact-mean" : "mean" });
}

/** A strategy over {@link StrategyOptions}; `rates` are its own options, which shape its results. */
export function strategy<State extends Saved>(
  name: string,
  options: StrategyOptions,
  rates: Record<string, number>,
  aggregate: Aggregate,
  move: Move<State>,
): Strategy<State> {
  const { fractionFit = 1, fractionEvaluate = 1, minAvailableClients = 2 } = options;
  // Whoever says that one client is enough does not want to wait for a second.
  const few = Math.min(2, Math.max(1, minAvailableClients));
  const { minFitClients = few, minEvaluateClients = few } = options;
  const { minCompletion = 0, overSelection = 1, onFitConfig, onEvaluateConfig } = options;
  const { late = "drop", stalenessExponent = 0.5, summation = "cohort" } = options;
  if (summation === "exact" && aggregate.rule?.name !== "exact-mean") {
    throw new FederationError("argument/invalid", `${name} has no weighted mean that an exact sum could be of`);
  }
  const all = { minAvailable: minAvailableClients };
  return {
    // Numbers of clients are left out: a federation that loses one for good must be able to go on with fewer.
    plan: {
      strategy: name,
      ...rates,
      fractionFit,
      fractionEvaluate,
      minCompletion,
      overSelection,
      ...(late === "stale" ? { late, stalenessExponent } : {}),
      ...(summation === "exact" ? { summation } : {}),
    },
    selectFit: byFraction({ ...all, fraction: fractionFit, min: minFitClients, overSelection }),
    selectEvaluate: byFraction({ ...all, fraction: fractionEvaluate, min: minEvaluateClients }),
    configure: (round: number, phase: Phase) =>
      (phase === "fit" ? onFitConfig?.(round) : onEvaluateConfig?.(round)) ?? {},
    // Of those who were needed, not of the spare ones.
    enough: (answered, asked) => answered >= 1 && answered >= (minCompletion * asked) / overSelection,
    aggregate,
    move,
    ...(summation === "exact" ? { objection: exactObjection } : {}),
    ...(late === "stale" ? { late: latePolicy(stalenessExponent) } : {}),
  };
}
