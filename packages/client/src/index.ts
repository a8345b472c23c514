// The federated client: answers instructions, trains modules, comes back after every interruption.
export { answer } from "./answer.js";
export type { Answer, Question } from "./answer.js";
export { Backoff } from "./backoff.js";
export type { BackoffOptions } from "./backoff.js";
export type { Asked, ClientEvent } from "./client-event.js";
export type { Client, ClientContext, EvaluateResult, FitResult } from "./client.js";
export { moduleClient } from "./module-client.js";
export type { ModuleClientOptions } from "./module-client.js";
export { keepBatchNorm, keepStatistics, localParameters, merge, sharedParameters } from "./partial-exchange.js";
export type { KeepLocal } from "./partial-exchange.js";
export type { Progress } from "./progress.js";
export type { KeepProgress } from "./resumable-training.js";
export { checkClientId } from "@perennial-fl/transport";
export { openTrainers } from "./trainers.js";
export type { Towards, Trainers } from "./trainers.js";
export { startClient } from "./start-client.js";
export type { ClientOptions, ServedConnection } from "./start-client.js";
