// The weighted mean: exact, order-independent on like updates, and deliberate about every dtype.
import { expect } from "chai";
import fc from "fast-check";
import { float32, memoryResult, permutation, random, sameTensor, tensor, toFloat16 } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { weightedMean, weightedMetrics } from "../src/index.js";
import type { Contribution } from "../src/index.js";

const of = (values: Tensor, numExamples: number): Contribution => {
  return { client: "c", result: memoryResult([values]), numExamples, metrics: {} };
};

describe("the weighted mean", () => {
  it("of one client is that client's update, to the bit", () => {
    fc.assert(
      fc.property(
        fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 9 }),
        fc.integer({ min: 1, max: 1e6 }),
        (data, n) => {
          const update = float32(
            [data.length],
            data.map((x) => x + 0),
          );
          return sameTensor(weightedMean([of(update, n)], [update])[0]!, update);
        },
      ),
    );
  });

  it("of like updates does not depend on their order, to the bit", () => {
    const draw = random("like updates");
    const clients = Array.from({ length: 20 }, () => {
      return of(
        float32(
          [500],
          Float32Array.from({ length: 500 }, () => 1 + 0.05 * draw.normal()),
        ),
        1 + draw.below(3000),
      );
    });
    const header = clients[0]!.result.read(0);
    const [first] = weightedMean(clients, [header]);
    for (let i = 0; i < 30; i++) {
      const shuffled = Array.from(permutation(clients.length, draw), (k) => clients[k]!);
      expect(sameTensor(weightedMean(shuffled, [header])[0]!, first!)).to.equal(true);
    }
  });

  it("rounds integers and booleans to the nearest whole number, and does not zero them as Flower does", () => {
    const integers = (values: number[]) => tensor("int32", [2], Int32Array.from(values));
    expect(
      weightedMean([of(integers([100, -200]), 1), of(integers([101, -201]), 3)], [integers([0, 0])])[0]?.data,
    ).to.deep.equal(Int32Array.of(101, -201));
    const flags = (value: number) => tensor("bool", [1], Uint8Array.of(value));
    expect(weightedMean([of(flags(1), 2), of(flags(0), 1)], [flags(0)])[0]?.data).to.deep.equal(Uint8Array.of(1));
  });

  it("keeps 64-bit integers exact beyond 2^53", () => {
    const big = (value: bigint) => tensor("int64", [1], BigInt64Array.of(value));
    const limit = 2n ** 60n;
    expect(weightedMean([of(big(limit + 1n), 1), of(big(limit + 3n), 1)], [big(0n)])[0]?.data[0]).to.equal(limit + 2n);
    expect(weightedMean([of(big(-3n), 1), of(big(-4n), 3)], [big(0n)])[0]?.data[0]).to.equal(-4n);
  });

  it("averages half precision by value and not by bits", () => {
    const half = (value: number) => tensor("float16", [1], Uint16Array.of(toFloat16(value)));
    expect(weightedMean([of(half(1), 1), of(half(2), 1)], [half(0)])[0]?.data[0]).to.equal(toFloat16(1.5));
  });
});

describe("aggregated metrics", () => {
  it("are means weighted by examples over the clients that report them, numbers only", () => {
    expect(
      weightedMetrics([
        { numExamples: 1, metrics: { accuracy: 0.5, name: "x", count: 4n } },
        { numExamples: 3, metrics: { accuracy: 0.9, ok: true } },
      ]),
    ).to.deep.equal({ accuracy: (0.5 + 3 * 0.9) / 4, count: 4 });
  });
});
