// Federated strategies: who takes part, how updates combine, how the global model moves. Pure.
export { weightedMean } from "./mean.js";
export { weightedMetrics } from "./metrics.js";
export { adamMove, replace } from "./moves.js";
export type { AdamMoveOptions, AdamMoveState } from "./moves.js";
export { byFraction } from "./select.js";
export type { FractionOptions } from "./select.js";
export { fedAdam, fedAvg, strategies } from "./strategies.js";
export type { FedAdamOptions, StrategyName, StrategyOptions } from "./strategies.js";
export type { Aggregate, Contribution, Move, Select, Strategy } from "./strategy.js";
