// Aggregates that plain data names, so that another thread or machine can carry them out and come to the same bytes.
import { median, trimmedMean } from "./coordinates.js";
import { bulyan, krum } from "./distances.js";
import { exactMean, weightedMean } from "./mean.js";
import type { Aggregate, PlainAggregate } from "./strategy.js";

export type AggregationRule =
  | { readonly name: "mean" }
  | { readonly name: "exact-mean" }
  | { readonly name: "median" }
  | { readonly name: "trimmed-mean"; readonly beta: number }
  | { readonly name: "krum"; readonly malicious: number; readonly keep: number }
  | { readonly name: "bulyan"; readonly malicious: number };

/** The aggregate of a rule. Throws `argument/invalid` for numbers that it cannot have. */
export function aggregateBy(rule: AggregationRule): PlainAggregate {
  switch (rule.name) {
    case "mean":
      return weightedMean;
    case "exact-mean":
      return exactMean;
    case "median":
      return median;
    case "trimmed-mean":
      return trimmedMean(rule.beta);
    case "krum":
      return krum(rule);
    case "bulyan":
      return bulyan(rule);
  }
}

/** The same, with its rule for whoever would rather carry it out elsewhere. */
export function ruled(rule: AggregationRule): Aggregate {
  const aggregate = aggregateBy(rule);
  return Object.assign((...[contributions, current]: Parameters<Aggregate>) => aggregate(contributions, current), {
    rule,
  });
}
