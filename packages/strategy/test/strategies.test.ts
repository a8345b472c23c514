// Every strategy: its formula by hand, and the properties that all must have.
import { expect } from "chai";
import { float32, memoryResult, permutation, random, sameTensor } from "@perennial-fl/core";
import type { Parameters, Saved } from "@perennial-fl/core";
import { advance, bulyan, fedAdam, fedAvg, qFedAvg, strategies } from "../src/index.js";
import type { Contribution, Strategy } from "../src/index.js";
import { losses, rows, updates } from "./table.js";

/** One round of a strategy. */
function round(
  strategy: Strategy,
  [parameters, state]: readonly [Parameters, Saved],
  contributions: readonly Contribution[],
) {
  const held = advance(strategy, contributions, { parameters, state }, { round: 1, seed: 1 });
  return [held.parameters, held.state] as const;
}

const rounds = updates.map((clients) =>
  clients.map((values, k): Contribution => {
    const result = memoryResult([float32([2], values)]);
    return { client: `c${k}`, result, numExamples: 10, metrics: { train_loss: losses[k]! } };
  }),
);

it("every strategy has a row in the table", () => {
  expect(rows.map(({ name }) => name)).to.include.members(Object.keys(strategies));
});

for (const row of rows) {
  describe(row.name, () => {
    const start = (): readonly [Parameters, Saved] => {
      const model = [float32([2], [1, -2])];
      return [model, row.strategy().move.init(model)];
    };
    const play = (strategy: () => Strategy, from = start()) =>
      rounds.reduce<readonly [Parameters, Saved]>(
        (held, contributions) => round(strategy(), held, contributions),
        from,
      );

    it("gives the numbers of its formula over two rounds", () => {
      const [model] = play(row.strategy);
      for (const [i, expected] of row.byHand.entries()) {
        expect(model[0]?.data[i]).to.be.closeTo(expected, 1e-6 * Math.max(1, Math.abs(expected)));
      }
    });

    it("remembers nothing itself: a fresh instance goes on from another's state, bit for bit", () => {
      const one = row.strategy();
      expect(sameTensor(play(row.strategy)[0][0]!, play(() => one)[0][0]!)).to.equal(true);
    });

    if (row.tie !== true)
      it("does not depend on the order of clients beyond rounding", () => {
        const [model] = play(row.strategy);
        const shuffled = rounds.map((clients, r) =>
          Array.from(permutation(clients.length, random(r)), (k) => clients[k]!),
        );
        const [again] = shuffled.reduce<readonly [Parameters, Saved]>(
          (held, contributions) => round(row.strategy(), held, contributions),
          start(),
        );
        for (const i of [0, 1]) expect(again[0]?.data[i]).to.be.closeTo(model[0]?.data[i] as number, 1e-6);
      });

    it("leaves the model alone when every client sends it back", () => {
      const [model, state] = start();
      const echo = rounds[0]!.map((contribution) => ({ ...contribution, result: memoryResult(model) }));
      expect(round(row.strategy(), [model, state], echo)[0]).to.deep.equal(model);
    });

    it("does not write to what it is given", () => {
      const [model, state] = start();
      const before = structuredClone([model, state, rounds[0]!.map(({ result }) => result.read(0))]);
      round(row.strategy(), [model, state], rounds[0]!);
      expect([model, state, rounds[0]!.map(({ result }) => result.read(0))]).to.deep.equal(before);
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

  it("refuses updates that would make its moments endless, for they would hold the model still for ever", () => {
    const strategy = fedAdam();
    const model = [float32([2], [1, -2])];
    const huge = { ...rounds[0]![0]!, result: memoryResult([float32([2], [1, 3e38])]) };
    expect(() => round(strategy, [model, strategy.move.init(model)], [huge])).to.throw(
      "the moments of fedadam would not be finite at element 1 of tensor 0",
    );
  });

  it("refuses a model that is not float32, and rates that make no sense", () => {
    const half = { dtype: "float16", shape: [1], data: Uint16Array.of(0) } as const;
    expect(() => fedAdam().move.init([half])).to.throw("fedadam moves float32 tensors, not float16[1]");
    expect(() => fedAdam({ beta1: 1 })).to.throw("fedadam's beta1 cannot be 1");
    expect(() => fedAdam({ eta: NaN })).to.throw("fedadam's eta cannot be NaN");
  });
});

describe("what a strategy needs of an update", () => {
  it("is a loss for q-FedAvg, and nothing for others", () => {
    const [plain] = rounds[0]!;
    const lacking = { ...plain!, metrics: { train_loss: NaN } };
    expect(qFedAvg().objection?.(plain!)).to.equal(undefined);
    expect(qFedAvg().objection?.(lacking)).to.equal(
      "q-FedAvg needs a loss from 0 as the fit metric train_loss, and it is NaN",
    );
    expect(fedAvg().objection).to.equal(undefined);
  });
});

describe("the share of a cohort that makes a round", () => {
  it("is one client by default, and half of them for the fault-tolerant strategy", () => {
    expect([0, 1].map((answered) => fedAvg().enough(answered, 10))).to.deep.equal([false, true]);
    expect([4, 5].map((answered) => strategies.faulttolerantfedavg().enough(answered, 10))).to.deep.equal([
      false,
      true,
    ]);
  });
});

describe("bulyan", () => {
  it("asks for 4f + 3 clients, and takes no round with fewer", () => {
    const strategy = bulyan({ numMaliciousClients: 2 });
    expect(strategy.selectFit.minAvailable).to.equal(11);
    expect([10, 11].map((answered) => strategy.enough(answered, 11))).to.deep.equal([false, true]);
    expect(bulyan({ numMaliciousClients: 1, minFitClients: 5 }).selectFit.minAvailable).to.equal(7);
  });
});

describe("the choice of clients", () => {
  const clients = ["a", "b", "c", "d", "e"];

  it("has Flower's size: the fraction rounded down, at least the minimum, at most all", () => {
    const size = (fractionFit: number, minFitClients: number) =>
      fedAvg({ fractionFit, minFitClients }).selectFit.choose(clients, random("size")).length;
    expect([size(1, 2), size(0.5, 2), size(0.1, 2), size(0.1, 9), size(0, 2)]).to.deep.equal([5, 2, 2, 5, 0]);
  });

  it("waits by default for as many as Flower does", () => {
    const needed = Object.values(strategies).map((make) => make().selectFit.minAvailable);
    const one = Object.keys(strategies).filter((_, i) => needed[i] === 1);
    expect(one).to.deep.equal(["qfedavg", "faulttolerantfedavg"]);
    expect(needed.filter((count) => count > 2)).to.deep.equal([bulyan().selectFit.minAvailable]);
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

  it("asks more clients than it needs when told to, and closes when as many as needed have answered", () => {
    for (const needed of [1, 2, 7, 10]) {
      const { selectFit } = fedAvg({ fractionFit: 0.01, minFitClients: needed, overSelection: 1.3 });
      const cohort = selectFit.choose(
        Array.from({ length: 100 }, (_, i) => `c${i}`),
        random("over"),
      );
      expect(cohort).to.have.length(Math.ceil(needed * 1.3));
      expect(selectFit.closesAt?.(cohort.length)).to.equal(needed);
    }
    expect(fedAvg().selectFit.closesAt?.(5)).to.equal(5);
    expect(() => fedAvg({ overSelection: 0.5 })).to.throw("overSelection is a factor from 1, not 0.5");
  });

  it("refuses a fraction or a minimum that makes no sense", () => {
    expect(() => fedAvg({ fractionFit: 1.5 })).to.throw("a fraction of clients is from 0 to 1, not 1.5");
    expect(() => fedAvg({ minFitClients: 0 })).to.throw("min is a number of clients from 1, not 0");
  });
});
