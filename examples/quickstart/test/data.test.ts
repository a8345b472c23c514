// The quickstart's data: MNIST is read whole or refused, and every example belongs to exactly one client.
import { expect } from "chai";
import { datasetOf, digitsFrom, readMnist } from "../src/mnist.js";
import { partitionByLabel } from "../src/partition.js";

function idx(magic: number, shape: readonly number[], elements: number, value = 0): Uint8Array {
  const bytes = new Uint8Array(4 * (1 + shape.length) + elements).fill(value);
  const view = new DataView(bytes.buffer);
  [magic, ...shape].forEach((word, at) => {
    view.setUint32(4 * at, word);
  });
  return bytes;
}

describe("MNIST", () => {
  const images = idx(0x803, [2, 28, 28], 2 * 784, 255);
  const labels = idx(0x801, [2], 2, 3);

  it("is read whole: 10,000 test images of all ten digits", async () => {
    const { pixels, labels: digits } = await readMnist("test");
    expect([digits.length, pixels.length, new Set(digits).size]).to.deep.equal([10_000, 10_000 * 784, 10]);
  });

  it("becomes normalised tensors of the chosen images", () => {
    const { inputs, targets } = datasetOf(digitsFrom(images, labels), Uint32Array.of(1));
    expect(inputs.shape).to.deep.equal([1, 1, 28, 28]);
    expect(inputs.data[0]).to.be.closeTo((1 - 0.1307) / 0.3081, 1e-6);
    expect([...(targets.data as Uint8Array)]).to.deep.equal([3]);
  });

  const bad: readonly [name: string, images: Uint8Array, labels: Uint8Array, message: string][] = [
    ["files that are swapped", labels, images, "fewer than a header"],
    ["another magic number", idx(0x804, [2, 28, 28], 2 * 784), labels, "begins with 2052, not 2051"],
    ["a truncated file", images.subarray(0, -1), labels, "holds 1567 of 1568 bytes"],
    ["images of another size", idx(0x803, [2, 14, 14], 2 * 196), labels, "14 x 14, not 28 x 28"],
    ["more images than labels", images, idx(0x801, [1], 1), "2 images and 1 labels"],
    ["a label that is no digit", images, idx(0x801, [2], 2, 10), "label 0 is 10"],
  ];
  for (const [name, wrongImages, wrongLabels, message] of bad) {
    it(`refuses ${name}`, () => {
      expect(() => digitsFrom(wrongImages, wrongLabels)).to.throw(message);
    });
  }
});

describe("the partition", () => {
  const labels = Uint8Array.from({ length: 1000 }, (_, i) => i % 10);
  const options = { parts: 7, alpha: 0.3, seed: 1 };

  it("gives every example to exactly one client", () => {
    const all = partitionByLabel(labels, options).flatMap((part) => [...part]);
    expect(all.sort((a, b) => a - b)).to.deep.equal([...labels.keys()]);
  });

  it("is the same for the same seed, and another for another", () => {
    expect(partitionByLabel(labels, options)).to.deep.equal(partitionByLabel(labels, options));
    expect(partitionByLabel(labels, { ...options, seed: 2 })).not.to.deep.equal(partitionByLabel(labels, options));
  });

  it("leaves nobody empty, however uneven", () => {
    const parts = partitionByLabel(labels, { parts: 20, alpha: 0.001, seed: 3 });
    expect(Math.min(...parts.map(({ length }) => length))).to.be.at.least(1);
  });

  it("is even for a large alpha and uneven for a small one", () => {
    const spread = (alpha: number): number => {
      const sizes = partitionByLabel(labels, { parts: 4, alpha, seed: 5 }).map(({ length }) => length);
      return Math.max(...sizes) - Math.min(...sizes);
    };
    expect(spread(1000)).to.be.below(40);
    expect(spread(0.1)).to.be.above(spread(1000));
  });

  it("refuses more parts than examples, and an alpha of 0", () => {
    expect(() => partitionByLabel(labels, { ...options, parts: 1001 })).to.throw(
      "1000 examples cannot be divided into 1001",
    );
    expect(() => partitionByLabel(labels, { ...options, alpha: 0 })).to.throw("alpha is a positive number, not 0");
  });
});
