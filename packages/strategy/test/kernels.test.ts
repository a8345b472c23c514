// The kernels against plain TypeScript: the same bits, whatever the length, the number of clients and the numbers.
import { createHash } from "node:crypto";
import { expect } from "chai";
import { float32, memoryResult, permutation, random, sameTensor, tensor } from "@perennial-fl/core";
import type { StoredResult, Tensor } from "@perennial-fl/core";
import { sortingNetwork } from "../src/float32-ranks.js";
import { bulyanAggregate, exactMean, fedAvg, krumAggregate, median, trimmedMean, weightedMean } from "../src/index.js";
import type { Contribution, PlainAggregate } from "../src/index.js";
import { kernels } from "../src/kernels/kernels.js";
import { assembleKernels } from "../src/kernels/source.js";

const draw = random("kernels");

/** Numbers of every size and sign, with zeros of both signs, equal ones and subnormal ones among them. */
function awkward(length: number): Float32Array {
  const special = [0, -0, 1, 1, -1, 2 ** -149, -(2 ** -130), 3.4e38, -3.4e38, 1.1754942e-38];
  return Float32Array.from({ length }, () =>
    draw.below(4) === 0 ? (special[draw.below(special.length)] as number) : draw.normal() * 10 ** (draw.below(9) - 6),
  );
}

function cohort(clients: number, lengths: readonly number[], values = awkward): Contribution[] {
  return Array.from({ length: clients }, (_, i) => ({
    client: `c${i}`,
    result: memoryResult(lengths.map((length) => float32([length], values(length)))),
    numExamples: 1 + draw.below(5000),
    metrics: {},
  }));
}

/** Every coordinate by itself, in float64, rounded once. */
function byCoordinate(
  contributions: readonly Contribution[],
  combine: (values: readonly number[], weights: readonly number[]) => number,
): Tensor[] {
  const [first] = contributions as [Contribution];
  const weights = contributions.map(({ numExamples }) => numExamples);
  return first.result.tensors.map(({ shape }, index) => {
    const all = contributions.map(({ result }) => result.read(index).data as Float32Array);
    return float32(
      shape,
      Float32Array.from({ length: all[0]?.length ?? 0 }, (_, i) => {
        return combine(
          all.map((data) => data[i] as number),
          weights,
        );
      }),
    );
  });
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
/** Ascending, -0 before 0. */
const sorted = (values: readonly number[]): number[] => [...Float64Array.from(values).sort()];
const within = (values: readonly number[], from: number, to: number): number =>
  sumOf(sorted(values).slice(from, to)) / (to - from);

const references: readonly [
  string,
  PlainAggregate,
  (values: readonly number[], weights: readonly number[]) => number,
][] = [
  [
    "the weighted mean",
    weightedMean,
    (values, weights) => sumOf(values.map((value, k) => value * (weights[k] as number))) / sumOf(weights),
  ],
  ["the median", median, (values) => within(values, (values.length - 1) >> 1, (values.length >> 1) + 1)],
  [
    "the trimmed mean",
    trimmedMean(0.2),
    (values) => within(values, Math.floor(0.2 * values.length), values.length - Math.floor(0.2 * values.length)),
  ],
];

const same = (a: readonly Tensor[], b: readonly Tensor[]): boolean =>
  a.length === b.length && a.every((held, i) => sameTensor(held, b[i] as Tensor));

describe("aggregation by kernels", () => {
  for (const [name, aggregate, reference] of references) {
    it(`${name} has the bits of the plain loop, whatever the number of clients and the length`, () => {
      for (const clients of [1, 2, 3, 4, 5, 8, 11, 33]) {
        const contributions = cohort(clients, [0, 1, 3, 4, 63, 257]);
        const current = (contributions[0] as Contribution).result.tensors;
        expect(same(aggregate(contributions, current), byCoordinate(contributions, reference)), `${clients}`).to.equal(
          true,
        );
      }
    });
  }

  it("goes on from tile to tile: tensors longer than one come out whole, and results that are read in parts as others", () => {
    const contributions = cohort(5, [2 ** 15 + 5]);
    const current = (contributions[0] as Contribution).result.tensors;
    const whole = contributions.map((each): Contribution => ({
      ...each,
      result: { tensors: each.result.tensors, read: (index) => each.result.read(index) } satisfies StoredResult,
    }));
    for (const [, aggregate, reference] of references) {
      const expected = byCoordinate(contributions, reference);
      expect(same(aggregate(contributions, current), expected)).to.equal(true);
      expect(same(aggregate(whole, current), expected)).to.equal(true);
    }
  });

  it("chooses by distances that are those of float64 tensors with the same numbers", () => {
    const contributions = cohort(11, [1, 700, 30_000], (length) => Float32Array.from({ length }, () => draw.normal()));
    const current = (contributions[0] as Contribution).result.tensors;
    const doubled = contributions.map((each): Contribution => ({
      ...each,
      result: memoryResult(
        current.map(({ shape }, i) =>
          tensor("float64", shape, Float64Array.from(each.result.read(i).data as Float32Array)),
        ),
      ),
    }));
    const wide = current.map(({ shape }) => ({ dtype: "float64" as const, shape }));
    for (const aggregate of [
      krumAggregate({ malicious: 2 }),
      krumAggregate({ malicious: 2, keep: 4 }),
      bulyanAggregate({ malicious: 2 }),
    ]) {
      const narrow = aggregate(contributions, current);
      const rounded = aggregate(doubled, wide).map(({ shape, data }) =>
        float32(shape, Float32Array.from(data as Float64Array)),
      );
      expect(same(narrow, rounded)).to.equal(true);
    }
  });

  it("sorts any number of values by its network", () => {
    for (let count = 0; count <= 40; count++) {
      for (let time = 0; time < 20; time++) {
        const values = Array.from({ length: count }, () => draw.below(9));
        const expected = [...values].sort((a, b) => a - b);
        for (const [low, high] of sortingNetwork(count)) {
          const [a, b] = [values[low] as number, values[high] as number];
          [values[low], values[high]] = [Math.min(a, b), Math.max(a, b)];
        }
        expect(values).to.deep.equal(expected);
      }
    }
  });

  it("are assembled to the same bytes on every machine", () => {
    expect(createHash("sha256").update(assembleKernels()).digest("hex")).to.equal(
      "2dd16063407599cd79257eac6435dddfbffe7b13007a7272f168fa6eeaec1d5b",
    );
  });

  it("keep their rows apart, however the memory is divided", () => {
    const work = kernels();
    const rows = work.divideMemory([4, 100_000, 64, 8]);
    rows.forEach((row, i) => work.bytes(row).fill(i + 1));
    rows.forEach((row, i) => {
      expect(work.bytes(row).every((byte) => byte === i + 1)).to.equal(true);
      expect(row.address % 64).to.equal(0);
    });
  });
});

describe("the exact mean", () => {
  /** Magnitudes over ten powers of ten, for which the plain float64 sum does depend on the order. */
  const heavy = (length: number): Float32Array =>
    Float32Array.from({ length }, () => (draw.below(2) * 2 - 1) * 10 ** (draw.float() * 10 - 9));

  it("is the same in any order of the clients, where the plain sum is not", () => {
    const contributions = cohort(40, [500], heavy);
    const current = (contributions[0] as Contribution).result.tensors;
    const [expected] = exactMean(contributions, current) as [Tensor];
    const sums = new Set<number>();
    for (let time = 0; time < 25; time++) {
      const order = [...permutation(40, draw)].map((i) => contributions[i] as Contribution);
      expect(same(exactMean(order, current), [expected])).to.equal(true);
      sums.add(
        order.reduce((sum, { result, numExamples }) => sum + numExamples * (result.read(0).data[0] as number), 0),
      );
    }
    expect(sums.size).to.be.greaterThan(1);
  });

  it("is the plain mean wherever that is exact", () => {
    const contributions = cohort(7, [1000], (length) =>
      Float32Array.from({ length }, () => 1 + draw.below(1000) / 1024),
    );
    const current = (contributions[0] as Contribution).result.tensors;
    expect(same(exactMean(contributions, current), weightedMean(contributions, current))).to.equal(true);
  });

  it("refuses elements that its grids cannot hold, and names the largest", () => {
    const contributions = cohort(2, [5], (length) => new Float32Array(length).fill(2 ** 30)).map((each) => ({
      ...each,
      numExamples: 4,
    }));
    const run = (): unknown => exactMean(contributions, (contributions[0] as Contribution).result.tensors);
    expect(run).to.throw("below 2^31, and an update has one of 4294967296").with.property("code", "strategy/failed");
    expect(contributions.map((each) => fedAvg({ summation: "exact" }).objection?.(each))[0]).to.equal(
      "tensor 0 has an element of 1073741824, with 4 examples; an exact sum holds weighted elements below 2^31",
    );
  });

  it("refuses a sum that its grids cannot hold, though they hold every element", () => {
    const contributions = cohort(5, [3], (length) => new Float32Array(length).fill(2 ** 30)).map((each) => ({
      ...each,
      numExamples: 1.9,
    }));
    const run = (): unknown => exactMean(contributions, (contributions[0] as Contribution).result.tensors);
    expect(run).to.throw("the exact sum is below 2^33").with.property("code", "strategy/failed");
    expect(contributions.map((each) => fedAvg({ summation: "exact" }).objection?.(each))[0]).to.equal(undefined);
  });
});
