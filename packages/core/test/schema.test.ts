// Schemas: which one a stored thing has, and why it cannot be read.
import { expect } from "chai";
import { FederationError, checkedSchema } from "../src/index.js";

describe("a stored thing's schema", () => {
  it("is one that this version reads", () => {
    expect([1, 2, 3].map((found) => checkedSchema(found, 3, "the file"))).to.deep.equal([1, 2, 3]);
  });

  it("that is later is refused by name, and not called damaged", () => {
    expect(() => checkedSchema(4, 3, "the file"))
      .to.throw(
        FederationError,
        /^the file has schema 4, and this version of Perennial reads schemas up to 3: use a newer/,
      )
      .with.property("code", "checkpoint/newer-version");
  });

  for (const found of [0, -1, 1.5, NaN, Infinity, "1", 1n, null, undefined, [1]]) {
    const text = typeof found === "string" ? `"${found}"` : String(found);
    it(`that is none is damage, and not a later version: ${typeof found} ${text}`, () => {
      expect(() => checkedSchema(found, 3, "the file"))
        .to.throw(FederationError, `the file is damaged: its schema is ${text}`)
        .with.property("code", "checkpoint/corrupt");
    });
  }
});
