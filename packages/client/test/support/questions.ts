// Questions of a run, and a client whose answers show the state that it had.
import { float32 } from "@perennial-fl/core";
import type { Instruction, Parameters as Tensors, RequestKey, SavedState } from "@perennial-fl/core";
import type { Client, FitResult } from "../../src/index.js";

export function keyOf(phase: "evaluate" | "fit", round: number, { run = "r", attempt = 1 } = {}): RequestKey {
  return { run, round, attempt, phase };
}

/** A question whose parameters are `[value]`. */
export function ask(
  phase: "evaluate" | "fit",
  round: number,
  value = round,
  options: { run?: string; attempt?: number } = {},
): Extract<Instruction, { type: "evaluate" | "fit" }> {
  return { type: phase, key: keyOf(phase, round, options), parameters: [float32([1], [value])], config: {} };
}

type FitQuestion = Parameters<Client["fit"]>;

export interface Counter extends Client {
  fit: (...question: FitQuestion) => FitResult | Promise<FitResult>;
  readonly calls: string[];
}

/** Each fit adds the parameter to a sum that the client remembers, and returns the sum. */
export function counter(): Counter {
  const calls: string[] = [];
  let sum = 0;
  const value = (parameters: Tensors): number => Number(parameters[0]?.data[0]);
  return {
    calls,
    getProperties: () => {
      calls.push("properties");
      return { sum };
    },
    getParameters: () => {
      calls.push("parameters");
      return [float32([1], [sum])];
    },
    fit(parameters) {
      calls.push("fit");
      sum += value(parameters);
      return { parameters: [float32([1], [sum])], numExamples: 1, metrics: { sum } };
    },
    evaluate() {
      calls.push("evaluate");
      return { loss: sum, numExamples: 1 };
    },
    save: () => ({ sum }),
    load(state: SavedState) {
      calls.push(`load ${String(Number(state["sum"]))}`);
      sum = Number(state["sum"]);
    },
  };
}
