// The end of a session: everyone is told.
import type { Plan } from "../plan.js";
import { withPresence, withTimer } from "./apply.js";
import { isFinished } from "./progress.js";
import type { Command, EngineState, Step } from "./types.js";

/**
 * Tells everyone that the run is over, or when to come back, also those who join late or still owe an answer, and
 * finishes when all have gone or time is up. Told so, a stock Flower client survives the server's restart.
 */
export function farewell(plan: Plan, before: EngineState): Step {
  const seconds = isFinished(plan, before) ? 0 : plan.restartSeconds;
  const timer = "farewell";
  const timeIsUp = before.ending && !before.timers.has(timer);
  if (before.clients.size === 0 || timeIsUp) return { state: before, commands: [{ type: "finish" }] };
  const commands: Command[] = before.ending ? [] : [{ type: "wait", timer, ms: plan.drainTimeoutMs }];
  let state = before.ending ? before : withTimer({ ...before, ending: true }, timer);
  for (const [client, presence] of before.clients) {
    // A client that still trains must not get a second message before it answers the first.
    if (!presence.connected || presence.asked || presence.told) continue;
    state = withPresence(state, client, { ...presence, told: true });
    commands.push({ type: "send", client, instruction: { type: "reconnect", seconds } });
  }
  return { state, commands };
}
