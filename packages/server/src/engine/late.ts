// Late answers: updates that come after their round's fit had closed, and whether and where they count.
import { memoryResult, sameKey } from "@perennial-fl/core";
import type { FleetEvent } from "@perennial-fl/core";
import type { Plan } from "../plan.js";
import { keyOf } from "./progress.js";
import type { Admission, EngineState, LateAnswer } from "./types.js";
import { objection } from "./validate.js";

/** The late answers that count in the round under way: those carried into it, and those that came during it. */
export function lateAnswers({ durable, open }: EngineState): LateAnswer[] {
  const admitted = (open.late ?? []).filter(({ into }) => into === durable.round + 1);
  return [...(durable.carried ?? []), ...admitted.map(({ late }) => late)];
}

/** The late answers that came too late for the round under way, too. */
export function carriedOn({ durable, open }: EngineState): LateAnswer[] {
  return (open.late ?? []).filter(({ into }) => into > durable.round + 1).map(({ late }) => late);
}

/**
 * Where a late fit answer counts, why it cannot, or `undefined` where it is not one that could: the policy is to drop
 * them, the question is not the client's last, or its model is not known any more (after a restart it is asked anew).
 */
export function admission(
  plan: Plan,
  state: EngineState,
  { client, key, reply }: Extract<FleetEvent, { type: "replied" }>,
): Admission | string | undefined {
  const asked = state.clients.get(client)?.asked;
  if (!plan.strategy.late || reply.type !== "fit" || !key || !asked || !sameKey(asked, key)) return undefined;
  const base = state.versions.get(key.round);
  if (base === undefined) return undefined;
  const sent = base.tensors.map((_, index) => base.read(index));
  const identified = state.clients.get(client)?.identified ?? false;
  const why = objection(plan, { client, identified }, reply, sent);
  if (why !== undefined) return why;
  const now = state.durable.round + 1;
  const into = state.open.moved === undefined ? now : now + 1;
  return { key: keyOf(state, "fit"), into, late: { client, round: key.round, answer: reply, base } };
}

/** Remembers the model that this round's questions are asked with, where an answer to them may come late. */
export function withVersion(plan: Plan, state: EngineState): EngineState {
  const round = state.durable.round + 1;
  if (!plan.strategy.late || state.versions.has(round)) return state;
  return { ...state, versions: new Map(state.versions).set(round, memoryResult(state.durable.parameters)) };
}
