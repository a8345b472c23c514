// What privacy a run has spent: Rényi differential privacy of the Poisson-sampled Gaussian mechanism.
import { FederationError } from "@perennial-fl/core";

/** Rounds of one kind that were released. Plain data, kept in the per-round state. */
export type Spending = {
  /** q, the probability with which each client takes part. */
  readonly sampleRate: number;
  /** z, the noise's standard deviation in units of the clipping norm. */
  readonly noiseMultiplier: number;
  readonly rounds: number;
};

/** Orders at which the divergence is looked at: those of the moments accountants in use. */
export const renyiOrders: readonly number[] = [
  ...[1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 3.5, 4, 4.5],
  ...Array.from({ length: 59 }, (_, i) => i + 5),
  ...[128, 256, 512],
];

/**
 * The Rényi divergence of order α > 1 of one round (Mironov, Talwar and Zhang 2019, arXiv 1908.10530):
 *
 *     RDP(α) = 1/(α−1) · log E_{x ~ N(0, z²)} [ (1 − q + q · exp((2x − 1) / 2z²))^α ]
 *
 * for fractional and whole orders alike by the trapezoidal rule, which converges geometrically for this integrand.
 */
export function renyiDivergence(order: number, sampleRate: number, noiseMultiplier: number): number {
  if (sampleRate === 0) return 0;
  if (noiseMultiplier === 0) return Infinity;
  const variance = noiseMultiplier ** 2;
  if (sampleRate === 1) return order / (2 * variance);
  const step = Math.min(noiseMultiplier, variance) / 16;
  const [from, to] = [-14 * noiseMultiplier, order + 14 * noiseMultiplier];
  const logs: number[] = [];
  for (let x = from; x <= to; x += step) {
    const logRatio = logSum(Math.log1p(-sampleRate), Math.log(sampleRate) + (2 * x - 1) / (2 * variance));
    logs.push(order * logRatio - (x * x) / (2 * variance));
  }
  const largest = logs.reduce((a, b) => Math.max(a, b));
  const sum = logs.reduce((total, log) => total + Math.exp(log - largest), 0);
  const logMoment = largest + Math.log((sum * step) / (noiseMultiplier * Math.sqrt(2 * Math.PI)));
  // The divergence is not negative; rounding can make a tiny one so.
  return Math.max(0, logMoment / (order - 1));
}

/**
 * The smallest ε at a given δ, over all orders (Canonne, Kamath and Steinke 2020, arXiv 2004.00010):
 * ε = min_α Σ rounds · RDP(α) + log(1 − 1/α) − log(δα)/(α−1). Composition only adds, so a round that was done
 * twice must be in the list twice.
 */
export function epsilonOf(spendings: readonly Spending[], delta: number): number {
  if (!(delta > 0 && delta < 1))
    throw new FederationError("argument/invalid", `delta is between 0 and 1, not ${delta}`);
  const spent = spendings.filter(({ rounds, sampleRate }) => rounds > 0 && sampleRate > 0);
  if (spent.length === 0) return 0;
  const bounds = renyiOrders.map((order) => {
    const divergence = spent.reduce(
      (sum, { rounds, sampleRate, noiseMultiplier }) =>
        sum + rounds * renyiDivergence(order, sampleRate, noiseMultiplier),
      0,
    );
    return divergence + Math.log1p(-1 / order) - Math.log(delta * order) / (order - 1);
  });
  return Math.max(0, Math.min(...bounds));
}

/** The spendings with one more round; equal kinds are counted together. */
export function spend(spendings: readonly Spending[], sampleRate: number, noiseMultiplier: number): Spending[] {
  const same = (each: Spending) => each.sampleRate === sampleRate && each.noiseMultiplier === noiseMultiplier;
  if (!spendings.some(same)) return [...spendings, { sampleRate, noiseMultiplier, rounds: 1 }];
  return spendings.map((each) => (same(each) ? { ...each, rounds: each.rounds + 1 } : each));
}

/** log(e^a + e^b) without overflow. */
function logSum(a: number, b: number): number {
  const [high, low] = a > b ? [a, b] : [b, a];
  return high + Math.log1p(Math.exp(low - high));
}
