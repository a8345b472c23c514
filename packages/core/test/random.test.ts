// Seeded randomness: it repeats, it resumes, and its distributions have the moments they should have.
import { expect } from "chai";
import { dirichlet, gamma, permutation, random, randomFrom, sample } from "../src/index.js";

const draws = (count: number, draw: () => number): number[] => Array.from({ length: count }, draw);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("a generator", () => {
  it("draws the same for the same purpose and differently for another", () => {
    const first = draws(8, random(7, "round", 3).uint32);
    expect(draws(8, random(7, "round", 3).uint32)).to.deep.equal(first);
    for (const other of [
      random(7, "round", 4),
      random(8, "round", 3),
      random("7", "round", 3),
      random(7, "round", "3"),
    ]) {
      expect(draws(8, other.uint32)).to.not.deep.equal(first);
    }
  });

  it("keeps its stream for ever: these numbers are part of every saved run", () => {
    expect(draws(4, random("golden", 1).uint32)).to.deep.equal([1165512036, 3008587940, 4273168613, 1152538071]);
  });

  it("goes on exactly from its saved state", () => {
    const original = random("state");
    draws(5, original.uint32);
    const state = original.state();
    const rest = draws(5, original.uint32);
    expect(draws(5, randomFrom(state).uint32)).to.deep.equal(rest);
  });

  it("draws uniform, normal and gamma numbers with the right mean and variance", () => {
    const generator = random("moments");
    const uniform = draws(20_000, generator.float);
    expect(mean(uniform)).to.be.closeTo(0.5, 0.01);
    expect(Math.min(...uniform) >= 0 && Math.max(...uniform) < 1).to.equal(true);
    const normal = draws(20_000, generator.normal);
    expect(mean(normal)).to.be.closeTo(0, 0.03);
    expect(mean(normal.map((x) => x * x))).to.be.closeTo(1, 0.05);
    for (const alpha of [0.3, 1, 4]) {
      const values = draws(20_000, () => gamma(alpha, generator));
      expect(mean(values) / alpha).to.be.closeTo(1, 0.05);
      expect((mean(values.map((x) => x * x)) - mean(values) ** 2) / alpha).to.be.closeTo(1, 0.12);
    }
  });

  it("draws whole numbers below a limit without favouring any", () => {
    const generator = random("below");
    const counts = new Array<number>(6).fill(0);
    for (const drawn of draws(12_000, () => generator.below(6))) counts[drawn]!++;
    for (const count of counts) expect(count).to.be.within(1800, 2200);
  });

  it("shuffles into every order equally often", () => {
    const generator = random("orders");
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = permutation(3, generator).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).to.equal(6);
    for (const count of counts.values()) expect(count).to.be.within(850, 1150);
  });

  it("samples each item at most once", () => {
    const drawn = sample(["a", "b", "c", "d"], 3, random("sample"));
    expect(new Set(drawn).size).to.equal(3);
  });

  it("draws Dirichlet shares that sum to 1, even for a tiny concentration", () => {
    for (const alpha of [1e-4, 0.1, 1, 100]) {
      const shares = dirichlet(alpha, 5, random("shares", alpha));
      expect(shares.reduce((sum, share) => sum + share, 0)).to.be.closeTo(1, 1e-12);
    }
    expect(Math.max(...dirichlet(1000, 4, random("even")))).to.be.lessThan(0.3);
  });
});
