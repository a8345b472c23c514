// Tensors: construction, bytes, equality and the search for what is not finite.
import { expect } from "chai";
import {
  byteLength,
  bytesOf,
  describeTensor,
  dtypes,
  elementSize,
  firstNonFinite,
  float32,
  sameTensor,
  tensor,
  tensorFromBytes,
  zeros,
} from "../src/index.js";

describe("a tensor", () => {
  it("refuses data whose count does not fit its shape, and says both", () => {
    expect(() => float32([2, 3], [1, 2, 3])).to.throw("a tensor of shape [2, 3] holds 6 elements, not 3");
  });

  it("refuses another array type than its dtype's", () => {
    expect(() => tensor("float32", [1], new Float64Array(1))).to.throw("a float32 tensor cannot hold a Float64Array");
  });

  it("refuses a shape that is not of whole numbers from 0", () => {
    for (const bad of [-1, 1.5, NaN])
      expect(() => tensor("int8", [bad], new Int8Array(1))).to.throw("a shape holds whole");
  });

  it("may be a scalar or empty", () => {
    expect(zeros("float64", []).data).to.have.length(1);
    expect(zeros("float64", [3, 0]).data).to.have.length(0);
  });

  it("comes back from its bytes, whatever the dtype and the alignment", () => {
    for (const dtype of dtypes) {
      const source = zeros(dtype, [2, 2]);
      bytesOf(source).set(Array.from({ length: byteLength(source) }, (_, i) => i + 1));
      const shifted = new Uint8Array(byteLength(source) + 1);
      shifted.set(bytesOf(source), 1);
      expect(sameTensor(source, tensorFromBytes(dtype, [2, 2], shifted.subarray(1)))).to.equal(true);
    }
  });

  it("is not made from too few bytes", () => {
    expect(() => tensorFromBytes("int64", [2], new Uint8Array(15))).to.throw("has 16 bytes, not 15");
  });

  it("tells 0 from -0, and NaN from another NaN", () => {
    expect(sameTensor(float32([1], [0]), float32([1], [-0]))).to.equal(false);
    expect(sameTensor(float32([1], [NaN]), float32([1], [NaN]))).to.equal(true);
  });

  it("describes itself as people write it", () => {
    expect(describeTensor(float32([2, 3], new Float32Array(6)))).to.equal("float32[2, 3]");
    expect(elementSize("int64")).to.equal(8);
  });
});

describe("the search for the first element that is not finite", () => {
  it("finds NaN and both infinities", () => {
    for (const value of [NaN, Infinity, -Infinity]) expect(firstNonFinite(float32([3], [1, value, 2]))).to.equal(1);
    expect(firstNonFinite(tensor("float64", [2], Float64Array.of(0, NaN)))).to.equal(1);
    expect(firstNonFinite(tensor("float16", [2], Uint16Array.of(0x7bff, 0x7c00)))).to.equal(1);
  });

  it("is not misled when infinities cancel, nor when the sum of finite values overflows", () => {
    expect(firstNonFinite(float32([2], [Infinity, -Infinity]))).to.equal(0);
    expect(firstNonFinite(tensor("float64", [2], Float64Array.of(1e308, 1e308)))).to.equal(-1);
  });

  it("takes integers for finite", () => {
    expect(firstNonFinite(tensor("int64", [1], BigInt64Array.of(1n)))).to.equal(-1);
  });
});
