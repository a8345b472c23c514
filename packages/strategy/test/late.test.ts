// Late updates and buffers: an update of an older model moves the current one, by as much as its age allows.
import { expect } from "chai";
import { float32, memoryResult, sameTensor } from "@perennial-fl/core";
import { advance, discounted, fedAvg, fedBuff, stalenessScale } from "../src/index.js";
import type { Contribution, Strategy } from "../src/index.js";

const current = [float32([2], [10, 20])];
const older = memoryResult([float32([2], [4, 4])]);

function late(client: string, sent: readonly number[], round: number, numExamples = 1): Contribution {
  const result = memoryResult([float32([2], sent)]);
  return { client, result, numExamples, metrics: {}, stale: { round, base: older } };
}

function fresh(client: string, sent: readonly number[], numExamples = 1): Contribution {
  return { client, result: memoryResult([float32([2], sent)]), numExamples, metrics: {} };
}

function after(strategy: Strategy, contributions: readonly Contribution[], round: number): number[] {
  const held = { parameters: current, state: strategy.move.init(current) };
  return Array.from(advance(strategy, contributions, held, { round, seed: 1 }).parameters[0]!.data as Float32Array);
}

describe("a late update", () => {
  it("is scaled by (1 + its age)^-a", () => {
    expect([0, 3, 8].map((age) => stalenessScale(age, { exponent: 0.5 }))).to.deep.equal([1, 0.5, 1 / 3]);
    expect(stalenessScale(99, { exponent: 0 })).to.equal(1);
  });

  it("moves the current model by what it had moved its own, scaled", () => {
    // Three rounds old, so half of (8, -4), which is how far it went from (4, 4).
    expect(after(fedAvg({ late: "stale" }), [late("a", [12, 0], 2)], 5)).to.deep.equal([14, 18]);
    const mixed = [late("a", [12, 0], 2), fresh("b", [10, 22], 3)];
    expect(after(fedAvg({ late: "stale" }), mixed, 5)).to.deep.equal([11, 21]);
  });

  it("that is not late is given back as it is, to the bit", () => {
    const contribution = fresh("a", [1, 2]);
    expect(discounted(contribution, current, 5, { exponent: 0.5 })).to.equal(contribution);
    expect(discounted(late("a", [1, 2], 5), current, 5, { exponent: 0.5 }).result.read(0).data[0]).to.equal(1);
  });

  it("needs an exponent that is one", () => {
    expect(() => fedAvg({ late: "stale", stalenessExponent: -1 })).to.throw(
      "stalenessExponent is a number from 0, not -1",
    );
  });

  it("is part of the plan only where it counts: runs that drop it can be resumed as before", () => {
    expect(fedAvg().plan).to.not.have.any.keys("late", "stalenessExponent");
    expect(fedAvg({ late: "stale" }).plan).to.include({ late: "stale", stalenessExponent: 0.5 });
  });
});

describe("FedBuff", () => {
  it("moves by the mean of the scaled differences, whatever the numbers of examples", () => {
    // 1/2 (1/2 (8, -4) + (0, 2)) with a server rate of 1/2.
    const buffer = [late("a", [12, 0], 2, 900), fresh("b", [10, 22])];
    expect(after(fedBuff({ serverLearningRate: 0.5 }), buffer, 5)).to.deep.equal([11, 20]);
  });

  it("without delay is the plain mean, to the bit", () => {
    const updates = [fresh("a", [0.1, 0.7]), fresh("b", [0.3, -0.2]), fresh("c", [1e-9, 5])];
    const held = { parameters: current, state: null };
    const [mean, buffered] = [fedAvg(), fedBuff()].map(
      (strategy) => advance(strategy, updates, held, { round: 1, seed: 1 }).parameters[0]!,
    );
    expect(sameTensor(mean!, buffered!)).to.equal(true);
  });

  it("closes at its size and needs one", () => {
    expect(fedBuff({ bufferSize: 3 }).selectFit.closesAt?.(100)).to.equal(3);
    expect(() => fedBuff({ bufferSize: 0 })).to.throw("fedbuff's bufferSize is a whole number from 1, not 0");
  });
});
