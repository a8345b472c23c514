// Named records beside a model: what is packed comes apart by name, and an entry that does not fit is quoted.
import { expect } from "chai";
import { float32, memoryResult, packRecords, recordsEntry, sliceResult, unpackRecords } from "../src/index.js";

const model = [float32([2], [1, 2]), float32([1], [3])];
const control = [float32([2], [4, 5]), float32([1], [6])];

describe("records beside a model", () => {
  it("come back by their names, whatever the order", () => {
    const one = packRecords(model, { a: control, b: [] });
    expect(one.entry).to.deep.equal({ [recordsEntry]: "a=2 b=0" });
    expect(unpackRecords(one.tensors, one.entry)).to.deep.equal({ model, records: { a: control, b: [] } });
    const other = packRecords(model, { b: [], a: control });
    expect(unpackRecords(other.tensors, other.entry).records["a"]).to.deep.equal(control);
  });

  it("are none where nothing is said of them", () => {
    expect(unpackRecords(model, {})).to.deep.equal({ model, records: {} });
    expect(unpackRecords(model, packRecords(model, {}).entry)).to.deep.equal({ model, records: {} });
  });

  it("refuse an entry that does not fit, and quote it", () => {
    for (const [entry, why] of [
      ["a", '"a" is not of the form name=count'],
      ["a=1 a=1", '"a=1 a=1" names a record twice'],
      ["a=3", '"a=3" counts more than the 2 tensors that came'],
      [7, "number is no text"],
    ] as const) {
      expect(() => unpackRecords(model, { [recordsEntry]: entry })).to.throw(`${recordsEntry} ${why}`);
    }
    expect(() => packRecords(model, { "a b": [] })).to.throw(`a record's name has letters and digits, not "a b"`);
  });

  it("of a stored update are read as updates of their own", () => {
    const slice = sliceResult(memoryResult([...model, ...control]), 2, 2);
    expect(slice.tensors).to.have.length(2);
    expect([0, 1].map((index) => slice.read(index))).to.deep.equal(control);
  });
});
