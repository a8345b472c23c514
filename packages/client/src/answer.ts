// From an instruction to a reply: asks the client, and lets nothing out that is not an answer.
import { FederationError, isDType, messageOf, tensor } from "@perennial-fl/core";
import type { Instruction, Metrics, Parameters, Reply, Scalar } from "@perennial-fl/core";
import type { Client, ClientContext } from "./client.js";
import { clippedAsAsked } from "./clipping.js";

/** Whoever is asked. */
export type Answering = Pick<Client, "getProperties" | "getParameters" | "fit" | "evaluate">;

/** An instruction that wants an answer. */
export type Question = Exclude<Instruction, { readonly type: "reconnect" }>;

/** A reply, and why it is a refusal if the client failed. */
export interface Answer {
  readonly reply: Reply<Parameters>;
  /** What the client threw, or `client/failed` for a result that is none. */
  readonly error?: unknown;
}

/**
 * Asks the client and never throws: an absent method, an exception and an impossible result all become `refused`. A
 * loss or update with NaN is passed on, since the server judges it.
 */
export async function answer(client: Answering, question: Question, context: ClientContext): Promise<Answer> {
  try {
    return { reply: await ask(client, question, context) };
  } catch (error) {
    return { reply: { type: "refused", message: messageOf(error) }, error };
  }
}

async function ask(client: Answering, question: Question, context: ClientContext): Promise<Reply<Parameters>> {
  switch (question.type) {
    case "properties": {
      if (client.getProperties === undefined) return notImplemented("get_properties");
      const properties = await client.getProperties(question.config, context);
      return { type: "properties", properties: checkMetrics("getProperties", properties) };
    }
    case "parameters": {
      if (client.getParameters === undefined) return notImplemented("get_parameters");
      const update = await client.getParameters(question.config, context);
      return { type: "parameters", update: checkParameters("getParameters", update) };
    }
    case "fit": {
      const result = checkResult("fit", await client.fit(question.parameters, question.config, context));
      const parameters = checkParameters("fit", result.parameters);
      const numExamples = checkNumExamples("fit", result.numExamples);
      const given = { parameters, metrics: checkMetrics("fit", result.metrics ?? {}) };
      const { parameters: update, metrics } = clippedAsAsked(given, question.parameters, question.config);
      return { type: "fit", update, numExamples, metrics };
    }
    case "evaluate": {
      const result = checkResult("evaluate", await client.evaluate(question.parameters, question.config, context));
      return {
        type: "evaluate",
        loss: checkLoss(result.loss),
        numExamples: checkNumExamples("evaluate", result.numExamples),
        metrics: checkMetrics("evaluate", result.metrics ?? {}),
      };
    }
  }
}

/** The words of Flower's own clients, so that a server's log reads the same whoever refuses. */
function notImplemented(method: string): Reply<Parameters> {
  return { type: "refused", message: `Client does not implement \`${method}\`` };
}

// A client may be written in JavaScript: nothing below trusts the declared types.

function checkResult<T extends object>(method: string, result: T): T {
  const given: unknown = result;
  if (typeof given !== "object" || given === null) throw failed(method, shown(given), "an object");
  return result;
}

function checkParameters(method: string, parameters: Parameters): Parameters {
  const given: unknown = parameters;
  if (!Array.isArray(given)) throw failed(method, `parameters ${shown(given)}`, "an array of tensors");
  given.forEach((item: unknown, index) => {
    try {
      checkTensor(item);
    } catch (error) {
      const message = `the client's ${method} returned parameters whose tensor ${index} is not one: ${messageOf(error)}`;
      throw new FederationError("client/failed", message, { cause: error });
    }
  });
  return parameters;
}

function checkTensor(item: unknown): void {
  const { dtype, shape, data } = (item ?? {}) as Record<string, unknown>;
  if (typeof dtype !== "string" || !isDType(dtype)) throw new Error(`its dtype is ${shown(dtype)}`);
  if (!Array.isArray(shape)) throw new Error(`its shape is ${shown(shape)}`);
  if (!ArrayBuffer.isView(data)) throw new Error(`its data is ${shown(data)}`);
  tensor(dtype, shape as number[], data as Parameters[number]["data"]);
}

function checkNumExamples(method: string, count: number): number {
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw failed(method, `numExamples ${shown(count)}`, "a whole number from 0");
}

function checkLoss(loss: number): number {
  if (typeof loss === "number") return loss;
  throw failed("evaluate", `the loss ${shown(loss)}`, "a number");
}

function checkMetrics(method: string, metrics: Metrics): Metrics {
  const given: unknown = metrics;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw failed(method, `metrics ${shown(given)}`, "an object of scalars");
  }
  for (const [name, value] of Object.entries(given)) {
    if (!isScalar(value)) {
      throw failed(method, `the metric ${name} = ${shown(value)}`, "a boolean, number, bigint, string or bytes");
    }
  }
  return metrics;
}

function isScalar(value: unknown): value is Scalar {
  if (["boolean", "number", "bigint", "string"].includes(typeof value)) return true;
  if (value instanceof Uint8Array) return true;
  return typeof value === "object" && value !== null && "float" in value && typeof value.float === "number";
}

function failed(method: string, what: string, wanted: string): FederationError {
  return new FederationError("client/failed", `the client's ${method} returned ${what}, which is not ${wanted}`);
}

/** A value as a person reads it, on one short line. */
function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : String(value);
}
