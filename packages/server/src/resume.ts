// From what lies on disk to an engine that goes on as if nothing had happened.
import { FederationError } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { parametersSha256 } from "@perennial-fl/checkpointer";
import type { RoundJournal } from "@perennial-fl/checkpointer";
import { apply } from "./engine/apply.js";
import { isOver, outstanding } from "./engine/progress.js";
import { initialState } from "./engine/step.js";
import type { Durable, EngineState } from "./engine/types.js";
import { fromEntry, keyOfEntry } from "./journal-facts.js";
import { checkPlan, planFacts } from "./plan.js";
import type { Plan } from "./plan.js";
import type { ServerEvent } from "./server-event.js";
import type { ServerState } from "./server-state.js";

/** What to do about a run that the state directory holds: go on with it if there is one, insist on one, or refuse one. */
export type Resume = "auto" | "require" | "never";

/** What a server was started with; a resumed run needs neither. */
export interface Begin {
  readonly parameters?: Parameters;
  /** The digest of its module's architecture. */
  readonly module?: string;
}

/** A run that has not begun. */
export function freshDurable(run: string, plan: Plan, parameters: Parameters): Durable {
  return {
    run,
    round: 0,
    attempt: 1,
    parameters,
    strategyState: plan.strategy.move.init(parameters),
    history: [],
    roster: [],
  };
}

/**
 * Whether the saved state is to be used; `model` is what the server was started with, `journalled` the number of
 * entries in the journal. Throws `resume/nothing` where one is required and there is none,
 * `plan/mismatch` where one is there and must not be, or where the plans differ.
 */
export function checkResume(
  saved: ServerState | undefined,
  journalled: number,
  resume: Resume,
  plan: Plan,
  model: Begin,
  directory: string,
): boolean {
  if (saved === undefined) {
    // A journal is only ever begun under a state, so here the state is what is missing.
    if (journalled > 0) {
      throw new FederationError(
        "checkpoint/corrupt",
        `${directory} holds the journal of an open round and no state to go with it; put the state back, or move the journal away to begin anew`,
      );
    }
    if (resume === "require") throw new FederationError("resume/nothing", `${directory} holds no run to resume`);
    return false;
  }
  if (resume === "never") {
    const { run, round } = saved.durable;
    throw new FederationError(
      "plan/mismatch",
      `${directory} holds run ${run} after round ${round}, and this run is not to resume it; give it a directory of its own`,
    );
  }
  const module = model.module ?? (saved.plan["module"] as string | undefined);
  checkPlan(saved.plan, planFacts(plan, model.parameters ?? saved.durable.parameters, module), directory);
  return true;
}

/**
 * Replays the journal of the open round over the state. Entries of a round that is already committed (the crash came
 * between the commit and the clearing) are cleared; entries that rest on a state which was lost, or left by a rollback,
 * are cleared and told; a journal of another run is `checkpoint/corrupt`.
 */
export async function replay(
  durable: Durable,
  journal: RoundJournal,
  report: (message: string) => void,
): Promise<EngineState> {
  const [first] = journal.entries;
  if (first === undefined) return initialState(durable);
  const { run, round, attempt } = keyOfEntry(first);
  if (run !== durable.run) {
    throw new FederationError(
      "checkpoint/corrupt",
      `the round journal is of run ${run}, and the state of run ${durable.run}`,
    );
  }
  const next = durable.round + 1;
  if (round !== next || attempt !== durable.attempt) {
    if (attempt !== durable.attempt) {
      report(`what round ${round} had received is given up: the run was rolled back to round ${durable.round}`);
    } else if (round > next) {
      report(
        `what round ${round} had received is given up: it rests on a state that was lost, and round ${next} comes first`,
      );
    }
    await journal.clear();
    return initialState(durable);
  }
  let state = initialState(durable);
  for (const entry of journal.entries) state = apply(state, await fromEntry(entry, journal));
  return state;
}

/** What a resumed server says first: who had answered and who is asked again. */
export function resumedEvent({ durable, open }: EngineState): Extract<ServerEvent, { type: "resumed" }> {
  const current = open.fit && isOver(open.fit) ? (open.evaluate ?? open.fit) : open.fit;
  return {
    type: "resumed",
    run: durable.run,
    round: durable.round,
    roundOpen: current !== undefined,
    answered: current?.cohort.filter((client) => current.outcomes.has(client)) ?? [],
    outstanding: current ? outstanding(current) : [],
    parametersSha256: parametersSha256(durable.parameters),
  };
}
