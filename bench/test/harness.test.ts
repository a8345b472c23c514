// The harness measures both sides in turn and computes what the report says.
import { expect } from "chai";
import { median, NotInstalled, runBenchmark } from "../src/harness.js";
import type { Benchmark, Contender } from "../src/harness.js";
import { figure, table } from "../src/report.js";

function contender(name: string, readings: readonly number[], log: string[]): Contender {
  const left = [...readings];
  return {
    measure() {
      log.push(name);
      return Promise.resolve([left.shift() ?? NaN]);
    },
    close() {
      log.push(`${name} closed`);
      return Promise.resolve();
    },
  };
}

function benchmark(log: string[], peer: () => Promise<Contender>): Benchmark {
  return {
    name: "it",
    measures: [{ name: "", unit: "ms" }],
    warmUps: 1,
    repetitions: { full: 3, quick: 1 },
    open: () => Promise.resolve(contender("ours", [100, 1, 3, 2], log)),
    peer: { name: "peer", open: peer },
  };
}

describe("the benchmark harness", () => {
  it("interleaves the sides, changes who is first, leaves out the warm-up and closes both", async () => {
    const log: string[] = [];
    const peer = () => Promise.resolve(contender("peer", [900, 4, 8, 6], log));
    const { rows, peerMissing } = await runBenchmark(benchmark(log, peer), "full");
    expect(peerMissing).to.equal(undefined);
    expect(rows).to.deep.equal([
      {
        name: "it",
        unit: "ms",
        ours: 2,
        peer: 6,
        peerName: "peer",
        ratio: 1 / 3,
        goal: null,
        runs: { ours: [1, 3, 2], peer: [4, 8, 6] },
      },
    ]);
    expect(log.join(" ")).to.equal("peer ours ours peer peer ours ours peer peer closed ours closed");
  });

  it("says why a peer is missing, and measures our side all the same", async () => {
    const { rows, peerMissing } = await runBenchmark(
      benchmark([], () => Promise.reject(new NotInstalled("no snakes here"))),
      "full",
    );
    expect(peerMissing).to.equal("no snakes here");
    expect(rows[0]).to.deep.include({ ours: 2, peer: null, ratio: null, runs: { ours: [1, 3, 2], peer: null } });
    expect(table(rows)).to.match(/it +ms +2\.00 +- +- +- +1\.00 3\.00 2\.00 +-/);
  });

  it("takes any other failure of a peer for a failure of the benchmark", async () => {
    let caught: unknown;
    await runBenchmark(
      benchmark([], () => Promise.reject(new Error("it bit"))),
      "full",
    ).catch((error: unknown) => {
      caught = error;
    });
    expect(caught).to.be.an("error").with.property("message", "it bit");
  });

  it("takes the middle value, or the mean of the middle two", () => {
    expect(median([3, 1, 2])).to.equal(2);
    expect(median([4, 1, 3, 2])).to.equal(2.5);
    expect(median([])).to.be.NaN;
  });

  it("shows three digits", () => {
    expect([0, 0.01234, 1.234, 12.34, 123.4, 1234].map(figure)).to.deep.equal([
      "0",
      "0.0123",
      "1.23",
      "12.3",
      "123",
      "1234",
    ]);
  });
});
