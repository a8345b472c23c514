// A digest does not depend on the pieces in which its bytes are taken.
import { createHash } from "node:crypto";
import { expect } from "chai";
import { absorb } from "../src/absorb.js";

describe("a digest", () => {
  it("is of all bytes, however few are taken at a time", () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) % 251);
    const expected = createHash("sha256").update(bytes).digest("hex");
    for (const most of [1, 7, 500, 999, 1000, 1001]) {
      expect(absorb(createHash("sha256"), bytes, most).digest("hex")).to.equal(expected);
    }
    const nothing = createHash("sha256").digest("hex");
    expect(absorb(createHash("sha256"), new Uint8Array()).digest("hex")).to.equal(nothing);
  });
});
