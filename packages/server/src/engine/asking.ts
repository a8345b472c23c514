// Asking a cohort: whoever is here and has not been asked; and giving up on whoever is gone or not needed any more.
import type { ClientId, Failure, Phase } from "@perennial-fl/core";
import type { Plan } from "../plan.js";
import { rejoinTimer, withPresences, withTimer } from "./apply.js";
import { question } from "./exchange.js";
import { lateAnswers, withVersion } from "./late.js";
import { answers, available, deadlineTimer, outstanding, roster } from "./progress.js";
import type { Command, EngineState, PhaseProgress, Presence, Step } from "./types.js";

/** Asks whoever has not been asked, gives up on whoever is gone, and sets the deadline. */
export function ask(plan: Plan, before: EngineState, progress: PhaseProgress): Step {
  const { key } = progress;
  const commands: Command[] = [];
  const gone: Failure[] = [];
  let state = before;
  if (plan.roundTimeoutMs !== undefined && !state.timers.has(deadlineTimer(key))) {
    state = withTimer(state, deadlineTimer(key));
    commands.push({ type: "wait", timer: deadlineTimer(key), ms: plan.roundTimeoutMs });
  }
  if (key.phase === "fit") state = withVersion(plan, state);
  const surplus = surplusOf(plan, state, progress);
  if (surplus.length > 0) return { state, commands: [...commands, { type: "drop", key, failures: surplus }] };
  const grown = newcomers(plan, state, progress);
  if (grown.length > 0) {
    const cohort = [...progress.cohort, ...grown].sort();
    return { state, commands: [...commands, { type: "open", key, cohort, roster: roster(state) }] };
  }
  const asked = new Map<ClientId, Presence>();
  for (const client of outstanding(progress)) {
    const presence = state.clients.get(client);
    if (presence === undefined) {
      gone.push({ client, reason: "departed", message: "the client left and did not come back" });
    } else if (presence.connected && presence.asked === undefined) {
      asked.set(client, { ...presence, asked: key });
      const { parameters, config } = question(plan, state, progress, client);
      const event = { type: "client-asked", round: key.round, phase: key.phase, client } as const;
      commands.push({ type: "report", event });
      commands.push({ type: "send", client, instruction: { type: key.phase, key, parameters, config } });
    }
  }
  if (gone.length > 0) commands.push({ type: "drop", key, failures: gone });
  return { state: withPresences(state, asked), commands };
}

/** Those who are not waited for any more, because as many as the selection wanted have answered. */
function surplusOf(plan: Plan, state: EngineState, progress: PhaseProgress): Failure[] {
  const { phase } = progress.key;
  if (missing(plan, state, phase) > 0) return [];
  const { late } = plan.strategy;
  const message = `enough others had answered${phase === "fit" && late ? "; its update counts later" : ""}`;
  return outstanding(progress).map((client) => ({ client, reason: "surplus", message }));
}

/** How many more answers a phase needs before it closes by their count. */
export function missing(plan: Plan, state: EngineState, phase: Phase): number {
  const progress = state.open[phase];
  if (progress === undefined) return Infinity;
  const { selectFit, selectEvaluate } = plan.strategy;
  const { closesAt = (size) => size, continuous } = phase === "fit" ? selectFit : selectEvaluate;
  // Only a buffer is filled by older updates: another round is closed by those that it asked.
  const older = phase === "fit" && continuous ? lateAnswers(state).length : 0;
  return closesAt(progress.cohort.length) - answers(progress, phase).length - older;
}

/** Whether a fit that has nobody left to ask still waits: a buffer is not full, and older questions may fill it. */
export function waitsForLate(plan: Plan, state: EngineState): boolean {
  const { fit } = state.open;
  if (plan.strategy.selectFit.continuous !== true || fit === undefined || fit.closed) return false;
  if (missing(plan, state, "fit") <= 0) return false;
  return [...state.clients.values()].some(({ asked }) => asked?.phase === "fit" && asked.round < fit.key.round);
}

/** Who is here and free while a buffer fills: asked as soon as they have answered. */
function newcomers(plan: Plan, state: EngineState, { key, cohort }: PhaseProgress): ClientId[] {
  if (key.phase !== "fit" || plan.strategy.selectFit.continuous !== true) return [];
  return available(plan, state).filter(
    (client) => state.clients.get(client)?.connected === true && !cohort.includes(client),
  );
}

/** A clock for every client that is away and expected back. */
export function expectBack(plan: Plan, before: EngineState): Step {
  let state = before;
  const commands: Command[] = [];
  for (const [client, { connected }] of before.clients) {
    if (connected) continue;
    const timer = rejoinTimer(client);
    if (before.timers.has(timer)) continue;
    state = withTimer(state, timer);
    commands.push({ type: "wait", timer, ms: plan.rejoinTimeoutMs });
  }
  return { state, commands };
}
