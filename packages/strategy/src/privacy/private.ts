// Differential privacy for clients: any strategy, with clipped updates, noise, and an account of what was spent.
import { FederationError, numberOf } from "@perennial-fl/core";
import type { Parameters, Random, Saved } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "../numbers.js";
import type { Contribution, RoundContext, Strategy } from "../strategy.js";
import { epsilonOf, spend } from "./accountant.js";
import type { Spending } from "./accountant.js";
import { clipped, updateNorm } from "./clipping.js";

export interface PrivacyOptions {
  /** z: the noise on the mean has a standard deviation of z · clipping norm / clients. */
  readonly noiseMultiplier: number;
  /** The clipping norm at the beginning; with `adaptive` it moves. */
  readonly clippingNorm: number;
  /** How many clients there are to choose from: the accountant's sample rate is the cohort's share of them. */
  readonly population: number;
  /**
   * Who clips. `server` (default): the updates are clipped on arrival. `client`: clients are told `clipping_norm` and
   * clip themselves, as Flower's mod does, and are believed.
   */
  readonly clipOn?: "client" | "server";
  /** Adaptive clipping (Andrew et al. 2021, arXiv 1905.03871). */
  readonly adaptive?: {
    /** γ: the share of updates that should lie within the norm. Default 0.5. */
    readonly targetQuantile?: number;
    /** η of C ← C · exp(−η (b − γ)). Default 0.2. */
    readonly learningRate?: number;
    /** σ_b, the noise on the count of updates within the norm. Default: clients / 20. */
    readonly countStddev?: number;
  };
}

/** What a private strategy remembers: its inner strategy's state, the clipping norm, and the account. */
export type PrivateState = {
  readonly inner: Saved;
  readonly clippingNorm: number;
  readonly spendings: readonly Spending[];
};

/**
 * DP-FedAvg and its relatives (McMahan et al. 2018, arXiv 1710.06963) over any strategy: updates are clipped, averaged
 * with equal weights (a count of examples would unbound a client's influence), and Gaussian noise is added before the
 * model moves. The noise is derived from seed and round, so a resumed run adds the same noise and releases the same
 * model; whoever knows the seed knows the noise, so keep it secret and choose it at random. The generator is not a
 * cryptographic one. The account stands in the per-round state and survives interruptions.
 */
export function withPrivacy(inner: Strategy, options: PrivacyOptions): Strategy<PrivateState> {
  const { noiseMultiplier, clippingNorm, population, clipOn = "server", adaptive } = options;
  check(
    noiseMultiplier >= 0 && noiseMultiplier < Infinity,
    `noiseMultiplier is a number from 0, not ${noiseMultiplier}`,
  );
  check(clippingNorm > 0, `clippingNorm is a number above 0, not ${clippingNorm}`);
  check(
    Number.isSafeInteger(population) && population >= 1,
    `population is a number of clients from 1, not ${population}`,
  );
  // Both would let one client move the model by more than the norm, which the account does not know.
  check(inner.exchange === undefined, "withPrivacy bounds the model's tensors, and this strategy exchanges others too");
  check(
    inner.late === undefined,
    "withPrivacy counts a client once a round, and this strategy counts late updates too",
  );
  const { targetQuantile = 0.5, learningRate = 0.2 } = adaptive ?? {};
  const kind = adaptive ? { targetQuantile, learningRate, countStddev: adaptive.countStddev ?? "clients / 20" } : {};
  const countStddev = (clients: number) => adaptive?.countStddev ?? clients / 20;
  const norm = (state: Saved) => (state as PrivateState).clippingNorm;

  return {
    ...inner,
    plan: { ...inner.plan, privacy: clipOn, noiseMultiplier, clippingNorm, population, ...kind },
    configure: (round, phase, state, client) => {
      const config = inner.configure(round, phase, (state as PrivateState).inner, client);
      return phase === "fit" && clipOn === "client" ? { ...config, clipping_norm: { float: norm(state) } } : config;
    },
    aggregate(contributions, current, context) {
      const limit = norm(context.state);
      const bounded = contributions.map((contribution) => ({
        ...contribution,
        numExamples: 1,
        result: clipOn === "server" ? clipped(contribution.result, current, limit) : contribution.result,
      }));
      const mean = inner.aggregate(bounded, current, { ...context, state: innerState(context) });
      const z = adaptive ? multiplierForUpdates(noiseMultiplier, countStddev(contributions.length)) : noiseMultiplier;
      // Without noise the norm may be endless, and 0 · ∞ is no number.
      return noised(mean, z === 0 ? 0 : (z * limit) / contributions.length, context.random);
    },
    move: {
      init: (parameters) => ({ inner: inner.move.init(parameters), clippingNorm, spendings: [] }),
      update(aggregate, state, current, context) {
        const { contributions } = context;
        const [parameters, remembered] = inner.move.update(aggregate, state.inner, current, {
          ...context,
          state: state.inner,
        });
        const moved = adaptive
          ? state.clippingNorm *
            Math.exp(
              -learningRate *
                (shareWithin(context, current, clipOn, state.clippingNorm, countStddev(contributions.length)) -
                  targetQuantile),
            )
          : state.clippingNorm;
        const spendings = spend(state.spendings, Math.min(1, contributions.length / population), noiseMultiplier);
        return [parameters, { inner: remembered, clippingNorm: moved, spendings }];
      },
    },
  };
}

/** ε at a given δ of everything that a private strategy's state accounts for. */
export function privacySpent(state: Saved, delta: number): number {
  return epsilonOf((state as PrivateState).spendings, delta);
}

/** z_Δ = (z⁻² − (2σ_b)⁻²)^(−1/2): part of the budget goes to the noisy count. */
export function multiplierForUpdates(noiseMultiplier: number, countStddev: number): number {
  if (noiseMultiplier === 0) return 0;
  const rest = noiseMultiplier ** -2 - (2 * countStddev) ** -2;
  check(
    rest > 0,
    `a noise multiplier of ${noiseMultiplier} needs a count noise above ${noiseMultiplier / 2}, not ${countStddev}`,
  );
  return rest ** -0.5;
}

function innerState({ state }: RoundContext): Saved {
  return (state as PrivateState).inner;
}

/** The noisy share of updates that lay within the norm: from the updates, or from the clients' own `norm_bit`. */
function shareWithin(
  { contributions, random }: RoundContext,
  current: Parameters,
  clipOn: "client" | "server",
  norm: number,
  stddev: number,
): number {
  const within = (contribution: Contribution): boolean => {
    if (clipOn === "server") return updateNorm(contribution.result, current) <= norm;
    const bit = contribution.metrics["norm_bit"];
    if (typeof bit === "boolean") return bit;
    const number = numberOf(bit);
    if (number === undefined) {
      throw new FederationError(
        "strategy/failed",
        `adaptive clipping by clients needs the fit metric norm_bit from ${contribution.client}`,
      );
    }
    return number !== 0;
  };
  const count = contributions.filter(within).length;
  return (count + stddev * random.normal()) / contributions.length;
}

function noised(parameters: Parameters, stddev: number, random: Random): Parameters {
  if (stddev === 0) return parameters;
  return parameters.map((tensor) =>
    tensorOf(
      tensor,
      Float64Array.from(numbersOf(tensor), (x) => x + stddev * random.normal()),
    ),
  );
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new FederationError("argument/invalid", message);
}
