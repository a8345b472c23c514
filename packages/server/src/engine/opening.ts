// Opening a phase: who takes part, or whom the round waits for.
import { random } from "@perennial-fl/core";
import type { RequestKey } from "@perennial-fl/core";
import type { Plan } from "../plan.js";
import { withTimer } from "./apply.js";
import { available, clientsTimer, keyOf, reachable, roster } from "./progress.js";
import type { Command, EngineState, Step } from "./types.js";

/** Opens the round once enough clients are available, and says meanwhile how many are. */
export function openFit(plan: Plan, state: EngineState): Step {
  const needed = plan.strategy.selectFit.minAvailable;
  const here = reachable(plan, state);
  if (here < needed) return waitForClients(plan, state, here, needed);
  const free = available(plan, state);
  const key = keyOf(state, "fit");
  const cohort = [...plan.strategy.selectFit.choose(free, drawFor(plan, key))].sort();
  return { state, commands: [{ type: "open", key, cohort, roster: roster(state) }] };
}

/** Opens the evaluation for whoever is available: the round is not held up for more. */
export function openEvaluate(plan: Plan, state: EngineState): Command {
  const key = keyOf(state, "evaluate");
  const cohort = [...plan.strategy.selectEvaluate.choose(available(plan, state), drawFor(plan, key))].sort();
  return { type: "open", key, cohort, roster: roster(state) };
}

function waitForClients(plan: Plan, before: EngineState, free: number, needed: number): Step {
  const round = before.durable.round + 1;
  const commands: Command[] = [];
  let state = before;
  if (plan.waitTimeoutMs !== undefined && !state.timers.has(clientsTimer(round))) {
    state = withTimer(state, clientsTimer(round));
    commands.push({ type: "wait", timer: clientsTimer(round), ms: plan.waitTimeoutMs });
  }
  const waiting = `${round}:${free}`;
  if (state.waiting !== waiting) {
    state = { ...state, waiting };
    commands.push({ type: "report", event: { type: "waiting", round, available: free, needed } });
  }
  return { state, commands };
}

/** Derived from what it is for and never a stream, so a resumed run draws the same. */
function drawFor(plan: Plan, key: RequestKey) {
  return random(plan.seed, "select", key.phase, key.round);
}
