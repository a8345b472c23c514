// Identities of privacy, accounting, selection and the engine.
import { expect } from "chai";
import { float32, memoryResult, memorySink, pour, random, sameTensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { linear, sequential } from "@perennial-fl/module";
import { startServer } from "@perennial-fl/server";
import { advance, clipped, epsilonOf, fedAvg, fedBuff, fedMedian, fedTrimmedAvg } from "@perennial-fl/strategy";
import { krum, multiplierForUpdates, spend, updateNorm, withPrivacy } from "@perennial-fl/strategy";
import type { Contribution, PrivateState, Spending, Strategy } from "@perennial-fl/strategy";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { quickDirectory } from "../support/temporary.js";
import { toyClients } from "../support/toy-clients.js";
import { sameParameters } from "./clients.js";

const length = 200;
const draw = random("identities of the engine");
const vector = (): Tensor =>
  float32(
    [length],
    Float32Array.from({ length }, () => draw.normal()),
  );
const start = vector();
const cohort = (count: number): Contribution[] =>
  Array.from({ length: count }, (_, k) => {
    return { client: `client-${k}`, result: memoryResult([vector()]), numExamples: 1 + draw.below(500), metrics: {} };
  });
const after = (strategy: Strategy, contributions: readonly Contribution[]): Tensor => {
  const held = { parameters: [start], state: strategy.move.init([start]) };
  return advance(strategy, contributions, held, { round: 1, seed: 1 }).parameters[0] as Tensor;
};
const expectBits = (a: Tensor, b: Tensor) => expect(sameTensor(a, b)).to.equal(true);
const even = (contributions: readonly Contribution[]) => contributions.map((each) => ({ ...each, numExamples: 1 }));

describe("identities of aggregation and privacy:", () => {
  it("updates that were poured into a sink and read back aggregate as those in memory, to the bit (8)", async () => {
    const contributions = cohort(5);
    const stored = await Promise.all(
      contributions.map(async (each) => ({ ...each, result: await pour([each.result.read(0)], memorySink()) })),
    );
    expectBits(after(fedAvg(), stored), after(fedAvg(), contributions));
  });

  it("an endless clipping norm and no noise is the unclipped uniform mean, to the bit (33)", () => {
    const contributions = cohort(6);
    const options = { noiseMultiplier: 0, clippingNorm: Infinity, population: 6 };
    expectBits(after(withPrivacy(fedAvg(), options), contributions), after(fedAvg(), even(contributions)));
  });

  it("what is clipped lies within the norm, also after rounding (33)", () => {
    for (const norm of [1e-3, 0.7, 5]) {
      for (const { result } of cohort(4)) {
        expect(updateNorm(clipped(result, [start], norm), [start])).to.be.within(0.99 * norm, norm);
      }
    }
  });

  it("the adaptive norm grows and falls by its formula when all updates lie on one side of it (34)", () => {
    const [eta, gamma, rounds] = [0.3, 0.4, 5];
    for (const [first, factor] of [
      [1e-9, Math.exp(eta * gamma)],
      [1e9, Math.exp(-eta * (1 - gamma))],
    ] as const) {
      const adaptive = { learningRate: eta, targetQuantile: gamma, countStddev: 0 };
      const strategy = withPrivacy(fedAvg(), { noiseMultiplier: 0, clippingNorm: first, population: 9, adaptive });
      let state: PrivateState = strategy.move.init([start]);
      const contributions = cohort(4);
      for (let round = 1; round <= rounds; round++) {
        state = advance(strategy, contributions, { parameters: [start], state }, { round, seed: 1 })
          .state as PrivateState;
      }
      expect(state.clippingNorm / (first * factor ** rounds)).to.be.closeTo(1, 1e-12);
    }
  });

  it("a buffer of the whole cohort without delay is the uniform mean, to the bit (39)", () => {
    const contributions = cohort(4);
    expectBits(after(fedBuff({ bufferSize: 4 }), contributions), after(fedAvg(), even(contributions)));
  });

  it("other names for the clients change nothing under order-free rules (56), and a mean by a rounding at most", () => {
    const contributions = cohort(9);
    const renamed = [...contributions].reverse().map((each, k) => ({ ...each, client: `other-${k}` }));
    for (const strategy of [fedMedian(), fedTrimmedAvg(), krum({ numMaliciousClients: 2 })]) {
      expectBits(after(strategy, renamed), after(strategy, contributions));
    }
    const [a, b] = [after(fedAvg(), renamed), after(fedAvg(), contributions)];
    for (let i = 0; i < length; i++) expect(a.data[i]).to.be.closeTo(b.data[i] as number, 2 ** -23);
  });
});

describe("identities of accounting (55):", () => {
  const delta = 1e-5;
  const spent = (steps: number, rate: number, z: number): number => {
    let account: readonly Spending[] = [];
    for (let step = 0; step < steps; step++) account = spend(account, rate, z);
    return epsilonOf(account, delta);
  };

  it("steps one after another are one account of so many steps, also after a restart", () => {
    const resumed = spend(structuredClone(spend(spend([], 0.01, 2), 0.01, 2)), 0.01, 2);
    expect(epsilonOf(resumed, delta)).to.equal(spent(3, 0.01, 2));
    // Another rate between them is another entry, and the order does not matter.
    const mixed = (rates: readonly number[]) =>
      epsilonOf(
        rates.reduce<readonly Spending[]>((account, rate) => spend(account, rate, 2), []),
        delta,
      );
    expect(mixed([0.01, 0.02, 0.01])).to.be.closeTo(mixed([0.02, 0.01, 0.01]), 1e-12);
  });

  it("more steps and a larger share cost more, and more noise costs less", () => {
    const increasing = (costs: readonly number[]) => {
      expect(costs).to.deep.equal([...costs].sort((a, b) => a - b));
      expect(new Set(costs).size).to.equal(costs.length);
    };
    increasing([1, 10, 100].map((steps) => spent(steps, 0.05, 1)));
    increasing([0.01, 0.05, 0.3].map((rate) => spent(20, rate, 1)));
    increasing([4, 2, 1].map((z) => spent(20, 0.05, z)));
  });

  it("a noisy count takes its part of the budget: z 2 and sigma 5 leave 2.0412", () => {
    expect(multiplierForUpdates(2, 5)).to.be.closeTo(2.0412, 5e-5);
  });
});

describe("identities of selection and of the engine:", () => {
  const module = sequential([linear(3, 2)], { input: [3], seed: 1 });

  it("a fraction of 1 chooses everybody once, and a round's sample rests on nothing but seed and round (54)", () => {
    const ids = Array.from({ length: 20 }, (_, k) => `client-${String(k).padStart(2, "0")}`);
    const chosen = fedAvg().selectFit.choose(ids, random(1, "select", "fit", 3));
    expect([...chosen].sort()).to.deep.equal(ids);
    const half = fedAvg({ fractionFit: 0.5 });
    const sampled = (round: number) => half.selectFit.choose(ids, random(1, "select", "fit", round));
    const third = sampled(3);
    expect([1, 2, 3].map(sampled)[2]).to.deep.equal(third);
  });

  it("evaluation and reporting change nothing about training, to the bit (50)", async () => {
    const run = async (fractionEvaluate: number, observed: boolean) => {
      const { parameters } = await startServer({
        numRounds: 3,
        strategy: fedAvg({ minAvailableClients: 4, fractionFit: 0.75, fractionEvaluate }),
        initialModel: module,
        stateDir: quickDirectory(),
        seed: 2,
        openFleet: (openSink) => scriptedFleet({ clients: toyClients(4), openSink, arrival: 1 }),
        ...(observed && { observe: () => undefined, evaluate: () => ({ loss: 1, metrics: {} }) }),
      });
      return parameters;
    };
    const plain = await run(1, false);
    expect(sameParameters(await run(0, false), plain)).to.equal(true);
    expect(sameParameters(await run(0.5, true), plain)).to.equal(true);
  });
});
