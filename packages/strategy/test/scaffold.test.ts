// SCAFFOLD's server: the paper's sums on hand-computed numbers, what it tells each client, and what it refuses.
import { expect } from "chai";
import { float32, memoryResult, scaffoldNames } from "@perennial-fl/core";
import { advance, fedAvg, scaffold, withPrivacy } from "../src/index.js";
import type { Contribution, Held, ScaffoldState } from "../src/index.js";

const model = [float32([2], [1, -2])];

function answer(client: string, sent: readonly number[], delta?: readonly number[]): Contribution {
  const plain = { client, result: memoryResult([float32([2], sent)]), numExamples: 10, metrics: {} };
  if (delta === undefined) return plain;
  return { ...plain, records: { [scaffoldNames.delta]: memoryResult([float32([2], delta)]) } };
}

function play(rounds: readonly (readonly Contribution[])[], options: Parameters<typeof scaffold>[0]): Held {
  const strategy = scaffold(options);
  const start: Held = { parameters: model, state: strategy.move.init(model) };
  return rounds.reduce((held, sent, r) => advance(strategy, sent, held, { round: r + 1, seed: 1 }), start);
}

const controlOf = ({ state }: Held) => Array.from((state as ScaffoldState).control[0]!.data as Float32Array);

describe("SCAFFOLD's server", () => {
  it("moves x by the plain mean and c by the sum of differences over all clients, not over those that answered", () => {
    const held = play([[answer("a", [2, 0], [4, 8]), answer("b", [4, -4], [0, -4])]], { population: 8 });
    expect(Array.from(held.parameters[0]!.data as Float32Array)).to.deep.equal([3, -2]);
    expect(controlOf(held)).to.deep.equal([0.5, 0.5]);
    const again = play(
      [[answer("a", [2, 0], [4, 8]), answer("b", [4, -4], [0, -4])], [answer("c", [3, -2], [-8, 0])]],
      { population: 8 },
    );
    expect(controlOf(again)).to.deep.equal([-0.5, 0.5]);
  });

  it("gives all updates the same weight, and goes its own rate towards their mean", () => {
    const uneven = [{ ...answer("a", [2, 0], [0, 0]), numExamples: 900 }, answer("b", [4, -4], [0, 0])];
    const held = play([uneven], { population: 2, serverLearningRate: 0.5 });
    expect(Array.from(held.parameters[0]!.data as Float32Array)).to.deep.equal([2, -2]);
  });

  it("tells each client the round of its last update that counted", () => {
    const strategy = scaffold({ population: 3, onFitConfig: () => ({ epochs: 2 }) });
    const { state } = play(
      [[answer("b", [1, 1], [1, 1])], [answer("a", [1, 1], [1, 1])], [answer("b", [1, 1], [0, 0])]],
      {
        population: 3,
      },
    );
    const told = ["a", "b", "c"].map((client) => strategy.configure(4, "fit", state, client));
    expect(told).to.deep.equal([2, 3, 0].map((round) => ({ epochs: 2, [scaffoldNames.counted]: round })));
    expect(strategy.configure(4, "evaluate", state, "a")).to.deep.equal({});
  });

  it("counts an update without a record, and leaves c as it was", () => {
    const held = play([[answer("stock", [3, 3])]], { population: 2 });
    expect(Array.from(held.parameters[0]!.data as Float32Array)).to.deep.equal([3, 3]);
    expect(controlOf(held)).to.deep.equal([0, 0]);
    expect((held.state as ScaffoldState).counted).to.deep.equal([]);
  });

  it("sends the same record to all clients of a round: it is encoded once", () => {
    const { exchange } = scaffold({ population: 2 });
    const { state } = play([[answer("a", [1, 1], [2, 2])]], { population: 2 });
    expect(exchange?.give(state)[scaffoldNames.control]).to.equal((state as ScaffoldState).control);
  });

  it("refuses what it cannot move, a population of none, and a privacy that would not cover its variates", () => {
    const half = { dtype: "float16", shape: [1], data: Uint16Array.of(0) } as const;
    expect(() => scaffold().move.init([half])).to.throw("scaffold moves float32 tensors, not float16[1]");
    expect(() => scaffold({ population: 0 })).to.throw("scaffold's population is a whole number from 1, not 0");
    const privacy = { noiseMultiplier: 1, clippingNorm: 1, population: 5 };
    expect(() => withPrivacy(scaffold(), privacy)).to.throw("this strategy exchanges others too");
    expect(() => withPrivacy(fedAvg({ late: "stale" }), privacy)).to.throw("this strategy counts late updates too");
  });
});
