// What a local training keeps between its steps, and whether a run that comes back is the one that was left.
import { FederationError } from "@perennial-fl/core";
import type { Parameters, Saved, SavedState } from "@perennial-fl/core";
import type { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import type { Cursor } from "@perennial-fl/trainer";
import type { EpochScore } from "./events.js";

/** The name of the state in its directory. */
export const stateName = "training.state";

/** What must be the same for a run to be gone on with, each in words. */
export type TrainPlan = { readonly [what: string]: string };

/** The training state: everything that the next step depends on, and what is known of the epochs before. */
export type TrainState = {
  readonly kind: "training";
  readonly plan: TrainPlan;
  /** Where training stands; the end of an epoch is the beginning of the next. */
  readonly cursor: Cursor;
  readonly parameters: Parameters;
  /** The optimizer's memory and the generator of dropout; null before the first step. */
  readonly optimizer: Saved;
  readonly scores: readonly EpochScore[];
};

/** Whether to go on with a run: if there is one, only if there is one, or not at all. */
export type ResumeRule = "auto" | "never" | "require";

/**
 * The state to go on from, or `undefined` for a new run. Throws `plan/mismatch`, naming both values, for another run;
 * `resume/nothing` where one is required, and `argument/invalid` where one is not wanted.
 */
export async function loadTrainState(
  checkpointer: PerRoundStateCheckpointer,
  plan: TrainPlan,
  resume: ResumeRule,
): Promise<TrainState | undefined> {
  const directory = checkpointer.checkpointDir;
  if (!(await checkpointer.checkpointExists(stateName))) {
    if (resume === "require") throw new FederationError("resume/nothing", `${directory} holds no training to resume`);
    return undefined;
  }
  if (resume === "never") {
    throw new FederationError("plan/mismatch", `${directory} holds a training already, and --resume is never`);
  }
  const found: SavedState = await checkpointer.loadCheckpoint(stateName);
  if (found["kind"] !== "training") {
    throw new FederationError("plan/mismatch", `${directory} holds a state of another kind`);
  }
  // It is this command's own save that gave it, and its digest was verified.
  const state = found as TrainState;
  for (const [what, value] of Object.entries(plan)) {
    if (state.plan[what] === value) continue;
    const former = state.plan[what] ?? "not known";
    throw new FederationError(
      "plan/mismatch",
      `the training in ${directory} began with ${what} ${former}, and now it is ${value}; for another run take another --state-dir`,
    );
  }
  return state;
}
