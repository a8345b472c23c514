// The options that belong to some strategies only, one row each.
import { Option } from "commander";
import { FederationError } from "@perennial-fl/core";
import type { DeltaPrecision } from "@perennial-fl/core";
import { compressed, strategies } from "@perennial-fl/strategy";
import type { Strategy, StrategyName } from "@perennial-fl/strategy";
import { isStrategyFile, loadStrategy } from "./strategy-file.js";
import { fraction, rate, whole } from "./values.js";

interface Row {
  readonly flag: string;
  readonly of: readonly StrategyName[];
  /** Whether a strategy of the user's own is told it too. */
  readonly common?: true;
  readonly what: string;
  readonly read: (text: string) => number;
}

const adaptive = ["fedadam", "fedadagrad", "fedyogi"] as const;

/** By the name that the strategy itself gives the option. */
const rows = {
  eta: { flag: "--eta", of: adaptive, what: "server learning rate", read: rate("--eta") },
  beta1: { flag: "--beta1", of: adaptive, what: "decay of the first moment", read: rate("--beta1", 1) },
  beta2: { flag: "--beta2", of: adaptive, what: "decay of the second moment", read: rate("--beta2", 1) },
  tau: { flag: "--tau", of: adaptive, what: "adaptivity", read: rate("--tau") },
  serverLearningRate: {
    flag: "--server-learning-rate",
    of: ["fedavgm", "scaffold", "fedbuff"],
    what: "server learning rate",
    read: rate("--server-learning-rate"),
  },
  serverMomentum: {
    flag: "--server-momentum",
    of: ["fedavgm"],
    what: "server momentum",
    read: rate("--server-momentum"),
  },
  proximalMu: {
    flag: "--proximal-mu",
    of: ["fedprox"],
    what: "weight of the clients' proximal term",
    read: rate("--proximal-mu"),
  },
  beta: { flag: "--beta", of: ["fedtrimmedavg"], what: "share cut off at each end", read: rate("--beta", 0.5) },
  numMaliciousClients: {
    flag: "--num-malicious-clients",
    of: ["krum", "bulyan"],
    what: "clients to guard against",
    read: whole("--num-malicious-clients", 0),
  },
  numClientsToKeep: {
    flag: "--num-clients-to-keep",
    of: ["krum"],
    what: "updates to average; 0 keeps the best alone",
    read: whole("--num-clients-to-keep", 0),
  },
  population: { flag: "--population", of: ["scaffold"], what: "clients in all", read: whole("--population", 1) },
  bufferSize: { flag: "--buffer-size", of: ["fedbuff"], what: "updates in a buffer", read: whole("--buffer-size", 1) },
  q: { flag: "--q", of: ["qfedavg"], what: "how much harder a high loss pulls", read: rate("--q") },
  learningRate: {
    flag: "--learning-rate",
    of: ["qfedavg"],
    what: "the clients' learning rate",
    read: rate("--learning-rate"),
  },
  stalenessExponent: {
    common: true,
    flag: "--staleness-exponent",
    of: (Object.keys(strategies) as StrategyName[]).filter((name) => name !== "scaffold"),
    what: "a of (1 + age)^-a, by which late updates count under --late stale",
    read: rate("--staleness-exponent"),
  },
  overSelection: {
    common: true,
    flag: "--over-selection",
    of: Object.keys(strategies) as StrategyName[],
    what: "asks so many times more clients than needed; who is last is surplus",
    read: rate("--over-selection"),
  },
  minCompletion: {
    common: true,
    flag: "--min-completion",
    of: Object.keys(strategies) as StrategyName[],
    what: "share of the cohort that must answer",
    read: fraction("--min-completion"),
  },
} as const satisfies Record<string, Row>;

export type StrategyRates = { readonly [Name in keyof typeof rows]?: number };

export interface StrategyArguments extends StrategyRates {
  /** A name, or the file of a strategy of one's own. */
  readonly strategy: string;
  readonly minClients: number;
  readonly fractionFit: number;
  readonly fractionEvaluate: number;
  readonly late: "drop" | "stale";
  /** Has our own clients send differences. */
  readonly compress?: DeltaPrecision;
}

export function strategyOptions(): Option[] {
  return Object.values<Row>(rows).map(({ flag, of, what, read }) => {
    const whose = of.length === Object.keys(strategies).length ? "" : `${of.join(", ")}: `;
    return new Option(`${flag} <N>`, whose + what).argParser(read);
  });
}

/** What `--strategy` may be: a name, or a file. */
export function nameOrFile(text: string): string {
  if (isStrategyFile(text) || Object.hasOwn(strategies, text)) return text;
  const message = `--strategy is one of ${Object.keys(strategies).join(", ")}, or a FILE.js, not ${JSON.stringify(text)}`;
  throw new FederationError("argument/invalid", message);
}

/**
 * The strategy that was asked for; one of the user's own is told all options that strategies have in common. Throws
 * `argument/invalid` for an option of another strategy.
 */
export async function strategyOf(given: StrategyArguments): Promise<Strategy> {
  const { strategy, fractionFit, fractionEvaluate, minClients, late } = given;
  const clients = { minFitClients: minClients, minEvaluateClients: minClients, minAvailableClients: minClients };
  const rates: Record<string, number> = {};
  for (const [name, { flag, of, common }] of Object.entries<Row>(rows)) {
    const value = given[name as keyof StrategyRates];
    if (value === undefined) continue;
    const has = isStrategyFile(strategy) ? common === true : of.includes(strategy as StrategyName);
    if (!has) {
      const message = `${flag} ${value} is an option of --strategy ${of.join(", ")}, and the strategy is ${strategy}`;
      throw new FederationError("argument/invalid", message);
    }
    rates[name] = value;
  }
  // Which state a strategy keeps is its own business from here on.
  const options = { fractionFit, fractionEvaluate, late, ...clients, ...rates };
  const made = isStrategyFile(strategy)
    ? await loadStrategy(strategy, options)
    : strategies[strategy as StrategyName](options);
  return given.compress === undefined ? made : compressed(made, given.compress);
}
