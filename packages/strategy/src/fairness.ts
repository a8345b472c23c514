// q-FedAvg: clients with a higher loss pull harder.
import { FederationError, numberOf } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "./numbers.js";
import type { Aggregate, Contribution, Objection } from "./strategy.js";

export interface FairnessOptions {
  /** q: 0 is an unweighted mean of the updates; the higher, the fairer. */
  readonly q: number;
  /** η, the clients' learning rate: 1/η estimates the Lipschitz constant. */
  readonly learningRate: number;
  /** The fit metric that holds a client's loss F_k of the model it was sent. */
  readonly lossMetric: string;
}

/** Keeps a loss of 0 away from the pole of F^(q-1), as Flower does. */
const epsilon = 1e-10;

/**
 * q-FedAvg (Li et al. 2020, arXiv 1905.10497). With g_k = (w − w_k)/η and F_k + 1e-10 for F_k:
 *
 *     δ_k = F_k^q g_k        h_k = q F_k^(q−1) ‖g_k‖² + F_k^q / η        w ← w − Σ δ_k / Σ h_k
 *
 * Throws `strategy/failed` when a client does not report its loss.
 */
export function fairMean({ q, learningRate, lossMetric }: FairnessOptions): Aggregate {
  return (contributions, current) => {
    const losses = contributions.map((contribution) => lossOf(contribution, lossMetric) + epsilon);
    const squaredNorms = losses.map(() => 0);
    const sums = current.map((w, index) => {
      const from = numbersOf(w);
      const sum = new Float64Array(from.length);
      for (const [k, { result }] of contributions.entries()) {
        const update = numbersOf(result.read(index));
        const pull = (losses[k] as number) ** q;
        for (let i = 0; i < sum.length; i++) {
          const gradient = ((from[i] as number) - (update[i] as number)) / learningRate;
          squaredNorms[k] = (squaredNorms[k] as number) + gradient * gradient;
          sum[i] = (sum[i] as number) + pull * gradient;
        }
      }
      return sum;
    });
    const total = losses.reduce(
      (h, loss, k) => h + q * loss ** (q - 1) * (squaredNorms[k] as number) + loss ** q / learningRate,
      0,
    );
    return current.map((w, index) => {
      const [from, sum] = [numbersOf(w), sums[index] as Float64Array];
      return tensorOf(
        w,
        sum.map((delta, i) => (from[i] as number) - delta / total),
      );
    });
  };
}

/** Why q-FedAvg cannot count an update: its client does not report a loss under this name. */
export function lossObjection(lossMetric: string): Objection {
  return ({ metrics }) => {
    const loss = numberOf(metrics[lossMetric]);
    if (loss !== undefined && loss >= 0 && loss < Infinity) return undefined;
    return `q-FedAvg needs a loss from 0 as the fit metric ${lossMetric}, and it is ${String(loss)}`;
  };
}

function lossOf(contribution: Contribution, name: string): number {
  const why = lossObjection(name)(contribution);
  if (why !== undefined) throw new FederationError("strategy/failed", `the update of ${contribution.client}: ${why}`);
  return numberOf(contribution.metrics[name]) as number;
}
