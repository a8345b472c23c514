// A digest does not depend on the pieces in which its bytes are taken.
import { createHash } from "node:crypto";
import { expect } from "chai";
import { absorb, absorbInTurns } from "../src/absorb.js";

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

  it("is the same in turns, between which others have theirs, also within a piece", async () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) % 251);
    const expected = createHash("sha256").update(bytes).digest("hex");
    const pieces = [0, 1, 0, 399, 600].map((length, i, all) => {
      const before = all.slice(0, i).reduce((sum, each) => sum + each, 0);
      return bytes.subarray(before, before + length);
    });
    for (const [most, turns] of [
      [1, 1000],
      [100, 10],
      [301, 3],
      [1001, 0],
    ] as const) {
      let others = 0;
      let over = false;
      const other = (): void => {
        if (over) return;
        others++;
        setImmediate(other);
      };
      setImmediate(other);
      const hash = await absorbInTurns(createHash("sha256"), pieces, most);
      over = true;
      expect(hash.digest("hex")).to.equal(expected);
      expect(others).to.equal(turns);
    }
  });
});
