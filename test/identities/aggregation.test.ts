// Identities of aggregation that hold to the bit or to a stated bound: what any correct engine must satisfy.
import { expect } from "chai";
import { float32, memoryResult, permutation, random, sameTensor } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import * as all from "@perennial-fl/strategy";
import type { Contribution, Held, Strategy } from "@perennial-fl/strategy";

const length = 400;
const draw = random("identities");
const vector = (): Tensor =>
  float32(
    [length],
    Float32Array.from({ length }, () => 1 + 0.05 * draw.normal()),
  );
const sent = (update: Tensor, numExamples: number, client = "c"): Contribution => {
  return { client, result: memoryResult([update]), numExamples, metrics: { train_loss: { float: 1.5 } } };
};
const cohort = (count: number): Contribution[] =>
  Array.from({ length: count }, (_, k) => sent(vector(), 1 + draw.below(3000), `client-${k}`));
const begin = (strategy: Strategy, parameters: Parameters): Held => {
  return { parameters, state: strategy.move.init(parameters) };
};
const once = (strategy: Strategy, contributions: readonly Contribution[], current = [start]): Tensor =>
  all.advance(strategy, contributions, begin(strategy, current), { round: 1, seed: 1 }).parameters[0] as Tensor;
const expectBits = (a: Tensor, b: Tensor) => expect(sameTensor(a, b)).to.equal(true);
const farthest = (a: Tensor, b: Tensor): number =>
  Math.max(...Array.from(a.data as Float32Array, (x, i) => Math.abs(x - (b.data[i] as number))));
const start = vector();

describe("identities of aggregation, to the bit:", () => {
  const model = vector();
  for (const [name, strategy] of [
    ["mean", all.fedAvg()],
    ["median", all.fedMedian()],
    ["trimmed mean", all.fedTrimmedAvg({ beta: 0.2 })],
    ["Krum", all.krum({ numMaliciousClients: 2 })],
    ["Multi-Krum", all.krum({ numMaliciousClients: 2, numClientsToKeep: 5 })],
    ["Bulyan", all.bulyan({ numMaliciousClients: 2 })],
  ] as const) {
    it(`the ${name} of identical models is the model (1, 26)`, () => {
      const same = Array.from({ length: 11 }, (_, k) => sent(model, 1 + 37 * k));
      expectBits(once(strategy, same), model);
    });

    it(`the ${name} lies between the least and the most of every coordinate (6)`, () => {
      const contributions = cohort(11);
      const result = once(strategy, contributions).data as Float32Array;
      const inputs = contributions.map(({ result: update }) => update.read(0).data as Float32Array);
      for (const [i, x] of result.entries()) {
        const column = inputs.map((input) => input[i] as number);
        expect(x).to.be.within(Math.min(...column), Math.max(...column));
      }
    });
  }

  it("multiplying all weights by a power of two changes nothing; by three, at most one unit in the last place (4)", () => {
    const contributions = cohort(9);
    const scaled = (by: number) => contributions.map((c) => ({ ...c, numExamples: by * c.numExamples }));
    const mean = once(all.fedAvg(), contributions);
    expectBits(once(all.fedAvg(), scaled(8)), mean);
    expect(farthest(once(all.fedAvg(), scaled(3)), mean)).to.be.at.most(2 ** -22);
  });

  it("splitting a client into two with its model changes nothing (7)", () => {
    const [first, ...rest] = cohort(6) as [Contribution, ...Contribution[]];
    const whole = { ...first, numExamples: 300 };
    const halves = [
      { ...first, numExamples: 101 },
      { ...first, numExamples: 199 },
    ];
    expectBits(once(all.fedAvg(), [whole, ...rest]), once(all.fedAvg(), [...halves, ...rest]));
  });

  it("FedAvgM with no momentum and rate 1 is FedAvg over rounds (15)", () => {
    const [plain, momentum] = [all.fedAvg(), all.fedAvgM()];
    let [a, b] = [begin(plain, [start]), begin(momentum, [start])];
    for (let round = 1; round <= 3; round++) {
      const contributions = cohort(5);
      a = all.advance(plain, contributions, a, { round, seed: 1 });
      b = all.advance(momentum, contributions, b, { round, seed: 1 });
      expectBits(a.parameters[0] as Tensor, b.parameters[0] as Tensor);
    }
  });

  it("a trimmed mean with the maximal cut is the median, for odd and even cohorts (25)", () => {
    for (const count of [9, 10]) {
      const contributions = cohort(count);
      const beta = (count / 2 - 0.5) / count;
      expectBits(once(all.fedTrimmedAvg({ beta }), contributions), once(all.fedMedian(), contributions));
    }
  });

  it("Krum gives back one of its inputs, in whatever order they come (27)", () => {
    const contributions = cohort(9);
    const chosen = once(all.krum({ numMaliciousClients: 2 }), contributions);
    expect(contributions.filter(({ result }) => sameTensor(result.read(0), chosen))).to.have.length(1);
    for (let i = 0; i < 10; i++) {
      const shuffled = Array.from(permutation(9, draw), (k) => contributions[k] as Contribution);
      expectBits(once(all.krum({ numMaliciousClients: 2 }), shuffled), chosen);
    }
  });

  it("scaling all differences by a power of two does not move FedAdam, FedAdagrad or FedYogi, with tau 0 (30)", () => {
    const zero = float32([length], new Float32Array(length));
    const contributions = cohort(5);
    const scaled = contributions.map((c) => {
      const { data } = c.result.read(0);
      return sent(
        float32(
          [length],
          (data as Float32Array).map((x) => 32 * x),
        ),
        c.numExamples,
      );
    });
    for (const method of [all.fedAdam, all.fedAdagrad, all.fedYogi]) {
      const strategy = method({ tau: 0 });
      expectBits(once(strategy, scaled, [zero]), once(strategy, contributions, [zero]));
    }
  });

  it("clients that did not move leave the model as it is, under every strategy (37)", () => {
    const still = Array.from({ length: 11 }, (_, k) => sent(start, 5 + k));
    for (const method of Object.values(all.strategies)) {
      const strategy: Strategy = method();
      expectBits(once(strategy, still), start);
    }
  });

  it("a round without a single answer leaves model and memory as they are (38)", () => {
    for (const method of Object.values(all.strategies)) {
      const strategy: Strategy = method();
      const held = begin(strategy, [start]);
      expect(all.advance(strategy, [], held, { round: 1, seed: 1 })).to.deep.equal(held);
    }
  });
});

describe("identities of aggregation, to a bound:", () => {
  const even = (contributions: readonly Contribution[]) => contributions.map((c) => ({ ...c, numExamples: 1 }));
  const bound = 2 ** -22;

  it("a trimmed mean without a cut, Multi-Krum that keeps all and Bulyan against nobody are means (24, 28)", () => {
    const contributions = even(cohort(7));
    const mean = once(all.fedAvg(), contributions);
    for (const strategy of [
      all.fedTrimmedAvg({ beta: 0 }),
      all.krum({ numClientsToKeep: 7 }),
      all.bulyan({ numMaliciousClients: 0 }),
    ]) {
      expect(farthest(once(strategy, contributions), mean)).to.be.at.most(bound);
    }
  });

  it("FedAdam's first round without bias correction is FedYogi's (29)", () => {
    const rates = { eta: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-3 };
    // Flower's correction multiplies the rate; taken out of it, the two rules are one.
    const correction = Math.sqrt(1 - 0.99 ** 2) / (1 - 0.9 ** 2);
    const contributions = cohort(5);
    const adam = once(all.fedAdam({ ...rates, eta: 0.1 / correction }), contributions);
    expect(farthest(adam, once(all.fedYogi(rates), contributions))).to.be.at.most(2 ** -22);
  });

  it("q-FedAvg with q = 0 is the unweighted mean, whatever the learning rate (23)", () => {
    const contributions = cohort(7);
    const mean = once(all.fedAvg(), even(contributions));
    for (const learningRate of [0.01, 1, 7]) {
      const fair = once(all.qFedAvg({ q: 0, learningRate }), contributions);
      expect(farthest(fair, mean)).to.be.at.most(bound);
    }
  });

  it("the weighted mean of clients' accuracies and losses is the pooled one (40, 41)", () => {
    const correct = [3, 50, 17];
    const numExamples = [10, 64, 31];
    const reports = correct.map((c, k) => {
      const n = numExamples[k] as number;
      return { numExamples: n, metrics: { accuracy: { float: c / n } } };
    });
    expect(all.weightedMetrics(reports)["accuracy"]).to.be.closeTo(70 / 105, 1e-15);
  });

  it("of a convex loss, the mean model's is at most the mean of the models' losses (47)", () => {
    const contributions = cohort(6);
    const loss = (w: Tensor) => (w.data as Float32Array).reduce((sum, x) => sum + (x - 1) ** 2, 0);
    const total = contributions.reduce((sum, { numExamples }) => sum + numExamples, 0);
    const mean = contributions.reduce((sum, c) => sum + (c.numExamples * loss(c.result.read(0))) / total, 0);
    expect(loss(once(all.fedAvg(), contributions))).to.be.at.most(mean + 1e-6);
  });
});
