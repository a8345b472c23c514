// The map of the engine's states, held against a Map that is copied for every change.
import { expect } from "chai";
import fc from "fast-check";
import { ImmutableMap } from "../src/engine/immutable-map.js";

const value = fc.record({ count: fc.nat(9) });
const changes = fc.array(fc.tuple(fc.nat(30), fc.option(value, { nil: undefined })), { maxLength: 120 });

describe("an immutable map", () => {
  it("has after any changes what a copied Map has, and what was copied stays as it was", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(30), value)), changes, (first, later) => {
        let map = ImmutableMap.of(first);
        let wanted = new Map(first);
        const history = [{ map, wanted }];
        for (const [key, value] of later) {
          map = value === undefined ? map.without(key) : map.with(key, value);
          wanted = new Map(wanted);
          if (value === undefined) wanted.delete(key);
          else wanted.set(key, value);
          history.push({ map, wanted });
        }
        for (const each of history) {
          expect(each.map.size).to.equal(each.wanted.size);
          expect(new Set(each.map.keys()).size).to.equal(each.map.size);
          expect([...each.map].every(([key, held]) => each.wanted.get(key) === held)).to.equal(true);
          expect([...each.map.keys()].every((key) => each.map.has(key))).to.equal(true);
          for (let key = 0; key <= 30; key++) {
            expect(each.map.get(key)).to.equal(each.wanted.get(key));
            expect(each.map.has(key)).to.equal(each.wanted.has(key));
          }
        }
      }),
    );
  });

  it("keeps the places of its keys when all are changed at once", () => {
    const map = ImmutableMap.of([
      ["a", { count: 1 }],
      ["b", { count: 2 }],
    ]).withAll([
      ["c", { count: 3 }],
      ["a", { count: 4 }],
    ]);
    expect([...map].map(([key, { count }]) => `${key}${count}`)).to.deep.equal(["a4", "b2", "c3"]);
  });
});
