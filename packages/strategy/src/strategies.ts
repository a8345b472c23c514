// The strategies, one row each: how they aggregate and move, and the plan that names them. Defaults are Flower's.
import { FederationError } from "@perennial-fl/core";
import type { Config, Phase, Saved } from "@perennial-fl/core";
import { median, trimmedMean } from "./coordinates.js";
import { bulyan as bulyanAggregate, krum as krumAggregate } from "./distances.js";
import { fairMean } from "./fairness.js";
import { weightedMean } from "./mean.js";
import { adagradMove, adamMove, momentumMove, replace, yogiMove } from "./moves.js";
import type { AdaptiveOptions, MomentState } from "./moves.js";
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
  /** What clients are told with a fit instruction. */
  readonly onFitConfig?: (round: number) => Config;
  readonly onEvaluateConfig?: (round: number) => Config;
}

/** FedAvg: the weighted mean of the updates becomes the model (McMahan et al. 2017, arXiv 1602.05629). */
export function fedAvg(options: StrategyOptions = {}): Strategy<null> {
  return strategy("fedavg", options, {}, weightedMean, replace);
}

/** FedAvg that counts a round only if at least half of its cohort answered. */
export function faultTolerantFedAvg({ minCompletion = 0.5, ...options }: StrategyOptions = {}): Strategy<null> {
  return strategy("faulttolerantfedavg", { ...options, minCompletion }, {}, weightedMean, replace);
}

/** FedProx on the server: FedAvg that tells clients the weight μ of their proximal term (Li et al. 2020, arXiv 1812.06127). */
export function fedProx({
  proximalMu = 0,
  ...options
}: StrategyOptions & { readonly proximalMu?: number } = {}): Strategy<null> {
  check("fedprox", { proximalMu });
  const onFitConfig = (round: number) => ({ ...options.onFitConfig?.(round), proximal_mu: { float: proximalMu } });
  return strategy("fedprox", { ...options, onFitConfig }, { proximalMu }, weightedMean, replace);
}

/** FedAvgM: FedAvg with momentum on the server (Hsu et al. 2019, arXiv 1909.06335). The defaults equal FedAvg. */
export function fedAvgM({
  serverLearningRate = 1,
  serverMomentum = 0,
  ...options
}: StrategyOptions & {
  readonly serverLearningRate?: number;
  readonly serverMomentum?: number;
} = {}): Strategy<MomentState> {
  const rates = { serverLearningRate, serverMomentum };
  check("fedavgm", rates);
  return strategy(
    "fedavgm",
    options,
    rates,
    weightedMean,
    momentumMove({ eta: serverLearningRate, mu: serverMomentum }),
  );
}

export type FedOptOptions = StrategyOptions & Partial<AdaptiveOptions>;

/** FedAdam: Adam on the server, over the mean's difference as its gradient (Reddi et al. 2021, arXiv 2003.00295). */
export function fedAdam(options: FedOptOptions = {}): Strategy<MomentState> {
  return fedOpt("fedadam", options, { eta: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-9 }, adamMove);
}

/** FedAdagrad (Reddi et al. 2021, arXiv 2003.00295). */
export function fedAdagrad(options: FedOptOptions = {}): Strategy<MomentState> {
  return fedOpt("fedadagrad", options, { eta: 0.1, beta1: 0, beta2: 0, tau: 1e-9 }, adagradMove);
}

/** FedYogi (Reddi et al. 2021, arXiv 2003.00295). */
export function fedYogi(options: FedOptOptions = {}): Strategy<MomentState> {
  return fedOpt("fedyogi", options, { eta: 0.01, beta1: 0.9, beta2: 0.99, tau: 1e-3 }, yogiMove);
}

/** FedMedian: the median of every coordinate (Yin et al. 2018, arXiv 1803.01498). */
export function fedMedian(options: StrategyOptions = {}): Strategy<null> {
  return strategy("fedmedian", options, {}, median, replace);
}

/** FedTrimmedAvg: the mean of every coordinate without a share `beta` at each end (Yin et al. 2018, arXiv 1803.01498). */
export function fedTrimmedAvg({
  beta = 0.2,
  ...options
}: StrategyOptions & { readonly beta?: number } = {}): Strategy<null> {
  return strategy("fedtrimmedavg", options, { beta }, trimmedMean(beta), replace);
}

/** Krum, or Multi-Krum when some are kept (Blanchard et al. 2017, arXiv 1703.02757). */
export function krum({
  numMaliciousClients = 0,
  numClientsToKeep = 0,
  ...options
}: StrategyOptions & {
  readonly numMaliciousClients?: number;
  readonly numClientsToKeep?: number;
} = {}): Strategy<null> {
  const aggregate = krumAggregate({ malicious: numMaliciousClients, keep: numClientsToKeep });
  return strategy("krum", options, { numMaliciousClients, numClientsToKeep }, aggregate, replace);
}

/** Bulyan over Krum (El Mhamdi et al. 2018, arXiv 1802.07927). */
export function bulyan({
  numMaliciousClients = 0,
  ...options
}: StrategyOptions & { readonly numMaliciousClients?: number } = {}): Strategy<null> {
  const aggregate = bulyanAggregate({ malicious: numMaliciousClients });
  return strategy("bulyan", options, { numMaliciousClients }, aggregate, replace);
}

/** q-FedAvg: clients with a higher loss pull harder (Li et al. 2020, arXiv 1905.10497). Clients report their loss. */
export function qFedAvg({
  q = 0.2,
  learningRate = 0.1,
  lossMetric = "train_loss",
  ...options
}: StrategyOptions & {
  readonly q?: number;
  readonly learningRate?: number;
  readonly lossMetric?: string;
} = {}): Strategy<null> {
  check("qfedavg", { q });
  if (!(learningRate > 0))
    throw new FederationError("argument/invalid", `qfedavg's learningRate cannot be ${learningRate}`);
  return strategy("qfedavg", options, { q, learningRate }, fairMean({ q, learningRate, lossMetric }), replace);
}

/** Every strategy by the name that the command line and the plan use. */
export const strategies = {
  fedavg: fedAvg,
  fedavgm: fedAvgM,
  fedprox: fedProx,
  fedadam: fedAdam,
  fedadagrad: fedAdagrad,
  fedyogi: fedYogi,
  fedmedian: fedMedian,
  fedtrimmedavg: fedTrimmedAvg,
  krum,
  bulyan,
  qfedavg: qFedAvg,
  faulttolerantfedavg: faultTolerantFedAvg,
} as const;

export type StrategyName = keyof typeof strategies;

function fedOpt(
  name: string,
  options: FedOptOptions,
  defaults: AdaptiveOptions,
  move: (rates: AdaptiveOptions) => Move<MomentState>,
): Strategy<MomentState> {
  const { eta = defaults.eta, beta1 = defaults.beta1, beta2 = defaults.beta2, tau = defaults.tau } = options;
  const rates = { eta, beta1, beta2, tau };
  check(name, rates);
  return strategy(name, options, rates, weightedMean, move(rates));
}

/** Rates are from 0, and betas below 1. */
function check(name: string, rates: Record<string, number>): void {
  for (const [rate, value] of Object.entries(rates)) {
    const limit = rate.startsWith("beta") ? 1 : Infinity;
    if (!(value >= 0 && value < limit))
      throw new FederationError("argument/invalid", `${name}'s ${rate} cannot be ${value}`);
  }
}

function strategy<State extends Saved>(
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
  const all = { minAvailable: minAvailableClients };
  return {
    // Numbers of clients are left out: a federation that loses one for good must be able to go on with fewer.
    plan: { strategy: name, ...rates, fractionFit, fractionEvaluate, minCompletion, overSelection },
    selectFit: byFraction({ ...all, fraction: fractionFit, min: minFitClients, overSelection }),
    selectEvaluate: byFraction({ ...all, fraction: fractionEvaluate, min: minEvaluateClients }),
    configure: (round: number, phase: Phase) =>
      (phase === "fit" ? onFitConfig?.(round) : onEvaluateConfig?.(round)) ?? {},
    // Of those who were needed, not of the spare ones.
    enough: (answered, asked) => answered >= 1 && answered >= (minCompletion * asked) / overSelection,
    aggregate,
    move,
  };
}
