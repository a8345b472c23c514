// Asking a cohort: whoever is here and has not been asked; and giving up on whoever is gone or not needed any more.
import type { Failure } from "@perennial-fl/core";
import type { Plan } from "../plan.js";
import { rejoinTimer, withPresence, withTimer } from "./apply.js";
import { answers, deadlineTimer, outstanding } from "./progress.js";
import type { Command, EngineState, PhaseProgress, Step } from "./types.js";

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
  const surplus = surplusOf(plan, progress);
  if (surplus.length > 0) return { state, commands: [...commands, { type: "drop", key, failures: surplus }] };
  for (const client of outstanding(progress)) {
    const presence = state.clients.get(client);
    if (presence === undefined) {
      gone.push({ client, reason: "departed", message: "the client left and did not come back" });
    } else if (presence.connected && presence.asked === undefined) {
      state = withPresence(state, client, { ...presence, asked: key });
      const config = plan.strategy.configure(key.round, key.phase, state.durable.strategyState);
      const parameters = (state.open.moved ?? state.durable).parameters;
      const event = { type: "client-asked", round: key.round, phase: key.phase, client } as const;
      commands.push({ type: "report", event });
      commands.push({ type: "send", client, instruction: { type: key.phase, key, parameters, config } });
    }
  }
  if (gone.length > 0) commands.push({ type: "drop", key, failures: gone });
  return { state, commands };
}

/** Those who are not waited for any more, because as many as the selection wanted have answered. */
function surplusOf(plan: Plan, progress: PhaseProgress): Failure[] {
  const { selectFit, selectEvaluate } = plan.strategy;
  const { closesAt = (size) => size } = progress.key.phase === "fit" ? selectFit : selectEvaluate;
  if (answers(progress, progress.key.phase).length < closesAt(progress.cohort.length)) return [];
  const message = "enough others had answered";
  return outstanding(progress).map((client) => ({ client, reason: "surplus", message }));
}

/** A clock for every client that is away and expected back. */
export function expectBack(plan: Plan, before: EngineState): Step {
  let state = before;
  const commands: Command[] = [];
  for (const [client, { connected }] of before.clients) {
    const timer = rejoinTimer(client);
    if (connected || before.timers.has(timer)) continue;
    state = withTimer(state, timer);
    commands.push({ type: "wait", timer, ms: plan.rejoinTimeoutMs });
  }
  return { state, commands };
}
