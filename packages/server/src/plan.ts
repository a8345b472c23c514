// What a run is going to do. A resumed run must have the plan it began with.
import { FederationError, describeTensor } from "@perennial-fl/core";
import type { ClientId, Parameters, Saved, SavedState } from "@perennial-fl/core";
import type { Strategy } from "@perennial-fl/strategy";
import type { History } from "./history.js";

export interface Plan {
  /** The run ends once so many rounds are committed; a finished run goes on when this is raised. */
  readonly numRounds: number;
  readonly strategy: Strategy;
  /** Decides who is sampled. */
  readonly seed: number;
  /** A phase is closed so long after it was opened or resumed; who has not answered is left out. Absent: no limit. */
  readonly roundTimeoutMs?: number;
  /** How long a client that lost its connection is expected back before the round goes on without it. */
  readonly rejoinTimeoutMs: number;
  /** When the server is stopped on purpose, clients are told to come back after so many seconds. */
  readonly restartSeconds: number;
  /** How long a round waits for enough clients before the session gives up. Absent: for ever. */
  readonly waitTimeoutMs?: number;
  /** Who may be chosen at all; others are connected and wait. */
  readonly criterion?: (client: ClientId) => boolean;
  /** Whether the server evaluates every new model itself. */
  readonly measures?: boolean;
  /** Gives up after so many rounds in a row, within one session, in which no update counted. Absent: never. */
  readonly maxSkippedRounds?: number;
  /** How long a farewell may take: whoever still trains then is cut off. */
  readonly drainTimeoutMs: number;
  /** An update that lies farther from the model than this (in L2 over all tensors) is rejected. Absent: no bound. */
  readonly maxUpdateNorm?: number;
  /** The most examples that an update counts with, and whether one that claims more is capped or rejected. */
  readonly maxExamples?: { readonly count: number; readonly excess: "cap" | "reject" };
  /** Ends the run before its last round. */
  readonly stopWhen?: (history: History) => boolean;
}

/** The timer through which a planned stop reaches the engine, in order with everything else that happens. */
export const stopTimer = "stop";

/**
 * The part of a plan that shapes results, as it is saved. Round count, timeouts and numbers of clients may change
 * between sessions. `module` is the digest of the module's architecture, where there is a module.
 */
export function planFacts(plan: Plan, parameters: Parameters, module?: string): SavedState {
  const tensors = parameters.map(describeTensor).join(" ");
  const { maxUpdateNorm, maxExamples } = plan;
  const checks = { ...(maxUpdateNorm && { maxUpdateNorm }), ...(maxExamples && { maxExamples: { ...maxExamples } }) };
  return { ...plan.strategy.plan, ...checks, seed: plan.seed, tensors, ...(module === undefined ? {} : { module }) };
}

/** Throws `plan/mismatch`, which names the first difference and both its values. */
export function checkPlan(saved: SavedState, now: SavedState, where: string): void {
  for (const name of new Set([...Object.keys(saved), ...Object.keys(now)])) {
    const [before, after] = [text(saved[name]), text(now[name])];
    if (before !== after) {
      throw new FederationError(
        "plan/mismatch",
        `${where} holds a run with ${name} ${before}, and this one has ${name} ${after}; resume it with the old value or give the new run a directory of its own`,
      );
    }
  }
}

function text(value: Saved | undefined): string {
  return value === undefined ? "unset" : typeof value === "string" ? value : JSON.stringify(value);
}
