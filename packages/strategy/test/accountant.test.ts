// The accountant against published values of the sampled Gaussian mechanism, and its identities.
import { expect } from "chai";
import { epsilonOf, renyiDivergence, spend } from "../src/index.js";

/** q, z, delta, rounds, epsilon: values that other accountants of the same formula give. */
const published: readonly (readonly [number, number, number, number, number])[] = [
  [0.01, 4, 1e-5, 10_000, 1.035],
  [0.01, 4, 1e-5, 40_000, 2.213],
  [1 / 60, 4, 9e-6, 3_840, 1.083],
  [1 / 60, 3, 9e-7, 1_728, 1.109],
  [1 / 60, 2, 1e-11, 324, 1.169],
  [100 / 1e5, 1, 1e5 ** -1.1, 1, 0.697],
  [100 / 1e5, 1, 1e5 ** -1.1, 1e4, 0.884],
  [100 / 1e5, 1, 1e5 ** -1.1, 1e6, 6.83],
  [10 / 1e6, 1, 1e6 ** -1.1, 1e6, 0.532],
  [1e3 / 1e6, 1, 1e6 ** -1.1, 1e5, 2.13],
  [1e3 / 1e6, 3, 1e6 ** -1.1, 1e6, 1.705],
  [1e4 / 1e6, 1, 1e6 ** -1.1, 1, 1.366],
  [1e4 / 1e6, 1, 1e6 ** -1.1, 1e4, 7.81],
];

describe("the accountant", () => {
  for (const [sampleRate, noiseMultiplier, delta, rounds, epsilon] of published) {
    it(`spends ε = ${epsilon} in ${rounds} rounds at q = ${sampleRate.toPrecision(3)}, z = ${noiseMultiplier}`, () => {
      expect(epsilonOf([{ sampleRate, noiseMultiplier, rounds }], delta)).to.be.closeTo(epsilon, 0.0015);
    });
  }

  it("agrees with the binomial sum at whole orders, and with the Gaussian mechanism at q = 1", () => {
    // order 2: log(1 + q² (e^(1/z²) − 1))
    for (const [q, z] of [
      [0.01, 1],
      [0.3, 2],
      [0.5, 0.7],
    ] as const) {
      expect(renyiDivergence(2, q, z)).to.be.closeTo(Math.log1p(q * q * Math.expm1(1 / z ** 2)), 1e-10);
    }
    expect(renyiDivergence(7, 1, 3)).to.equal(7 / 18);
    expect(renyiDivergence(7, 0.999999999, 3)).to.be.closeTo(7 / 18, 1e-6);
  });

  it("grows with rounds and sample rate, and falls with noise", () => {
    const spent = (sampleRate: number, noiseMultiplier: number, rounds: number) =>
      epsilonOf([{ sampleRate, noiseMultiplier, rounds }], 1e-5);
    expect(spent(0.01, 1, 200)).to.be.greaterThan(spent(0.01, 1, 100));
    expect(spent(0.02, 1, 100)).to.be.greaterThan(spent(0.01, 1, 100));
    expect(spent(0.01, 2, 100)).to.be.lessThan(spent(0.01, 1, 100));
    expect(spent(0.01, 0, 1)).to.equal(Infinity);
    expect(epsilonOf([], 1e-5)).to.equal(0);
  });

  it("counts a hundred rounds one by one like a hundred at once", () => {
    let spendings: ReturnType<typeof spend> = [];
    for (let round = 0; round < 100; round++) spendings = spend(spendings, 0.01, 1.5);
    expect(spendings).to.deep.equal([{ sampleRate: 0.01, noiseMultiplier: 1.5, rounds: 100 }]);
    expect(spend(spendings, 0.02, 1.5)).to.have.length(2);
  });
});
