// What travels beside the model: named records to our own clients, and back from them.
import {
  describeTensor,
  isFederationError,
  packRecords,
  recordSpans,
  recordsEntry,
  sameHeader,
  sliceResult,
} from "@perennial-fl/core";
import type { ClientId, Config, Parameters, RecordSpan, StoredResult } from "@perennial-fl/core";
import type { Contribution, Exchange } from "@perennial-fl/strategy";
import type { Plan } from "../plan.js";
import type { Answer, Durable, EngineState, PhaseProgress } from "./types.js";

type FitAnswer = Extract<Answer, { readonly type: "fit" }>;

/** One list for all clients of a round, so that it is encoded once. */
const packed = new WeakMap<Durable, ReturnType<typeof packRecords>>();

/** What a client is sent with an instruction of a phase; a stock client gets the model alone. */
export function question(
  plan: Plan,
  { durable, open, clients }: EngineState,
  { key }: PhaseProgress,
  client: ClientId,
): { readonly parameters: Parameters; readonly config: Config } {
  const { strategy } = plan;
  const config = strategy.configure(key.round, key.phase, durable.strategyState, client);
  const model = (open.moved ?? durable).parameters;
  if (!strategy.exchange || key.phase !== "fit" || clients.get(client)?.identified !== true) {
    return { parameters: model, config };
  }
  const made = packed.get(durable) ?? packRecords(model, strategy.exchange.give(durable.strategyState));
  packed.set(durable, made);
  return { parameters: made.tensors, config: { ...config, ...made.entry } };
}

/**
 * Why the records of an update are not what the strategy takes; `undefined` when they are, or when the client has no
 * identity and brings none.
 */
export function recordsObjection(
  { take }: Exchange,
  { update, metrics }: FitAnswer,
  parameters: Parameters,
  identified: boolean,
): string | undefined {
  const entry = metrics[recordsEntry];
  if (entry === undefined) return identified ? `the update brings no ${take.join(", ")}` : undefined;
  let spans: readonly RecordSpan[];
  try {
    ({ spans } = recordSpans(entry, update.tensors.length));
  } catch (error) {
    if (isFederationError(error, "wire/malformed")) return error.message;
    throw error;
  }
  const names = spans.map(({ name }) => name).join(", ");
  if (names !== take.join(", ")) return `the update brings ${names || "nothing"}, and ${take.join(", ")} is wanted`;
  return spans.map((span) => spanObjection(span, update, parameters)).find((why) => why !== undefined);
}

function spanObjection({ name, start, count }: RecordSpan, update: StoredResult, parameters: Parameters) {
  if (count !== parameters.length) return `${name} has ${count} tensors, and the model ${parameters.length}`;
  for (const [index, expected] of parameters.entries()) {
    const tensor = update.tensors[start + index];
    if (tensor && sameHeader(tensor, expected) && tensor.firstNonFinite === undefined) continue;
    const found = tensor ? describeTensor(tensor) : "absent";
    return `tensor ${index} of ${name} is ${found}${tensor?.firstNonFinite === undefined ? "" : " and not finite"}, where a finite ${describeTensor(expected)} is wanted`;
  }
  return undefined;
}

/** How many of an update's tensors are the model's. */
export function modelTensors(exchange: Exchange | undefined, { update, metrics }: FitAnswer): number {
  return exchange ? recordSpans(metrics[recordsEntry], update.tensors.length).model : update.tensors.length;
}

/** An answer whose update came encoded, with the update itself; or why it is none. `sent` is the model it answers. */
export function decoded({ strategy }: Plan, answer: FitAnswer, sent: Parameters): FitAnswer | string {
  const update = strategy.decode?.(answer, sent) ?? answer.update;
  return "objection" in update ? update.objection : { ...answer, update };
}

/** With how many examples an answer counts. */
export function weight({ maxExamples }: Plan, { numExamples }: Pick<Answer, "numExamples">): number {
  return Math.min(numExamples, maxExamples?.count ?? Infinity);
}

/** An accepted update as the strategy sees it: the model's tensors, and the records by their names. */
export function contribution(plan: Plan, client: ClientId, { update, metrics, ...answer }: FitAnswer): Contribution {
  const plain = { client, result: update, numExamples: weight(plan, answer), metrics };
  if (!plan.strategy.exchange || metrics[recordsEntry] === undefined) return plain;
  const { model, spans } = recordSpans(metrics[recordsEntry], update.tensors.length);
  const records = spans.map(({ name, start, count }) => [name, sliceResult(update, start, count)] as const);
  return { ...plain, result: sliceResult(update, 0, model), records: Object.fromEntries(records) };
}
