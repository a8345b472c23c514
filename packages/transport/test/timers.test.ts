// Timers of any length, on a clock that the test moves.
import { expect } from "chai";
import { Timers } from "../src/timers.js";

describe("timers", () => {
  it("wait longer than setTimeout can, and are replaced and closed by name", () => {
    const set: { callback: () => void; ms: number }[] = [];
    const cleared: unknown[] = [];
    const timers = new Timers({
      set: (callback, ms) => set.push({ callback, ms }),
      clear: (handle) => cleared.push(handle),
    });
    let elapsed = 0;
    timers.start("round", 2 ** 31 + 5, () => elapsed++);
    set[0]?.callback();
    expect(elapsed).to.equal(0);
    set[1]?.callback();
    expect(elapsed).to.equal(1);
    expect(set.map(({ ms }) => ms)).to.deep.equal([2 ** 31 - 1, 6]);
    timers.start("round", 1, () => elapsed++);
    timers.start("round", 2, () => elapsed++);
    timers.close();
    expect(cleared.filter((handle) => handle !== undefined)).to.include.members([3, 4]);
  });
});
