// Differential privacy for clients: any strategy, with clipped updates, noise, and an account of what was spent.
import { FederationError, numberOf } from "@perennial-fl/core";
import type { Metrics, Parameters, Saved } from "@perennial-fl/core";
import type { Contribution, Objection, RoundContext, Strategy } from "../strategy.js";
import { epsilonOf, spend } from "./accountant.js";
import type { Spending } from "./accountant.js";
import { clipped, updateNorm } from "./clipping.js";
import { noiseFor, noised } from "./noise.js";

export interface PrivacyOptions {
  /** z: the noise on the mean has a standard deviation of z · clipping norm / clients. */
  readonly noiseMultiplier: number;
  /** The clipping norm at the beginning; with `adaptive` it moves. */
  readonly clippingNorm: number;
  /**
   * How many clients there are to choose from: the accountant's sample rate is the share of them that was asked, for
   * whether a client answers is not left to chance.
   */
  readonly population: number;
  /**
   * Who clips. `server` (default): the updates are clipped on arrival. `client`: clients are told `clipping_norm` and
   * clip themselves, as Flower's mod does, so that nobody sees more; what one of them did not clip is clipped on arrival.
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
 * DP-FedAvg and its relatives (McMahan et al. 2018, arXiv 1710.06963) over any strategy that moves by a mean: updates are
 * clipped, averaged with equal weights (a count of examples would unbound a client's influence), and Gaussian noise is
 * added before the model moves. The noise is derived from seed, round and the mean itself: a resumed run adds the same
 * noise and releases the same model, and a round that is done again with other updates gets other noise, so that two
 * releases do not cancel it. Whoever knows the seed knows the noise, so keep it secret and choose it at random. The
 * generator is not a cryptographic one. The account stands in the per-round state and survives interruptions.
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
  // All three would let one client move the model by more than the norm, which the account does not know.
  check(inner.exchange === undefined, "withPrivacy bounds the model's tensors, and this strategy exchanges others too");
  check(
    inner.late === undefined,
    "withPrivacy counts a client once a round, and this strategy counts late updates too",
  );
  const { rule } = inner.aggregate;
  check(
    noiseMultiplier === 0 || rule?.name === "mean" || rule?.name === "exact-mean",
    `withPrivacy's noise is for a mean of updates, and ${JSON.stringify(inner.plan["strategy"])} aggregates by ${rule?.name ?? "a rule of its own"}`,
  );
  const { targetQuantile = 0.5, learningRate = 0.2 } = adaptive ?? {};
  const kind = adaptive ? { targetQuantile, learningRate, countStddev: adaptive.countStddev ?? "clients / 20" } : {};
  const countStddev = (clients: number) => adaptive?.countStddev ?? clients / 20;
  const needsCountNoise = adaptive !== undefined && noiseMultiplier > 0;
  if (needsCountNoise && adaptive.countStddev !== undefined)
    multiplierForUpdates(noiseMultiplier, adaptive.countStddev);
  const norm = (state: Saved) => (state as PrivateState).clippingNorm;
  const objections = [inner.objection, adaptive && clipOn === "client" ? bitObjection : undefined];

  return {
    ...inner,
    // With the default noise on the count, a few clients cannot hide how many of them lie within the norm.
    enough: (answered, asked) =>
      inner.enough(answered, asked) && !(needsCountNoise && noiseMultiplier >= 2 * countStddev(answered)),
    objection: (contribution) => objections.map((each) => each?.(contribution)).find((why) => why !== undefined),
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
        result: clipped(contribution.result, current, limit),
      }));
      const mean = inner.aggregate(bounded, current, { ...context, state: innerState(context) });
      const z = adaptive ? multiplierForUpdates(noiseMultiplier, countStddev(contributions.length)) : noiseMultiplier;
      // Without noise the norm may be endless, and 0 · ∞ is no number.
      const stddev = z === 0 ? 0 : (z * limit) / contributions.length;
      return stddev === 0 ? mean : noised(mean, stddev, noiseFor("updates", context.random, mean));
    },
    move: {
      init: (parameters) => ({ inner: inner.move.init(parameters), clippingNorm, spendings: [] }),
      update(aggregate, state, current, context) {
        const { contributions, asked } = context;
        const [parameters, remembered] = inner.move.update(aggregate, state.inner, current, {
          ...context,
          state: state.inner,
        });
        const spendings = spend(state.spendings, Math.min(1, asked / population), noiseMultiplier);
        if (!adaptive) return [parameters, { inner: remembered, clippingNorm: state.clippingNorm, spendings }];
        const noise = countStddev(contributions.length) * noiseFor("count", context.random, aggregate).normal();
        const share = (countWithin(context, current, clipOn, state.clippingNorm) + noise) / contributions.length;
        const moved = state.clippingNorm * Math.exp(-learningRate * (share - targetQuantile));
        return [parameters, { inner: remembered, clippingNorm: moved, spendings }];
      },
    },
  };
}

/**
 * The state with all that a later state of the same run had spent: for whoever takes the run back, since what was released
 * stays released. A state that accounts for nothing is given back as it is.
 */
export function keepSpending(state: Saved, later: Saved): Saved {
  return isPrivate(state) && isPrivate(later) ? { ...state, spendings: later.spendings } : state;
}

function isPrivate(state: Saved): state is PrivateState {
  return state !== null && typeof state === "object" && "spendings" in state && "clippingNorm" in state;
}

/** ε at a given δ of everything that a strategy's state accounts for; `undefined` where it accounts for nothing. */
export function privacySpent(state: Saved, delta: number): number | undefined {
  return isPrivate(state) ? epsilonOf(state.spendings, delta) : undefined;
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

/** How many updates lay within the norm: by the updates, or by the clients' own `norm_bit`. */
function countWithin(
  { contributions }: RoundContext,
  current: Parameters,
  clipOn: "client" | "server",
  norm: number,
): number {
  const within = (contribution: Contribution): boolean => {
    if (clipOn === "server") return updateNorm(contribution.result, current) <= norm;
    const bit = normBitOf(contribution.metrics);
    if (bit !== undefined) return bit;
    throw new FederationError("strategy/failed", `the update of ${contribution.client}: ${noBit}`);
  };
  return contributions.filter(within).length;
}

const noBit = "adaptive clipping by clients needs the fit metric norm_bit";

const bitObjection: Objection = ({ metrics }) => (normBitOf(metrics) === undefined ? noBit : undefined);

function normBitOf(metrics: Metrics): boolean | undefined {
  const bit = metrics["norm_bit"];
  if (typeof bit === "boolean") return bit;
  const number = numberOf(bit);
  return number === undefined ? undefined : number !== 0;
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new FederationError("argument/invalid", message);
}
