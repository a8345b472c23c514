// Which rounds a retention policy keeps.
import { expect } from "chai";
import { checkRetention, retained } from "../src/index.js";
import type { Retention } from "../src/index.js";

const losses = [9, 5, 3, 3, 8, Number.NaN, 4];
const rounds = losses.map((loss, i) => ({ round: i + 1, loss }));
const kept = (policy: Retention, given: Parameters<typeof retained>[1] = rounds) => [...retained(policy, given)].sort();

describe("a retention policy", () => {
  it("keeps the newest, the first, every Nth and the best, and any of them together", () => {
    expect(kept({ last: 2 })).to.deep.equal([6, 7]);
    expect(kept({ first: true })).to.deep.equal([1]);
    expect(kept({ every: 3 })).to.deep.equal([3, 6]);
    expect(kept({ best: 3 })).to.deep.equal([3, 4, 7]);
    expect(kept({ last: 1, first: true, every: 5, best: 1 })).to.deep.equal([1, 3, 5, 7]);
  });

  it("never counts a round without a loss, or with NaN, among the best", () => {
    expect(kept({ best: 9 })).to.deep.equal([1, 2, 3, 4, 5, 7]);
    expect(kept({ best: 1 }, [{ round: 1 }, { round: 2, loss: 7 }])).to.deep.equal([2]);
  });

  it("does not depend on the order in which rounds are named, nor on how often it is applied", () => {
    const policy = { last: 2, every: 4, best: 2 };
    const once = retained(policy, [...rounds].reverse());
    expect([...once].sort()).to.deep.equal(kept(policy));
    const again = rounds.filter(({ round }) => once.has(round));
    expect(kept(policy, again)).to.deep.equal([...once].sort());
  });

  it("keeps more than there is without complaint, and nothing of nothing", () => {
    expect(kept({ last: 100 })).to.have.length(7);
    expect(kept({ last: 1, first: true, every: 1, best: 1 }, [])).to.deep.equal([]);
  });

  it("is refused when it counts with what is no count, or names nothing", () => {
    expect(() => {
      checkRetention({ last: 0 });
    }).to.throw("last is a whole number from 1, not 0");
    expect(() => {
      checkRetention({ every: 1.5 });
    }).to.throw("every is a whole number from 1, not 1.5");
    expect(() => {
      checkRetention({ first: false });
    }).to.throw("one of last, first, every and best");
  });
});
