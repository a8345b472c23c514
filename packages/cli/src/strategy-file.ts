// A strategy of one's own, in a file that `--strategy` names.
import { FederationError } from "@perennial-fl/core";
import type { Strategy, StrategyOptions } from "@perennial-fl/strategy";
import { attempt, importApp } from "./app-file.js";

/** What a strategy file exports, as its default or as `strategy`: it is told the options of the command line. */
export type StrategyFile = (options: StrategyOptions) => Strategy;

/** Whether a value of `--strategy` is a file and no name. */
export function isStrategyFile(given: string): boolean {
  return /\.[cm]?js$/.test(given);
}

/**
 * The strategy of a file. Throws `argument/invalid` if there is no such file or it makes no strategy, and `strategy/failed`
 * if it fails; a `FederationError` of the file's passes as it is.
 */
export async function loadStrategy(path: string, options: StrategyOptions): Promise<Strategy> {
  const exports = await importApp(path, { option: "--strategy", code: "strategy/failed" });
  const make = exports["default"] ?? exports["strategy"];
  if (typeof make !== "function") {
    throw invalid(`--strategy ${path} must export a function of options as its default or as "strategy"`);
  }
  const act = () => (make as (options: StrategyOptions) => unknown)(options);
  const made = await attempt(`making the strategy of --strategy ${path}`, act, "strategy/failed");
  const missing = missingFrom(made);
  if (missing.length > 0) throw invalid(`--strategy ${path} made a strategy that lacks ${missing.join(", ")}`);
  return made as Strategy;
}

/** What every strategy has; the file may be JavaScript, so nothing is taken on trust. */
const parts = {
  plan: "object",
  "selectFit.choose": "function",
  "selectFit.minAvailable": "number",
  "selectEvaluate.choose": "function",
  configure: "function",
  enough: "function",
  aggregate: "function",
  "move.init": "function",
  "move.update": "function",
} as const;

function missingFrom(made: unknown): string[] {
  return Object.entries(parts).flatMap(([path, type]) => {
    const found = path
      .split(".")
      .reduce<unknown>((held, name) => (held as Record<string, unknown> | null | undefined)?.[name], made);
    return typeof found === type && found !== null ? [] : [`${path} (a ${type})`];
  });
}

function invalid(message: string): FederationError {
  return new FederationError("argument/invalid", message);
}
