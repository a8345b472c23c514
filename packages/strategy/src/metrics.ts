// Combining what clients report about themselves.
import { numberOf } from "@perennial-fl/core";
import type { Metrics } from "@perennial-fl/core";

/**
 * The mean of every numeric metric, weighted by the examples of the clients that report it. Texts, booleans and bytes
 * have no mean and are left out.
 */
export function weightedMetrics(
  reports: readonly { readonly numExamples: number; readonly metrics: Metrics }[],
): Record<string, number> {
  const sums = new Map<string, { sum: number; weight: number }>();
  for (const { numExamples, metrics } of reports) {
    for (const [name, scalar] of Object.entries(metrics)) {
      const value = numberOf(scalar);
      if (value === undefined) continue;
      const entry = sums.get(name) ?? { sum: 0, weight: 0 };
      sums.set(name, { sum: entry.sum + numExamples * value, weight: entry.weight + numExamples });
    }
  }
  return Object.fromEntries([...sums].map(([name, { sum, weight }]) => [name, sum / weight]));
}
