// The strategies, one row each: how they aggregate and move, and the plan that names them. Defaults are Flower's.
import { FederationError, scaffoldNames } from "@perennial-fl/core";
import { bulyanNeeds } from "./distances.js";
import { fairMean, lossObjection } from "./fairness.js";
import { adagradMove, adamMove, momentumMove, replace, stepMove, yogiMove } from "./moves.js";
import type { AdamForm, AdaptiveOptions, MomentState } from "./moves.js";
import { ruled } from "./rules.js";
import { countedRound, plainMean, scaffoldExchange, scaffoldMove } from "./scaffold.js";
import type { ScaffoldState } from "./scaffold.js";
import { meanBy, strategy } from "./build.js";
import { checkCount, checkRates } from "./checks.js";
import type { StrategyOptions } from "./build.js";
import type { Move, Strategy } from "./strategy.js";

/** FedAvg: the weighted mean of the updates becomes the model (McMahan et al. 2017, arXiv 1602.05629). */
export function fedAvg(options: StrategyOptions = {}): Strategy<null> {
  return strategy("fedavg", options, {}, meanBy(options), replace);
}

/** FedAvg that counts a round only if at least half of its cohort answered. One available client is enough by default. */
export function faultTolerantFedAvg({
  minCompletion = 0.5,
  minAvailableClients = 1,
  ...options
}: StrategyOptions = {}): Strategy<null> {
  const all = { ...options, minCompletion, minAvailableClients };
  return strategy("faulttolerantfedavg", all, {}, meanBy(options), replace);
}

/** FedProx on the server: FedAvg that tells clients the weight μ of their proximal term (Li et al. 2020, arXiv 1812.06127). */
export function fedProx({
  proximalMu = 0,
  ...options
}: StrategyOptions & { readonly proximalMu?: number } = {}): Strategy<null> {
  checkRates("fedprox", { proximalMu });
  const onFitConfig = (round: number) => ({ ...options.onFitConfig?.(round), proximal_mu: { float: proximalMu } });
  return strategy("fedprox", { ...options, onFitConfig }, { proximalMu }, meanBy(options), replace);
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
  checkRates("fedavgm", rates);
  return strategy(
    "fedavgm",
    options,
    rates,
    meanBy(options),
    momentumMove({ eta: serverLearningRate, mu: serverMomentum }),
  );
}

export type FedOptOptions = StrategyOptions & Partial<AdaptiveOptions>;

/**
 * FedAdam: Adam on the server, over the mean's difference as its gradient (Reddi et al. 2021, arXiv 2003.00295). `form` says
 * whether the moments' bias is corrected, as Flower does (default), or not, as in the paper.
 */
export function fedAdam({
  form = "flower",
  ...options
}: FedOptOptions & { readonly form?: AdamForm } = {}): Strategy<MomentState> {
  const defaults = { eta: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-9 };
  const made = fedOpt("fedadam", options, defaults, (rates) => adamMove(rates, form));
  return form === "flower" ? made : { ...made, plan: { ...made.plan, form } };
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
  return strategy("fedmedian", options, {}, ruled({ name: "median" }), replace);
}

/** FedTrimmedAvg: the mean of every coordinate without a share `beta` at each end (Yin et al. 2018, arXiv 1803.01498). */
export function fedTrimmedAvg({
  beta = 0.2,
  ...options
}: StrategyOptions & { readonly beta?: number } = {}): Strategy<null> {
  return strategy("fedtrimmedavg", options, { beta }, ruled({ name: "trimmed-mean", beta }), replace);
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
  const aggregate = ruled({ name: "krum", malicious: numMaliciousClients, keep: numClientsToKeep });
  return strategy("krum", options, { numMaliciousClients, numClientsToKeep }, aggregate, replace);
}

/**
 * Bulyan over Krum (El Mhamdi et al. 2018, arXiv 1802.07927). A round takes 4f + 3 updates: as many clients are asked at
 * least, whatever the options say, and a round in which fewer answer is skipped.
 */
export function bulyan({
  numMaliciousClients = 0,
  ...options
}: StrategyOptions & { readonly numMaliciousClients?: number } = {}): Strategy<null> {
  const aggregate = ruled({ name: "bulyan", malicious: numMaliciousClients });
  const needed = bulyanNeeds(numMaliciousClients);
  const minFitClients = Math.max(options.minFitClients ?? 1, needed);
  const plain = strategy("bulyan", { ...options, minFitClients }, { numMaliciousClients }, aggregate, replace);
  return { ...plain, enough: (answered, asked) => answered >= needed && plain.enough(answered, asked) };
}

/**
 * q-FedAvg: clients with a higher loss pull harder (Li et al. 2020, arXiv 1905.10497). Clients report their loss. One
 * available client is enough by default.
 */
export function qFedAvg({
  q = 0.2,
  learningRate = 0.1,
  lossMetric = "train_loss",
  minAvailableClients = 1,
  ...options
}: StrategyOptions & {
  readonly q?: number;
  readonly learningRate?: number;
  readonly lossMetric?: string;
} = {}): Strategy<null> {
  checkRates("qfedavg", { q });
  if (!(learningRate > 0))
    throw new FederationError("argument/invalid", `qfedavg's learningRate cannot be ${learningRate}`);
  const all = { ...options, minAvailableClients };
  const plain = strategy("qfedavg", all, { q, learningRate }, fairMean({ q, learningRate, lossMetric }), replace);
  return { ...plain, objection: lossObjection(lossMetric) };
}

/**
 * SCAFFOLD: variates correct the drift of clients with different data (Karimireddy et al. 2020, arXiv 1910.06378).
 * Clients keep their own (`moduleClient`'s `scaffold`); updates have equal weights, as in the paper.
 */
export function scaffold({
  population,
  serverLearningRate = 1,
  ...options
}: Omit<StrategyOptions, "late" | "stalenessExponent"> & {
  /** N: how many clients the federation has, in all. Default `minAvailableClients`. */
  readonly population?: number;
  /** η_g. Default 1. */
  readonly serverLearningRate?: number;
} = {}): Strategy<ScaffoldState> {
  checkRates("scaffold", { serverLearningRate });
  // A plain object may say more than its type.
  if ((options as StrategyOptions).late === "stale") {
    throw new FederationError("argument/invalid", "scaffold cannot count late updates: their variates have moved on");
  }
  const clients = population ?? options.minAvailableClients ?? 2;
  checkCount("scaffold's population", clients);
  const move = scaffoldMove({ eta: serverLearningRate, population: clients });
  const plain = strategy("scaffold", options, { serverLearningRate, population: clients }, plainMean, move);
  return {
    ...plain,
    configure: (round, phase, state, client) => {
      const config = plain.configure(round, phase, state, client);
      if (phase !== "fit") return config;
      return { ...config, [scaffoldNames.counted]: countedRound(state as ScaffoldState, client) };
    },
    exchange: scaffoldExchange,
  };
}

/**
 * FedBuff: asynchronous, in buffers (Nguyen et al. 2022, arXiv 2106.06639). A round is a buffer of `bufferSize` updates;
 * all clients work all the time, an update of an older model is scaled by its age, and the model moves by the mean:
 * w ← w + η_g / K Σ (1 + τ_k)^−½ Δ_k. A client trains each version of the model at most once.
 */
export function fedBuff({
  bufferSize = 10,
  serverLearningRate = 1,
  ...options
}: Omit<StrategyOptions, "fractionFit" | "late" | "overSelection"> & {
  /** K. Default 10. When all clients have answered with less, that is enough. */
  readonly bufferSize?: number;
  /** η_g. Default 1. */
  readonly serverLearningRate?: number;
} = {}): Strategy<null> {
  checkRates("fedbuff", { serverLearningRate });
  checkCount("fedbuff's bufferSize", bufferSize);
  const rates = { bufferSize, serverLearningRate };
  // Clients that evaluate hold up those that train, so they do only if they are asked to.
  const asynchronous = { fractionEvaluate: 0, ...options, late: "stale" } as const;
  const plain = strategy("fedbuff", asynchronous, rates, plainMean, stepMove(serverLearningRate));
  return { ...plain, selectFit: { ...plain.selectFit, closesAt: () => bufferSize, continuous: true } };
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
  scaffold,
  fedbuff: fedBuff,
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
  checkRates(name, rates);
  return strategy(name, options, rates, meanBy(options), move(rates));
}
