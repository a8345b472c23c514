// A history as lines of text: the same comes back, and each line is made once.
import { expect } from "chai";
import { historyOfLines, linesOfHistory } from "../src/history-lines.js";
import type { RoundRecord } from "../src/history.js";

const phase = { cohort: ["a", "b"], answered: ["a"], failures: [], numExamples: 3, metrics: {} };
const record = (round: number, metrics: RoundRecord["fit"]["metrics"] = {}): RoundRecord => ({
  round,
  outcome: "committed",
  fit: { ...phase, metrics },
  evaluate: phase,
});
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("the lines of a history", () => {
  it("are one JSON text a round, from which the same history comes back, also what JSON cannot say", () => {
    const history = [record(1, { nan: NaN, zero: -0, infinite: -Infinity }), record(2, { "ünï\n": 0.1 })];
    const lines = linesOfHistory(history);
    expect(text(lines).split("\n")).to.have.length(3);
    expect(historyOfLines(lines)).to.deep.equal(history);
    expect(Object.is(historyOfLines(lines)[0]?.fit.metrics["zero"], -0)).to.equal(true);
    expect(historyOfLines(linesOfHistory([]))).to.deep.equal([]);
  });

  it("grow by one line a round and do not change what was given before", () => {
    let history: readonly RoundRecord[] = [];
    let before = "";
    for (let round = 1; round <= 50; round++) {
      const given = linesOfHistory(history);
      history = [...history, record(round)];
      const lines = text(linesOfHistory(history));
      expect(text(given)).to.equal(before);
      expect(lines.startsWith(before)).to.equal(true);
      before = lines;
    }
    expect(historyOfLines(Buffer.from(before))).to.deep.equal(history);
  });

  it("are made once for each round, however often the history is saved", () => {
    const first = record(1, { loss: 1 });
    const lines = text(linesOfHistory([first]));
    (first as { round: number }).round = 7;
    expect(text(linesOfHistory([first, record(2)])).startsWith(lines)).to.equal(true);
  });

  it("of two continuations of one history, as after a rollback, do not run into each other", () => {
    const common = [record(1), record(2), record(3)];
    linesOfHistory(common);
    const [left, right] = [
      [...common, record(4, { side: 1 })],
      [...common, record(4, { side: 2 })],
    ];
    const [leftLines, rightLines] = [linesOfHistory(left), linesOfHistory(right)];
    expect(historyOfLines(leftLines)).to.deep.equal(left);
    expect(historyOfLines(rightLines)).to.deep.equal(right);
  });

  it("are refused when they are no text, or not of records", () => {
    for (const damaged of [
      undefined,
      "[]",
      new Uint8Array([0xff, 10]),
      Buffer.from("{\n"),
      Buffer.from('{"$array":1}\n'),
    ]) {
      expect(() => historyOfLines(damaged))
        .to.throw(/history of a state/)
        .with.property("code", "checkpoint/corrupt");
    }
  });
});
