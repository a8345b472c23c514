// The federated server: a pure round engine and the runner that carries out its commands.
export { archiveName, archivedRounds } from "./archive.js";
export { apply } from "./engine/apply.js";
export { moved } from "./engine/moving.js";
export { initialState, step } from "./engine/step.js";
export type {
  Answer,
  Command,
  Durable,
  EngineEvent,
  EngineState,
  Fact,
  JournalledFact,
  Measured,
  Moved,
  OpenRound,
  Opening,
  PhaseProgress,
  Presence,
  Step,
} from "./engine/types.js";
export type { FailureRecord, History, PhaseRecord, RoundRecord } from "./history.js";
export type { Durability } from "./open-journal.js";
export { rollBack } from "./rollback.js";
export type { Rollback, RollbackOptions } from "./rollback.js";
export { patience } from "./patience.js";
export type { PatienceOptions } from "./patience.js";
export { checkPlan, planFacts, stopTimer } from "./plan.js";
export type { Plan } from "./plan.js";
export type { Resume } from "./resume.js";
export { runEngine } from "./runner.js";
export type { World } from "./runner.js";
export type { RoundTimes } from "./round-times.js";
export type { ServerEvent } from "./server-event.js";
export { historyOfLines } from "./history-lines.js";
export { serverStateSchema } from "./migrations.js";
export { loadServerState, saveServerState, serverStateOf, stateName } from "./server-state.js";
export type { ServerState } from "./server-state.js";
export { verifyDirectory } from "./verify.js";
export type { Finding, Verification } from "./verify.js";
export { startServer } from "./start-server.js";
export type { Outcome } from "./start-server.js";
export type { ServerOptions } from "./server-options.js";
