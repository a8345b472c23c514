// Early stopping: a pure rule over the history.
import { expect } from "chai";
import { patience } from "../src/index.js";
import type { History, RoundRecord } from "../src/index.js";

const phase = { cohort: [], answered: [], failures: [], numExamples: 0, metrics: {} };
const record = (loss: number | undefined, central?: number): RoundRecord => ({
  round: 1,
  outcome: "committed",
  fit: phase,
  evaluate: phase,
  ...(loss === undefined ? {} : { loss }),
  ...(central === undefined ? {} : { central: { loss: central, metrics: {} } }),
});
const history = (...losses: (number | undefined)[]): History => losses.map((loss) => record(loss));

describe("patience", () => {
  const rule = patience({ rounds: 2 });

  it("ends a run after so many rounds that are not better, ties included", () => {
    expect(rule(history(3, 2, 2))).to.equal(false);
    expect(rule(history(3, 2, 2, 2.5))).to.equal(true);
    expect(rule(history(3, 2, 2, 1.9))).to.equal(false);
    expect(rule([])).to.equal(false);
  });

  it("takes a loss that is missing or no number for not better, and 0 for a loss", () => {
    expect(rule(history(undefined, NaN))).to.equal(true);
    expect(rule(history(1, 0, 0.5))).to.equal(false);
    expect(rule(history(0, 0.5, 0.5))).to.equal(true);
  });

  it("looks at the server's own loss where there is one", () => {
    expect(rule([record(1, 1), record(2, 0.5), record(3, 0.4)])).to.equal(false);
  });

  it("asks for a better loss than the best by more than the difference", () => {
    expect(patience({ rounds: 2, minDelta: 0.1 })(history(1, 0.95, 0.91))).to.equal(true);
  });
});
