// Every strategy: its formula by hand, and the properties that all must have.
import { expect } from "chai";
import { float32, memoryResult, random, sameTensor } from "@perennial-fl/core";
import type { Parameters, Saved } from "@perennial-fl/core";
import { fedAdam, fedAvg, strategies } from "../src/index.js";
import type { Contribution, Strategy } from "../src/index.js";
import { rows, updates } from "./table.js";

const contribution = (client: string, values: Iterable<number>, numExamples: number): Contribution => {
  const data = Float32Array.from(values);
  return { client, result: memoryResult([float32([data.length], data)]), numExamples, metrics: {} };
};

/** One round of a strategy, by hand of the test. */
function round(
  strategy: Strategy,
  [model, state]: readonly [Parameters, Saved],
  contributions: readonly Contribution[],
) {
  return strategy.move.update(strategy.aggregate(contributions, model), state, model);
}

const rounds = updates.map((clients) =>
  clients.map(({ values, numExamples }, i) => contribution(`c${i}`, values, numExamples)),
);

it("every strategy has a row in the table", () => {
  expect(rows.map(({ name }) => name)).to.have.members(Object.keys(strategies));
});

for (const row of rows) {
  describe(row.name, () => {
    const start = (): readonly [Parameters, Saved] => {
      const model = [float32([2], [1, -2])];
      return [model, row.strategy().move.init(model)];
    };

    it("gives the numbers of its formula over two rounds", () => {
      const strategy = row.strategy();
      const [model] = rounds.reduce((held, contributions) => round(strategy, held, contributions), start());
      for (const [i, expected] of row.afterTwoRounds.entries()) {
        expect(model[0]?.data[i]).to.be.closeTo(expected, 1e-6 * Math.max(1, Math.abs(expected)));
      }
    });

    it("remembers nothing itself: a second instance goes on from the first one's state, bit for bit", () => {
      const [whole] = rounds.reduce((held, contributions) => round(row.strategy(), held, contributions), start());
      const strategy = row.strategy();
      const [again] = rounds.reduce((held, contributions) => round(strategy, held, contributions), start());
      expect(sameTensor(whole[0]!, again[0]!)).to.equal(true);
    });

    it("does not write to what it is given", () => {
      const held = start();
      const before = held[0][0]!.data.slice();
      round(row.strategy(), held, rounds[0]!);
      expect(held[0][0]!.data).to.deep.equal(before);
    });

    it("has a plan of plain values that names it", () => {
      expect(row.strategy().plan["strategy"]).to.equal(row.name);
    });
  });
}

describe("fedadam", () => {
  it("would give another model if its state were lost: the moments matter", () => {
    const strategy = fedAdam();
    const model = [float32([2], [1, -2])];
    const first = round(strategy, [model, strategy.move.init(model)], rounds[0]!);
    const kept = round(strategy, first, rounds[1]!);
    const lost = round(strategy, [first[0], strategy.move.init(model)], rounds[1]!);
    expect(sameTensor(kept[0][0]!, lost[0][0]!)).to.equal(false);
  });

  it("refuses a model that is not float32, and rates that make no sense", () => {
    const half = { dtype: "float16", shape: [1], data: Uint16Array.of(0) } as const;
    expect(() => fedAdam().move.init([half])).to.throw("fedadam moves float32 tensors, not float16[1]");
    expect(() => fedAdam({ beta1: 1 })).to.throw("fedadam's beta1 cannot be 1");
    expect(() => fedAdam({ eta: NaN })).to.throw("fedadam's eta cannot be NaN");
  });
});

describe("the choice of clients", () => {
  const clients = ["a", "b", "c", "d", "e"];

  it("has Flower's size: the fraction rounded down, at least the minimum, at most all", () => {
    const size = (fractionFit: number, minFitClients: number) =>
      fedAvg({ fractionFit, minFitClients }).selectFit.choose(clients, random("size")).length;
    expect([size(1, 2), size(0.5, 2), size(0.1, 2), size(0.1, 9), size(0, 2)]).to.deep.equal([5, 2, 2, 5, 0]);
  });

  it("waits for the larger of both minimums", () => {
    expect(fedAvg({ minFitClients: 3, minAvailableClients: 2 }).selectFit.minAvailable).to.equal(3);
  });

  it("is the same for the same draw, and reaches everyone", () => {
    const { selectFit } = fedAvg({ fractionFit: 0.4 });
    expect(selectFit.choose(clients, random(1))).to.deep.equal(selectFit.choose(clients, random(1)));
    const seen = new Set(Array.from({ length: 50 }, (_, i) => selectFit.choose(clients, random(i))).flat());
    expect([...seen].sort()).to.deep.equal(clients);
  });

  it("refuses a fraction or a minimum that makes no sense", () => {
    expect(() => fedAvg({ fractionFit: 1.5 })).to.throw("a fraction of clients is from 0 to 1, not 1.5");
    expect(() => fedAvg({ minFitClients: 0 })).to.throw("min is a number of clients from 1, not 0");
  });
});
