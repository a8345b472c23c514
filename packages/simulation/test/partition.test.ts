// Identity 53: a partition is one. Each example is in exactly one part, sizes are right, and a seed decides.
import { expect } from "chai";
import { random } from "@perennial-fl/core";
import { partition } from "@perennial-fl/simulation";
import type { Part, PartitionRule } from "@perennial-fl/simulation";

const count = 1003;
const classes = 10;
const draw = random("partition test");
const labels = Uint8Array.from({ length: count }, () => draw.below(classes));
const keys = Array.from({ length: count }, () => `site-${draw.below(7)}`);
const examples = { count, labels, keys };
const rules: readonly PartitionRule[] = [
  { type: "iid" },
  { type: "dirichlet", alpha: 0.1 },
  { type: "label", shards: 2 },
  { type: "size", exponent: 1.5 },
  { type: "key" },
];

const sizes = (parts: readonly Part[]): number[] => parts.map((part) => part.examples.length);
const histogram = ({ examples: held }: Part): number[] =>
  Array.from({ length: classes }, (_, label) => held.filter((example) => labels[example] === label).length);
const failure = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe("a partition", () => {
  for (const rule of rules) {
    it(`by ${rule.type} has each example in exactly one part, and none is empty`, () => {
      for (const clients of [1, 2, 7]) {
        const parts = partition(examples, rule, { clients, seed: 1 });
        expect(parts).to.have.length(clients);
        expect(Math.min(...sizes(parts))).to.be.at.least(1);
        const all = parts.flatMap((part) => [...part.examples]).sort((a, b) => a - b);
        expect(all).to.deep.equal(Array.from({ length: count }, (_, i) => i));
      }
    });

    it(`by ${rule.type} is decided by its seed`, () => {
      const [one, again, other] = [3, 3, 4].map((seed) => partition(examples, rule, { clients: 5, seed }));
      expect(one).to.deep.equal(again);
      if (rule.type !== "key") expect(one).to.not.deep.equal(other);
    });
  }

  it("without regard to anything has sizes that differ by one at most", () => {
    const found = sizes(partition(examples, { type: "iid" }, { clients: 9, seed: 2 }));
    expect(Math.max(...found) - Math.min(...found)).to.be.at.most(1);
  });

  it("of a large alpha gives every client the labels' shares of the whole, within four standard deviations", () => {
    const parts = partition(examples, { type: "dirichlet", alpha: 1e6 }, { clients: 4, seed: 5 });
    const whole = histogram({ examples: Uint32Array.from({ length: count }, (_, i) => i) });
    for (const part of parts) {
      histogram(part).forEach((found, label) => {
        const share = (whole[label] as number) / 4;
        expect(Math.abs(found - share)).to.be.at.most(4 * Math.sqrt(share));
      });
    }
  });

  it("of a small alpha gives most of each label to one client", () => {
    const parts = partition(examples, { type: "dirichlet", alpha: 0.01 }, { clients: 5, seed: 5 });
    const largest = Array.from({ length: classes }, (_, label) =>
      Math.max(...parts.map((part) => histogram(part)[label] as number)),
    );
    expect(largest.reduce((sum, each) => sum + each, 0)).to.be.at.least(0.9 * count);
  });

  it("in two shards gives no client more than two neighbouring ranges of labels", () => {
    const equal = { count: 1000, labels: Uint8Array.from({ length: 1000 }, (_, i) => i % classes) };
    for (const part of partition(equal, { type: "label", shards: 2 }, { clients: 10, seed: 3 })) {
      expect(part.examples).to.have.length(100);
      expect(new Set([...part.examples].map((example) => example % classes)).size).to.be.at.most(2);
    }
  });

  it("by a power law has sizes that fall with it", () => {
    const found = sizes(partition(examples, { type: "size", exponent: 1 }, { clients: 4, seed: 3 })).sort(
      (a, b) => b - a,
    );
    const exact = [1, 1 / 2, 1 / 3, 1 / 4].map((weight) => (count * weight) / (25 / 12));
    found.forEach((size, place) => expect(size).to.be.closeTo(exact[place] as number, 1));
  });

  it("by key never divides a key, and names it", () => {
    const parts = partition(examples, { type: "key" }, { seed: 0 });
    expect(parts.map((part) => part.keys)).to.deep.equal(Array.from({ length: 7 }, (_, i) => [`site-${i}`]));
    for (const part of partition(examples, { type: "key" }, { clients: 3, seed: 0 })) {
      expect(new Set([...part.examples].map((example) => keys[example]))).to.deep.equal(new Set(part.keys));
    }
  });

  it("has no part below the least size that is asked for", () => {
    const parts = partition(examples, { type: "dirichlet", alpha: 0.01 }, { clients: 20, seed: 1, minSize: 12 });
    expect(Math.min(...sizes(parts))).to.be.at.least(12);
  });

  it("that cannot be made is refused with the numbers", () => {
    const wrong = [
      [
        () => partition({ count: 3 }, { type: "iid" }, { clients: 4, seed: 0 }),
        /3 examples cannot be divided among 4 clients with 1 or more/,
      ],
      [
        () => partition({ count: 3 }, { type: "iid" }, { clients: 0, seed: 0 }),
        /a whole number of clients from 1, not 0/,
      ],
      [
        () => partition(examples, { type: "dirichlet", alpha: 0 }, { clients: 2, seed: 0 }),
        /alpha is a positive number, not 0/,
      ],
      [
        () => partition({ count: 9 }, { type: "label", shards: 2 }, { clients: 2, seed: 0 }),
        /by label needs the examples' labels/,
      ],
      [
        () => partition(examples, { type: "label", shards: 600 }, { clients: 2, seed: 0 }),
        /1003 examples cannot be cut into 2 x 600/,
      ],
      [() => partition(examples, { type: "size", exponent: -1 }, { clients: 2, seed: 0 }), /exponent from 0, not -1/],
      [() => partition(examples, { type: "key" }, { clients: 8, seed: 0 }), /7 keys cannot be divided among 8 clients/],
      [() => partition({ ...examples, keys: ["a"] }, { type: "key" }, { seed: 0 }), /1003 examples and 1 keys/],
    ] as const;
    for (const [run, message] of wrong) {
      const error = failure(run);
      expect(error).to.include({ code: "argument/invalid" });
      expect(String(error)).to.match(message);
    }
  });
});
