// Aggregation in a thread of its own: the same bytes as here, and errors that say the same.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryStorage, openRoundJournal } from "@perennial-fl/checkpointer";
import type { RoundJournal } from "@perennial-fl/checkpointer";
import { float32, pour, random, sameTensor, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { aggregateBy, ruled } from "@perennial-fl/strategy";
import type { AggregationRule, Contribution } from "@perennial-fl/strategy";
import { expect } from "chai";
import { openAggregator } from "../src/aggregation/aggregator.js";
import type { Aggregator } from "../src/aggregation/aggregator.js";

const rules: readonly AggregationRule[] = [
  { name: "mean" },
  { name: "exact-mean" },
  { name: "median" },
  { name: "trimmed-mean", beta: 0.2 },
  { name: "krum", malicious: 1, keep: 0 },
  { name: "krum", malicious: 1, keep: 3 },
  { name: "bulyan", malicious: 1 },
];

describe("the thread that aggregates", () => {
  const directory = mkdtempSync(join(tmpdir(), "perennial-"));
  let journal: RoundJournal;
  let aggregator: Aggregator;
  let contributions: Contribution[];

  before(async () => {
    journal = await openRoundJournal(directoryStorage(directory, { blobs: "recycled-slots" }));
    aggregator = openAggregator(directory, journal, 0);
    const draw = random("aggregator");
    contributions = await Promise.all(
      Array.from({ length: 7 }, async (_, i): Promise<Contribution> => {
        const update = [
          float32(
            [9, 50],
            Float32Array.from({ length: 450 }, () => draw.normal()),
          ),
          tensor("int64", [3], BigInt64Array.of(BigInt(i), -7n, 2n ** 60n)),
          float32([0], []),
        ];
        const result = await pour(update, journal.openSink(`c${i}`, undefined));
        return { client: `c${i}`, result, numExamples: 1 + draw.below(100), metrics: {} };
      }),
    );
  });

  after(async () => {
    await aggregator.close();
    await journal.close();
    rmSync(directory, { recursive: true });
  });

  for (const rule of rules) {
    it(`gives the bytes of ${JSON.stringify(rule)}`, async () => {
      const { tensors } = (contributions[0] as Contribution).result;
      const here = aggregateBy(rule)(contributions, tensors);
      const there = await aggregator.aggregate(ruled(rule), contributions, tensors);
      expect(there?.map((held, i) => sameTensor(held, here[i] as Tensor))).to.deep.equal([true, true, true]);
    });
  }

  it("rejects with the aggregate's own error, and goes on", async () => {
    const { tensors } = (contributions[0] as Contribution).result;
    let caught: unknown;
    await aggregator
      .aggregate(ruled({ name: "bulyan", malicious: 3 }), contributions, tensors)
      .catch((error: unknown) => (caught = error));
    expect(caught).to.have.property("code", "strategy/failed");
    expect(caught).to.have.property("message").that.includes("needs 15 updates, and 7 came");
    expect(await aggregator.aggregate(ruled({ name: "mean" }), contributions, tensors)).to.have.lengthOf(3);
  });

  it("leaves to its caller what is small, and what no rule names", async () => {
    const { tensors } = (contributions[0] as Contribution).result;
    const patient = openAggregator(directory, journal);
    expect(await patient.aggregate(ruled({ name: "mean" }), contributions, tensors)).to.equal(undefined);
    expect(await aggregator.aggregate(() => [], contributions, tensors)).to.equal(undefined);
    await patient.close();
  });
});
