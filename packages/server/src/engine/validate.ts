// Whether an answer may count. The global model's schema is the law.
import { describeTensor, sameHeader } from "@perennial-fl/core";
import type { ClientId, Parameters } from "@perennial-fl/core";
import { updateNorm } from "@perennial-fl/strategy";
import type { Plan } from "../plan.js";
import { contribution, decoded, modelTensors, recordsObjection } from "./exchange.js";
import type { Answer } from "./types.js";

type FitAnswer = Extract<Answer, { readonly type: "fit" }>;

/** Whose answer it is. */
export interface Answering {
  readonly client: ClientId;
  readonly identified: boolean;
}

/** Why the answer cannot count, naming what, where and the value; `undefined` when it can. */
export function objection(
  plan: Plan,
  { client, identified }: Answering,
  given: Answer,
  parameters: Parameters,
): string | undefined {
  const answer = given.type === "fit" ? decoded(plan, given, parameters) : given;
  if (typeof answer === "string") return answer;
  if (!Number.isSafeInteger(answer.numExamples) || answer.numExamples < 1) {
    return `numExamples is a whole number from 1, not ${answer.numExamples}`;
  }
  const { maxExamples } = plan;
  if (maxExamples?.excess === "reject" && answer.numExamples > maxExamples.count) {
    return `numExamples is ${answer.numExamples}, and at most ${maxExamples.count} count here`;
  }
  if (answer.type === "evaluate") {
    return Number.isFinite(answer.loss) ? undefined : `the loss is ${answer.loss}`;
  }
  const { exchange } = plan.strategy;
  const records = exchange && recordsObjection(exchange, answer, parameters, identified);
  return (
    records ??
    schemaObjection(plan, answer, parameters) ??
    normObjection(plan, answer, parameters) ??
    plan.strategy.objection?.(contribution(plan, client, answer))
  );
}

function schemaObjection({ strategy }: Plan, answer: FitAnswer, parameters: Parameters): string | undefined {
  const { tensors } = answer.update;
  const count = modelTensors(strategy.exchange, answer);
  if (count !== parameters.length) {
    return `the update has ${count} tensors, and the model ${parameters.length}`;
  }
  for (const [index, expected] of parameters.entries()) {
    const tensor = tensors[index];
    if (tensor === undefined || !sameHeader(tensor, expected)) {
      return `tensor ${index} is ${tensor ? describeTensor(tensor) : "absent"}, and the model's is ${describeTensor(expected)}`;
    }
    if (tensor.firstNonFinite !== undefined) {
      return `tensor ${index} (${describeTensor(tensor)}) is not finite at element ${tensor.firstNonFinite}`;
    }
  }
  return undefined;
}

/** The one check that reads the elements again, so it comes last, and only where it is asked for. */
function normObjection({ maxUpdateNorm }: Plan, { update }: FitAnswer, parameters: Parameters): string | undefined {
  if (maxUpdateNorm === undefined) return undefined;
  const norm = updateNorm(update, parameters);
  return norm <= maxUpdateNorm ? undefined : `the update's norm is ${norm}, and at most ${maxUpdateNorm} counts here`;
}
