// Closing a round: what is aggregated, offered to checkpointers, and committed.
import { assert } from "@perennial-fl/core";
import type { ClientId, Parameters } from "@perennial-fl/core";
import { weightedMetrics } from "@perennial-fl/strategy";
import type { Contribution } from "@perennial-fl/strategy";
import type { PhaseRecord, RoundRecord } from "../history.js";
import type { Plan } from "../plan.js";
import { contribution, decoded, weight } from "./exchange.js";
import { carriedOn, lateAnswers } from "./late.js";
import { answers, roster } from "./progress.js";
import type { Answer, Command, Durable, EngineState, LateAnswer, Moved, PhaseProgress } from "./types.js";

type FitAnswer = Extract<Answer, { readonly type: "fit" }>;

/** What the strategy is given: in cohort order, late updates among the others, and whoever counts twice by age. */
export function aggregate(plan: Plan, state: EngineState, fit: PhaseProgress): Command {
  const { fresh, late } = counted(plan, state, fit);
  const contributions = [
    ...fresh.map(([client, answer]) => contribution(plan, client, whole(plan, answer, state.durable.parameters))),
    ...late.map(({ client, round, answer, base }) => ({
      ...contribution(plan, client, answer),
      stale: { round, base },
    })),
  ];
  return {
    type: "aggregate",
    round: state.durable.round + 1,
    contributions: late.length === 0 ? contributions : contributions.sort(byClientAndRound),
    asked: fit.cohort.length,
  };
}

/** An answer that was accepted, so it can be decoded. */
function whole(plan: Plan, answer: FitAnswer, sent: Parameters): FitAnswer {
  const update = decoded(plan, answer, sent);
  assert(typeof update !== "string", "what was accepted could be decoded");
  return update;
}

function byClientAndRound(a: Contribution, b: Contribution): number {
  if (a.client !== b.client) return a.client < b.client ? -1 : 1;
  return (a.stale?.round ?? Infinity) - (b.stale?.round ?? Infinity);
}

/**
 * The updates that count. Too few are as good as none, and so are those of which the strategy can make nothing: the model
 * stays, the round is skipped, and `why` says which it was.
 */
function counted(plan: Plan, state: EngineState, fit: PhaseProgress): Counted {
  const [fresh, late] = [answers(fit, "fit"), lateAnswers(state)];
  const came = fresh.length + late.length;
  const { failed } = state.open.moved ?? {};
  if (failed === undefined && plan.strategy.enough(came, fit.cohort.length)) return { fresh, late };
  const why = failed ?? (came > 0 ? `${came} came, which the strategy finds too few` : undefined);
  return { fresh: [], late: [], ...(why !== undefined && { why }) };
}

interface Counted {
  readonly fresh: readonly (readonly [ClientId, FitAnswer])[];
  readonly late: readonly LateAnswer[];
  readonly why?: string;
}

/** Why a round is skipped: in the server's words where it has some, and in those of the first failure. */
export function whySkipped({ round, fit, why }: RoundRecord): string {
  const [first] = fit.failures;
  const because = [
    ...(why === undefined ? [] : [why]),
    ...(first ? [`${first.client}, ${first.reason}: ${first.message}`] : []),
  ];
  return [
    `round ${round} is skipped, because ${fit.answered.length} of ${fit.cohort.length} updates counted`,
    ...because,
  ].join("; ");
}

/** Has the server evaluate the new model itself. */
export function measure(state: EngineState, { parameters }: Moved): Command {
  return { type: "measure", round: state.durable.round + 1, parameters };
}

/** A round of which nothing is missing but its commit. */
interface Whole {
  readonly fit: PhaseProgress;
  readonly evaluate: PhaseProgress;
  readonly moved: Moved;
}

export function checkpoint(plan: Plan, state: EngineState, round: Whole): Command {
  const record = recordOf(plan, state, round);
  // The server's own evaluation, where there is one, is the same from round to round; a cohort's is not.
  const { loss, metrics } = record.central ?? { loss: record.loss, metrics: record.evaluate.metrics };
  return {
    type: "checkpoint",
    round: record.round,
    parameters: round.moved.parameters,
    // Nobody evaluated: a checkpointer by score ignores NaN, the latest one saves all the same.
    loss: loss ?? NaN,
    metrics,
  };
}

export function commit(plan: Plan, state: EngineState, round: Whole): Command {
  const record = recordOf(plan, state, round);
  const carried = carriedOn(state);
  const durable: Durable = {
    run: state.durable.run,
    attempt: state.durable.attempt,
    round: record.round,
    parameters: round.moved.parameters,
    strategyState: round.moved.strategyState,
    history: [...state.durable.history, record],
    roster: roster(state),
    ...(carried.length === 0 ? {} : { carried }),
  };
  return { type: "commit", durable, record };
}

function recordOf(plan: Plan, state: EngineState, { fit, evaluate }: Whole): RoundRecord {
  const { fresh, late, why } = counted(plan, state, fit);
  const evaluations = answers(evaluate, "evaluate");
  const losses = weightedMetrics(
    evaluations.map(([, answer]) => ({ numExamples: weight(plan, answer), metrics: { loss: answer.loss } })),
  );
  return {
    round: state.durable.round + 1,
    outcome: fresh.length + late.length > 0 ? "committed" : "skipped",
    ...(why !== undefined && { why }),
    fit: phaseRecord(plan, fit, fresh, late),
    evaluate: phaseRecord(plan, evaluate, evaluations),
    ...(losses["loss"] === undefined ? {} : { loss: losses["loss"] }),
    ...(state.open.central && { central: state.open.central }),
  };
}

function phaseRecord(
  plan: Plan,
  { cohort, outcomes }: PhaseProgress,
  counted: readonly (readonly [ClientId, Answer])[],
  late: readonly LateAnswer[] = [],
): PhaseRecord {
  const all = [...counted.map(([, answer]) => answer), ...late.map(({ answer }) => answer)].map((answer) => {
    return { numExamples: weight(plan, answer), metrics: answer.metrics };
  });
  return {
    cohort,
    answered: counted.map(([client]) => client),
    failures: cohort.flatMap((client) => {
      const outcome = outcomes.get(client);
      return outcome?.type === "failed" ? [{ ...outcome.failure }] : [];
    }),
    numExamples: all.reduce((sum, { numExamples }) => sum + numExamples, 0),
    metrics: weightedMetrics(all),
    ...(late.length === 0 ? {} : { late: late.map(({ client, round }) => ({ client, round })) }),
  };
}
