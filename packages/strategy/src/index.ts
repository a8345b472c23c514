// Federated strategies: who takes part, how updates combine, how the global model moves. Pure.
export { advance } from "./advance.js";
export type { Held, RoundNumber } from "./advance.js";
export { compressed } from "./compressed.js";
export { meanAroundMedian, median, trimmedMean } from "./coordinates.js";
export { bulyan as bulyanAggregate, krum as krumAggregate } from "./distances.js";
export { fairMean } from "./fairness.js";
export type { FairnessOptions } from "./fairness.js";
export { discounted, stalenessScale } from "./late.js";
export type { Summation } from "./float32-mean.js";
export { exactMean, weightedMean } from "./mean.js";
export { weightedMetrics } from "./metrics.js";
export { adagradMove, adamMove, momentumMove, replace, stepMove, yogiMove } from "./moves.js";
export type { AdamForm, AdaptiveOptions, MomentState, MomentumOptions } from "./moves.js";
export { numbersOf, tensorOf } from "./numbers.js";
export { epsilonOf, renyiDivergence, renyiOrders, spend } from "./privacy/accountant.js";
export type { Spending } from "./privacy/accountant.js";
export { clipped, updateNorm } from "./privacy/clipping.js";
export { keepSpending, multiplierForUpdates, privacySpent, withPrivacy } from "./privacy/private.js";
export type { PrivacyOptions, PrivateState } from "./privacy/private.js";
export { aggregateBy, ruled } from "./rules.js";
export type { AggregationRule } from "./rules.js";
export { plainMean, scaffoldMove } from "./scaffold.js";
export type { ScaffoldState } from "./scaffold.js";
export { byFraction } from "./select.js";
export type { FractionOptions } from "./select.js";
export {
  bulyan,
  faultTolerantFedAvg,
  fedAdagrad,
  fedAdam,
  fedAvg,
  fedAvgM,
  fedBuff,
  fedMedian,
  fedProx,
  fedTrimmedAvg,
  fedYogi,
  krum,
  qFedAvg,
  scaffold,
  strategies,
} from "./strategies.js";
export type { StrategyOptions } from "./build.js";
export type { FedOptOptions, StrategyName } from "./strategies.js";
export type {
  Aggregate,
  Contribution,
  Exchange,
  LatePolicy,
  Move,
  Objection,
  PlainAggregate,
  RoundContext,
  Select,
  Strategy,
} from "./strategy.js";
