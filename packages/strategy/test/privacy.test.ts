// Private strategies: clipping, noise, adaptive norms, and what a resumption must not change.
import { expect } from "chai";
import { float32, memoryResult, sameTensor } from "@perennial-fl/core";
import {
  advance,
  clipped,
  fedAdam,
  fedAvg,
  keepSpending,
  krum,
  multiplierForUpdates,
  privacySpent,
  updateNorm,
  withPrivacy,
} from "../src/index.js";
import type { Contribution, Held, PrivateState, Strategy } from "../src/index.js";

const current = [float32([2], [1, 1]), float32([1], [0])];
const sent = (values: readonly number[], extra: Partial<Contribution> = {}): Contribution => {
  const [a = 0, b = 0, c = 0] = values;
  const result = memoryResult([float32([2], [a, b]), float32([1], [c])]);
  return { client: "c", result, numExamples: 100, metrics: {}, ...extra };
};
const begin = (strategy: Strategy): Held => ({ parameters: current, state: strategy.move.init(current) });
const options = { noiseMultiplier: 0, clippingNorm: 1, population: 10 };

describe("clipping", () => {
  it("gives back an update within the norm as it is, and scales another onto the norm", () => {
    const near = sent([1.5, 1, 0]).result;
    expect(clipped(near, current, 1)).to.equal(near);
    const far = clipped(sent([4, 5, 0]).result, current, 1);
    const [a, b] = far.read(0).data as Float32Array;
    expect([a, b].map((x) => Number(x?.toFixed(5)))).to.deep.equal([1.6, 1.8]);
    expect(updateNorm(far, current)).to.be.within(1 - 1e-6, 1);
  });
});

describe("a private strategy", () => {
  it("without noise and with an endless norm is the unweighted mean, to the bit", () => {
    const strategy = withPrivacy(fedAvg(), { ...options, clippingNorm: Infinity });
    const contributions = [sent([1, 2, 3], { numExamples: 1 }), sent([3, 4, 5], { numExamples: 999 })];
    const { parameters } = advance(strategy, contributions, begin(strategy), { round: 1, seed: 1 });
    expect(parameters).to.deep.equal([float32([2], [2, 3]), float32([1], [4])]);
  });

  for (const clipOn of ["server", "client"] as const) {
    it(`bounds what one huge client does to the model, though the ${clipOn} is to clip`, () => {
      const strategy = withPrivacy(fedAvg(), { ...options, clipOn });
      const { parameters } = advance(strategy, [sent([1, 1, 0]), sent([1e9, 1, 0])], begin(strategy), {
        round: 1,
        seed: 1,
      });
      expect(parameters[0]?.data[0]).to.be.closeTo(1.5, 1e-6);
    });
  }

  it("adds noise of z · norm / clients to every coordinate", () => {
    const size = 20_000;
    const model = [float32([size], new Float32Array(size))];
    const strategy = withPrivacy(fedAvg(), { noiseMultiplier: 3, clippingNorm: 2, population: 10 });
    const echo: Contribution[] = [1, 2, 3, 4].map(() => ({
      client: "c",
      result: memoryResult(model),
      numExamples: 1,
      metrics: {},
    }));
    const { parameters } = advance(
      strategy,
      echo,
      { parameters: model, state: strategy.move.init(model) },
      { round: 1, seed: 9 },
    );
    const values = Array.from(parameters[0]!.data as Float32Array);
    const variance = values.reduce((sum, x) => sum + x * x, 0) / size;
    expect(Math.sqrt(variance)).to.be.closeTo((3 * 2) / 4, 0.03);
  });

  it("adds the same noise when a round is done again, and other noise in another round or under another seed", () => {
    const strategy = withPrivacy(fedAvg(), { ...options, noiseMultiplier: 1 });
    const noise = (round: number, seed: number) =>
      advance(strategy, [sent([1, 1, 0]), sent([1, 1, 0])], begin(strategy), { round, seed }).parameters[0]!;
    expect(sameTensor(noise(1, 1), noise(1, 1))).to.equal(true);
    expect(sameTensor(noise(1, 1), noise(2, 1))).to.equal(false);
    expect(sameTensor(noise(1, 1), noise(1, 2))).to.equal(false);
  });

  it("adds other noise when a round is done again with other updates, so that two releases do not cancel it", () => {
    const strategy = withPrivacy(fedAvg(), { ...options, noiseMultiplier: 1 });
    const released = (a: number) => {
      const { parameters } = advance(strategy, [sent([a, 1, 0]), sent([1, 1, 0])], begin(strategy), {
        round: 1,
        seed: 1,
      });
      return parameters[1]?.data[0] as number;
    };
    // The last element is the same in both means: what differs there is the noise.
    expect(released(1.5)).to.equal(released(1.5));
    expect(released(1.5)).not.to.equal(released(1.25));
  });

  it("accounts for all who were asked, and not only for those who answered", () => {
    const strategy = withPrivacy(fedAvg(), { ...options, noiseMultiplier: 1 });
    const { state } = advance(strategy, [sent([1, 2, 0])], begin(strategy), { round: 1, seed: 1, asked: 4 });
    expect((state as PrivateState).spendings[0]?.sampleRate).to.equal(0.4);
  });

  it("is refused around an aggregate that is no mean, for which its noise would be too little", () => {
    const private_ = (noiseMultiplier: number) => () => withPrivacy(krum(), { ...options, noiseMultiplier });
    expect(private_(1)).to.throw('withPrivacy\'s noise is for a mean of updates, and "krum" aggregates by krum');
    expect(private_(0)).not.to.throw();
  });

  it("takes no round with too few clients to hide how many lie within an adaptive norm", () => {
    const strategy = withPrivacy(fedAvg(), { ...options, noiseMultiplier: 1, adaptive: {} });
    expect([10, 11].map((answered) => strategy.enough(answered, 11))).to.deep.equal([false, true]);
    expect(() => withPrivacy(fedAvg(), { ...options, noiseMultiplier: 1, adaptive: { countStddev: 0.5 } })).to.throw(
      "needs a count noise above 0.5, not 0.5",
    );
  });

  it("keeps what a later state had spent when a run is taken back", () => {
    const strategy = withPrivacy(fedAvg(), { ...options, noiseMultiplier: 1 });
    const early = begin(strategy);
    const late = advance(strategy, [sent([1, 2, 0])], early, { round: 1, seed: 1 });
    expect(keepSpending(early.state, late.state)).to.deep.equal({
      ...(early.state as PrivateState),
      spendings: (late.state as PrivateState).spendings,
    });
    expect(keepSpending(null, late.state)).to.equal(null);
  });

  it("keeps its inner strategy's memory and its account in the state", () => {
    const strategy = withPrivacy(fedAdam(), { ...options, noiseMultiplier: 1 });
    let held = begin(strategy);
    for (const round of [1, 2, 3])
      held = advance(strategy, [sent([1, 2, 0]), sent([2, 1, 0])], held, { round, seed: 1 });
    const state = held.state as PrivateState;
    expect(state.spendings).to.deep.equal([{ sampleRate: 0.2, noiseMultiplier: 1, rounds: 3 }]);
    expect((state.inner as { step: number }).step).to.equal(3);
    expect(privacySpent(held.state, 1e-5)).to.be.within(1, 20);
    expect(privacySpent(state.inner, 1e-5)).to.equal(undefined);
  });

  it("moves an adaptive norm down while all updates lie within it, and up while none does", () => {
    const norm = (update: readonly number[], rounds: number) => {
      const strategy = withPrivacy(fedAvg(), { ...options, adaptive: { countStddev: 0 } });
      let held = begin(strategy);
      for (let round = 1; round <= rounds; round++) {
        const contribution = {
          ...sent(update),
          result: memoryResult(
            held.parameters.map((p, i) =>
              i === 0 ? float32([2], [(p.data[0] as number) + update[0]!, p.data[1] as number]) : p,
            ),
          ),
        };
        held = advance(strategy, [contribution, contribution], held, { round, seed: 1 });
      }
      return (held.state as PrivateState).clippingNorm;
    };
    expect(norm([0], 5)).to.be.closeTo(Math.exp(-0.2 * 0.5 * 5), 1e-12);
    expect(norm([1e6], 5)).to.be.closeTo(Math.exp(0.2 * 0.5 * 5), 1e-12);
  });

  it("splits its noise between updates and count as published", () => {
    expect(multiplierForUpdates(2, 5)).to.be.closeTo(2.0412, 5e-5);
    expect(() => multiplierForUpdates(2, 1)).to.throw("needs a count noise above 1, not 1");
  });

  it("tells clients the norm when they clip themselves, as a float, and believes their norm_bit", () => {
    const strategy = withPrivacy(fedAvg(), {
      ...options,
      clippingNorm: 2,
      clipOn: "client",
      adaptive: { countStddev: 0 },
    });
    const held = begin(strategy);
    expect(strategy.configure(1, "fit", held.state, "a")).to.deep.equal({ clipping_norm: { float: 2 } });
    expect(strategy.configure(1, "evaluate", held.state, "a")).to.deep.equal({});
    const bits = [true, false].map((norm_bit) => sent([1, 1, 0], { metrics: { norm_bit } }));
    expect((advance(strategy, bits, held, { round: 1, seed: 1 }).state as PrivateState).clippingNorm).to.equal(2);
    const without = sent([1, 1, 0]);
    expect(strategy.objection?.(without)).to.equal("adaptive clipping by clients needs the fit metric norm_bit");
    expect(strategy.objection?.(bits[1]!)).to.equal(undefined);
    expect(() => advance(strategy, [without], held, { round: 1, seed: 1 })).to.throw("the update of c: adaptive");
  });

  it("names its options in the plan and refuses those that make no sense", () => {
    expect(withPrivacy(fedAvg(), options).plan).to.include({ strategy: "fedavg", noiseMultiplier: 0, clippingNorm: 1 });
    expect(() => withPrivacy(fedAvg(), { ...options, noiseMultiplier: -1 })).to.throw(
      "noiseMultiplier is a number from 0, not -1",
    );
    expect(() => withPrivacy(fedAvg(), { ...options, clippingNorm: 0 })).to.throw(
      "clippingNorm is a number above 0, not 0",
    );
    expect(() => withPrivacy(fedAvg(), { ...options, population: 0.5 })).to.throw("population is a number of clients");
  });
});
