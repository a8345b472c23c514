// The map that keeps what was used last.
import { expect } from "chai";
import { recent } from "../src/recent.js";

describe("A map of recent entries", () => {
  it("lets the entry leave that was unused for longest", () => {
    const left: string[] = [];
    const entries = recent<number, string>(2, (value) => left.push(value));
    entries.set(1, "one");
    entries.set(2, "two");
    expect(entries.get(1)).to.equal("one");
    entries.set(3, "three");
    expect(left).to.deep.equal(["two"]);
    expect([entries.get(1), entries.get(2), entries.get(3)]).to.deep.equal(["one", undefined, "three"]);
  });

  it("does not let an entry leave that is set again", () => {
    const left: string[] = [];
    const entries = recent<number, string>(2, (value) => left.push(value));
    for (let turn = 0; turn < 3; turn++) entries.set(1, "one");
    expect(left).to.deep.equal([]);
  });
});
