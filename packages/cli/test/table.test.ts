// The live table, the plain lines and the lines of JSON, as text.
import { expect } from "chai";
import type { ServerEvent } from "@perennial-fl/server";
import { jsonLine } from "../src/json-lines.js";
import type { CommandEvent } from "../src/json-lines.js";
import { advance, noProgress } from "../src/server-progress.js";
import { serverLine } from "../src/server-lines.js";
import { duration, liveLines } from "../src/table.js";
import { serverView, tableView, wantsColor } from "../src/view.js";

const sha = "ab".repeat(32);
const accepted = (client: string, phase: string): ServerEvent => ({
  type: "result-accepted",
  round: 1,
  phase,
  client,
  numExamples: 10,
});
const opening: readonly (CommandEvent | ServerEvent)[] = [
  { type: "listening", address: "127.0.0.1:8080" },
  { type: "started", run: "r", round: 0, rounds: 2 },
  { type: "waiting", round: 1, available: 0, needed: 2 },
  { type: "client-joined", client: "a", identified: true },
  { type: "client-joined", client: "b", identified: true },
  { type: "round-opened", round: 1, cohort: ["a", "b"] },
  accepted("a", "fit"),
];
const committed: ServerEvent = {
  type: "round-committed",
  round: 1,
  outcome: "committed",
  answered: 1,
  failed: 1,
  loss: 0.25,
  metrics: { accuracy: 0.9753 },
  parametersSha256: sha,
};
const plain = { color: false, columns: 100 };
const after = (events: readonly (CommandEvent | ServerEvent)[]) =>
  events.reduce((progress, event, second) => advance(progress, event, second * 1000), noProgress);

describe("the table", () => {
  it("shows the open round, how far it is, and who is here", () => {
    expect(liveLines(after(opening), 7000, plain)).to.deep.equal([
      "    1/2     2        1      0        -         -   2.0 s  ██████░░░░░░ training",
      "  127.0.0.1:8080: 2 clients",
    ]);
  });

  it("shows whom it waits for", () => {
    expect(liveLines(after(opening.slice(0, 4)), 0, plain)).to.deep.equal([
      "  127.0.0.1:8080: 1 client, waiting for 2 more",
    ]);
  });

  it("does not count an evaluation as another update", () => {
    const evaluation: ServerEvent = { type: "evaluation-opened", round: 1, cohort: ["a", "b"] };
    const [line] = liveLines(after([...opening, evaluation, accepted("a", "evaluate")]), 8000, plain);
    expect(line).to.equal("    1/2     2        1      0        -         -   3.0 s  ██████░░░░░░ evaluating");
  });

  it("counts the answers found in the journal after a resumption", () => {
    const resumed: ServerEvent = {
      type: "resumed",
      run: "r",
      round: 4,
      roundOpen: true,
      answered: ["a"],
      outstanding: ["b"],
      parametersSha256: sha,
    };
    expect(liveLines(after([resumed]), 0, plain)).to.deep.equal([
      "      5     2        1      0        -         -   0.0 s  ██████░░░░░░ training",
    ]);
  });

  it("leaves the bar out where it would wrap", () => {
    const [line] = liveLines(after(opening), 7000, { color: false, columns: 60 });
    expect(line).to.equal("    1/2     2        1      0        -         -   2.0 s");
  });

  it("prints a committed round once and erases what it drew", () => {
    let written = "";
    const view = tableView({ columns: 100, write: (text) => (written += text) }, false, () => 0);
    for (const event of [...opening, committed]) view.show(event);
    view.close();
    expect(written.split("  round asked answered failed     loss  accuracy    time\n")).to.have.length(2);
    expect(written.split("\u001b[2A\u001b[J    1/2     2        1      1   0.2500   97.53 %   0.0 s\n")).to.have.length(
      2,
    );
    expect(written.endsWith("\u001b[1A\u001b[J")).to.equal(true);
    expect(written).not.to.contain("\u001b[31m");
  });

  it("tells durations as people do", () => {
    expect([0, 59_900, 187_000, 3_765_000].map(duration)).to.deep.equal(["0.0 s", "59.9 s", "3:07", "1:02:45"]);
  });

  it("has no colour without a terminal or with NO_COLOR", () => {
    const terminal = { isTTY: true, write: () => true };
    expect(wantsColor(terminal, {})).to.equal(true);
    expect(wantsColor(terminal, { NO_COLOR: "1" })).to.equal(false);
    expect(wantsColor({ ...terminal, isTTY: false }, {})).to.equal(false);
  });
});

describe("a line", () => {
  it("tells a committed round with its scores and digest", () => {
    expect(serverLine(committed)).to.equal(
      `round 1 committed: 1 answered, 1 failed, loss 0.2500, accuracy 97.53 %, sha256 ${sha}`,
    );
  });

  it("of JSON keeps what JSON lacks, and no thrown error", () => {
    const event = {
      type: "x",
      error: new Error("e"),
      nan: NaN,
      big: 5n,
      bytes: Uint8Array.of(1, 255),
      whole: { float: 2 },
    };
    expect(jsonLine(event, new Date(0))).to.equal(
      '{"time":"1970-01-01T00:00:00.000Z","type":"x","nan":"NaN","big":5,"bytes":"01ff","whole":2}',
    );
  });
});

describe("where a round's time went", () => {
  const timed: ServerEvent = {
    ...{ type: "round-timed", round: 3, broadcastMs: 11.6, clientMs: 200, uploadMs: 30, durableMs: 4, waitMs: 0 },
    ...{ aggregateMs: 5, evaluateMs: 60, commitMs: 7, totalMs: 317.6 },
  };
  const shown = (json: boolean, verbose: boolean): string => {
    const lines: string[] = [];
    serverView({ write: (text) => lines.push(text) }, json, {}, verbose).show(timed);
    return lines.join("");
  };

  it("is said to a person who asks for it, and to machines always", () => {
    expect(shown(false, true)).to.equal(
      "round 3 took 318 ms: broadcast 12, client 200, upload 30, durable 4, wait 0, aggregate 5, evaluate 60, commit 7\n",
    );
    expect(shown(false, false)).to.equal("");
    expect(shown(true, false)).to.contain('"type":"round-timed"').and.contain('"uploadMs":30');
  });
});
