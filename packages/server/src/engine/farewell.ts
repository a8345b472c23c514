// The end of a session: everyone is told.
import type { ClientId } from "@perennial-fl/core";
import type { Plan } from "../plan.js";
import { withPresences, withTimer } from "./apply.js";
import { isFinished } from "./progress.js";
import type { Command, EngineState, Presence, Step } from "./types.js";

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
  const told = new Map<ClientId, Presence>();
  const state = before.ending ? before : withTimer({ ...before, ending: true }, timer);
  for (const [client, presence] of before.clients) {
    // A client that still trains must not get a second message before it answers the first.
    if (!presence.connected || presence.asked || presence.told) continue;
    told.set(client, { ...presence, told: true });
    commands.push({ type: "send", client, instruction: { type: "reconnect", seconds } });
  }
  return { state: withPresences(state, told), commands };
}
