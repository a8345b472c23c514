// Half precision: every value round-trips, and rounding goes to the nearest, ties to the even one.
import { expect } from "chai";
import { fromFloat16, toFloat16 } from "../src/index.js";

describe("half precision", () => {
  it("round-trips all 65,536 bit patterns, NaN as one NaN", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromFloat16(bits);
      expect(toFloat16(value)).to.equal(Number.isNaN(value) ? 0x7e00 : bits);
    }
  });

  it("rounds to the nearest value, ties to even, and overflows to infinity", () => {
    expect(fromFloat16(toFloat16(1 + 2 ** -11))).to.equal(1);
    expect(fromFloat16(toFloat16(1 + 3 * 2 ** -11))).to.equal(1 + 2 ** -9);
    expect(fromFloat16(toFloat16(65519))).to.equal(65504);
    expect(fromFloat16(toFloat16(65520))).to.equal(Infinity);
    expect(fromFloat16(toFloat16(2047.9))).to.equal(2048);
    expect(fromFloat16(toFloat16(2 ** -25))).to.equal(0);
    expect(fromFloat16(toFloat16(1.5 * 2 ** -24))).to.equal(2 ** -23);
  });
});
