// What a dataset must be, and what a person reads when it is not.
import { float32, tensor } from "@perennial-fl/core";
import type { Tensor, TypedArray } from "@perennial-fl/core";
import { expect } from "chai";
import { checkDataset } from "../src/dataset.js";
import type { ExampleShape } from "../src/dataset.js";

const labelled: ExampleShape = {
  input: { dtype: "float32", shape: [2] },
  target: { type: "label", classes: 3, shape: [] },
};
const valued: ExampleShape = { input: { dtype: "float32", shape: [2] }, target: { type: "value", shape: [1] } };
const inputs = float32([2, 2], [0, 1, 2, 3]);

function labels(...values: number[]): Tensor {
  return tensor("int32", [values.length], Int32Array.from(values));
}

describe("A dataset", () => {
  it("of a classification gives int64 labels, whatever integers they came in", () => {
    const arrays: [Tensor["dtype"], TypedArray][] = [
      ["int64", BigInt64Array.of(2n, 0n)],
      ["uint64", BigUint64Array.of(2n, 0n)],
      ["int32", Int32Array.of(2, 0)],
      ["uint8", Uint8Array.of(2, 0)],
    ];
    for (const [dtype, data] of arrays) {
      const { count, targets } = checkDataset({ inputs, targets: tensor(dtype, [2], data) }, labelled);
      expect(count).to.equal(2);
      expect(targets).to.deep.equal(BigInt64Array.of(2n, 0n));
    }
  });

  it("of a regression gives its targets as they are", () => {
    const targets = float32([2, 1], [0.5, -1]);
    expect(checkDataset({ inputs, targets }, valued).targets).to.equal(targets.data);
  });

  it("of whole numbers gives int64 inputs, whatever integers they came in", () => {
    const shape: ExampleShape = { ...labelled, input: { dtype: "int64", shape: [2] } };
    const letters = tensor("uint8", [2, 2], Uint8Array.of(7, 0, 255, 1));
    const checked = checkDataset({ inputs: letters, targets: labels(0, 1) }, shape);
    expect(checked.inputs).to.deep.equal(BigInt64Array.of(7n, 0n, 255n, 1n));
    const message = /inputs are float32\[2, 2\] where the module takes whole numbers/;
    expect(() => checkDataset({ inputs, targets: labels(0, 1) }, shape)).to.throw(message);
  });

  const faults: [string, Tensor, Tensor, ExampleShape, RegExp][] = [
    ["has a negative label", inputs, labels(0, -1), labelled, /the label -1 in example 1 where labels run from 0 to 2/],
    ["has a label too large", inputs, labels(3, 0), labelled, /the label 3 in example 0 where labels run from 0 to 2/],
    ["has too few labels", inputs, labels(1), labelled, /targets are int32\[1\] where the module needs int32\[2\]/],
    [
      "has float labels",
      inputs,
      float32([2], [0, 1]),
      labelled,
      /float32\[2\] where class labels must have an integer/,
    ],
    ["is empty", float32([0, 2], []), labels(), labelled, /the dataset is empty: its inputs are float32\[0, 2\]/],
    [
      "has no axis of examples",
      float32([], [1]),
      labels(1),
      labelled,
      /the dataset is empty: its inputs are float32\[\]/,
    ],
    [
      "has inputs of another shape",
      float32([2, 1], [0, 1]),
      labels(0, 1),
      labelled,
      /float32\[2, 1\] .* float32\[2, 2\]/,
    ],
    [
      "has inputs of another type",
      tensor("float64", [2, 2], new Float64Array(4)),
      labels(0, 1),
      labelled,
      /inputs are float64\[2, 2\] where the module needs float32\[2, 2\]/,
    ],
    [
      "has inputs that are not numbers",
      float32([2, 2], [0, 1, 2, NaN]),
      labels(0, 1),
      labelled,
      /inputs hold NaN in example 1 \(element 3\)/,
    ],
    ["has infinite targets", inputs, float32([2, 1], [Infinity, 0]), valued, /targets hold Infinity in example 0/],
    [
      "has fewer elements than its shape says",
      { ...inputs, data: new Float32Array(3) },
      labels(0, 1),
      labelled,
      /inputs are float32\[2, 2\] but hold 3 elements/,
    ],
  ];
  for (const [fault, given, targets, shape, message] of faults) {
    it(`is refused when it ${fault}`, () => {
      expect(() => checkDataset({ inputs: given, targets }, shape))
        .to.throw(message)
        .with.property("code", "data/invalid");
    });
  }
});
