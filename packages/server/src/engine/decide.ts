// What to do next, read off what is known. Level-triggered: a restarted engine that knows the same decides the same.
import type { Plan } from "../plan.js";
import { ask, expectBack, waitsForLate } from "./asking.js";
import { aggregate, checkpoint, commit, measure, whySkipped } from "./closing.js";
import { farewell } from "./farewell.js";
import { openEvaluate, openFit } from "./opening.js";
import { isFinished, isOver } from "./progress.js";
import type { Command, EngineState, Step } from "./types.js";

/** The commands that the state calls for, and the state with them noted as under way. */
export function decide(plan: Plan, before: EngineState): Step {
  if (before.stopping || isFinished(plan, before)) return farewell(plan, before);
  const last = before.durable.history.at(-1);
  if (plan.maxSkippedRounds !== undefined && before.skipped >= plan.maxSkippedRounds && last) {
    const message = `${before.skipped} rounds in a row moved nothing; ${whySkipped(last)}`;
    return { state: before, commands: [{ type: "giveUp", message }] };
  }
  const { state, commands } = expectBack(plan, before);
  const next = advance(plan, state);
  return { state: next.state, commands: [...commands, ...next.commands] };
}

/** The open round fills from top to bottom, and what is missing is what comes next. */
function advance(plan: Plan, state: EngineState): Step {
  const { fit, moved, central, evaluate, checkpointed } = state.open;
  const only = (command: Command): Step => ({ state, commands: [command] });
  if (fit === undefined) return openFit(plan, state);
  if (!isOver(fit) || waitsForLate(plan, state)) return ask(plan, state, fit);
  if (moved === undefined) return only(aggregate(plan, state, fit));
  if (plan.measures === true && central === undefined) return only(measure(state, moved));
  if (evaluate === undefined) return only(openEvaluate(plan, state));
  if (!isOver(evaluate)) return ask(plan, state, evaluate);
  const round = { fit, evaluate, moved };
  return only(checkpointed ? commit(plan, state, round) : checkpoint(plan, state, round));
}
