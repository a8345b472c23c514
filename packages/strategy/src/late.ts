// Updates that were trained from an older model: brought to the current one, and scaled down by their age.
import { FederationError } from "@perennial-fl/core";
import type { Parameters, StoredResult, Tensor } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "./numbers.js";
import type { Contribution, LatePolicy } from "./strategy.js";

/** s(τ) = (1 + τ)^−a (Nguyen et al. 2022, arXiv 2106.06639, with a = 1/2). */
export function stalenessScale(staleness: number, { exponent }: LatePolicy): number {
  return (1 + staleness) ** -exponent;
}

/**
 * The contribution as if it had moved the current model: w + s(τ) (w_k − w_τ), for w_τ the model of the round that it was
 * trained in. One that was trained in this round is given back as it is. Tensors are moved when they are read.
 */
export function discounted(
  contribution: Contribution,
  current: Parameters,
  round: number,
  policy: LatePolicy,
): Contribution {
  const { stale, result } = contribution;
  if (stale === undefined || stale.round === round) return contribution;
  const scale = stalenessScale(round - stale.round, policy);
  return { ...contribution, result: moved(result, stale.base, current, scale) };
}

function moved(result: StoredResult, base: StoredResult, current: Parameters, scale: number): StoredResult {
  return {
    tensors: result.tensors,
    read(index) {
      const now = current[index] as Tensor;
      const [from, to] = [numbersOf(base.read(index)), numbersOf(result.read(index))];
      return tensorOf(
        now,
        Float64Array.from(numbersOf(now), (x, i) => x + scale * ((to[i] as number) - (from[i] as number))),
      );
    },
  };
}

/** Throws `argument/invalid` for an exponent that is none. */
export function latePolicy(exponent: number): LatePolicy {
  if (exponent >= 0 && exponent < Infinity) return { exponent };
  throw new FederationError("argument/invalid", `stalenessExponent is a number from 0, not ${exponent}`);
}
