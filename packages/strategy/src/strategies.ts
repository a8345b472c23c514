// The strategies, one row each: how they select, aggregate and move, and the plan that names them.
import { FederationError } from "@perennial-fl/core";
import type { Config, Phase, Saved } from "@perennial-fl/core";
import { weightedMean } from "./mean.js";
import { adamMove, replace } from "./moves.js";
import type { AdamMoveState } from "./moves.js";
import { byFraction } from "./select.js";
import type { Move, Strategy } from "./strategy.js";

/** What all strategies take; the names and defaults are Flower's. */
export interface StrategyOptions {
  /** Share of the available clients that trains in a round. Default 1. */
  readonly fractionFit?: number;
  /** Share that evaluates the new model. Default 1; 0 skips evaluation. */
  readonly fractionEvaluate?: number;
  /** Default 2. */
  readonly minFitClients?: number;
  /** Default 2. */
  readonly minEvaluateClients?: number;
  /** Default 2. */
  readonly minAvailableClients?: number;
  /** What clients are told with a fit instruction. */
  readonly onFitConfig?: (round: number) => Config;
  readonly onEvaluateConfig?: (round: number) => Config;
}

/** FedAvg: the weighted mean of the updates becomes the model (McMahan et al. 2017, arXiv 1602.05629). */
export function fedAvg(options: StrategyOptions = {}): Strategy<null> {
  return strategy("fedavg", options, {}, replace);
}

export interface FedAdamOptions extends StrategyOptions {
  /** Server learning rate η. Default 0.1. */
  readonly eta?: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.99. */
  readonly beta2?: number;
  /** Degree of adaptivity τ. Default 1e-9. */
  readonly tau?: number;
}

/** FedAdam: Adam on the server, over the mean update as its gradient (Reddi et al. 2021, arXiv 2003.00295). */
export function fedAdam(options: FedAdamOptions = {}): Strategy<AdamMoveState> {
  const { eta = 0.1, beta1 = 0.9, beta2 = 0.99, tau = 1e-9 } = options;
  const rates = { eta, beta1, beta2, tau };
  for (const [name, value] of Object.entries(rates)) {
    const limit = name.startsWith("beta") ? 1 : Infinity;
    if (!(value >= 0 && value < limit))
      throw new FederationError("argument/invalid", `fedadam's ${name} cannot be ${value}`);
  }
  return strategy("fedadam", options, rates, adamMove(rates));
}

/** Every strategy by the name that the command line and the plan use. */
export const strategies = { fedavg: fedAvg, fedadam: fedAdam } as const;

export type StrategyName = keyof typeof strategies;

function strategy<State extends Saved>(
  name: string,
  options: StrategyOptions,
  rates: Record<string, number>,
  move: Move<State>,
): Strategy<State> {
  const {
    fractionFit = 1,
    fractionEvaluate = 1,
    minFitClients = 2,
    minEvaluateClients = 2,
    minAvailableClients = 2,
  } = options;
  const { onFitConfig, onEvaluateConfig } = options;
  return {
    plan: {
      strategy: name,
      ...rates,
      fractionFit,
      fractionEvaluate,
      minFitClients,
      minEvaluateClients,
      minAvailableClients,
    },
    selectFit: byFraction({ fraction: fractionFit, min: minFitClients, minAvailable: minAvailableClients }),
    selectEvaluate: byFraction({
      fraction: fractionEvaluate,
      min: minEvaluateClients,
      minAvailable: minAvailableClients,
    }),
    configure: (round: number, phase: Phase) =>
      (phase === "fit" ? onFitConfig?.(round) : onEvaluateConfig?.(round)) ?? {},
    aggregate: weightedMean,
    move,
  };
}
