// Questions about what is known: of a phase, of a run, of who is there. Nothing is decided here.
import { sameKey } from "@perennial-fl/core";
import type { ClientId, Phase, RequestKey } from "@perennial-fl/core";
import type { Plan } from "../plan.js";
import type { Answer, EngineState, PhaseProgress } from "./types.js";

/** Whether the run has come to its end: by its count of rounds, or by the plan's own rule. */
export function isFinished(plan: Plan, { durable }: EngineState): boolean {
  return durable.round >= plan.numRounds || (plan.stopWhen?.(durable.history) ?? false);
}

export function isOver({ cohort, outcomes }: PhaseProgress): boolean {
  return outcomes.size >= cohort.length && cohort.every((client) => outcomes.has(client));
}

/** The members of a cohort that have no outcome yet, in cohort order. */
export function outstanding({ cohort, outcomes }: PhaseProgress): ClientId[] {
  return cohort.filter((client) => !outcomes.has(client));
}

/** Whether a client belongs to the cohort and has no outcome yet. */
export function isOutstanding({ cohort, outcomes }: PhaseProgress, client: ClientId): boolean {
  return !outcomes.has(client) && cohort.includes(client);
}

/** The answers that count, in cohort order. */
export function answers<T extends Phase>(
  progress: PhaseProgress,
  phase: T,
): [ClientId, Extract<Answer, { type: T }>][] {
  return progress.cohort.flatMap((client) => {
    const outcome = progress.outcomes.get(client);
    return outcome?.type === phase ? [[client, outcome as Extract<Answer, { type: T }>]] : [];
  });
}

export function sameQuestion(progress: PhaseProgress | undefined, key: RequestKey | undefined): boolean {
  return progress !== undefined && key !== undefined && sameKey(progress.key, key);
}

/** Clients that can be asked, by id: here or expected back, wanted, and free of an older question. */
export function available(plan: Plan, state: EngineState): ClientId[] {
  return wanted(plan, state, false).sort();
}

/** How many clients a round can count on; a buffer also on those that still work on an older question. */
export function reachable(plan: Plan, state: EngineState): number {
  return wanted(plan, state, plan.strategy.selectFit.continuous === true).length;
}

function wanted({ criterion }: Plan, { clients }: EngineState, busyToo: boolean): ClientId[] {
  const found: ClientId[] = [];
  for (const [client, { asked }] of clients) {
    if ((busyToo || asked === undefined) && (criterion?.(client) ?? true)) found.push(client);
  }
  return found;
}

/** The key of a phase of the round under way. */
export function keyOf(state: EngineState, phase: Phase): RequestKey {
  const { run, round, attempt } = state.durable;
  return { run, round: round + 1, attempt, phase };
}

/** Everyone with an id of their own, here or expected back. */
export function roster(state: EngineState): ClientId[] {
  return [...state.clients].flatMap(([client, { identified }]) => (identified ? [client] : [])).sort();
}

/** The timer that ends a phase. */
export function deadlineTimer(key: RequestKey): string {
  return `deadline:${key.phase}:${key.round}:${key.attempt}`;
}

/** The timer that ends the wait for enough clients to open a round. */
export function clientsTimer(round: number): string {
  return `clients:${round}`;
}
