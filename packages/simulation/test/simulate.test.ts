// Federations in virtual weather: one seed is one history, and no weather breaks a promise.
// SEEDS sets how many seeds are tried (24 by default); `npm run simulate:seeds` is the long form.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";
import { replayCommand, shrink, simulate, weathers } from "@perennial-fl/simulation";
import type { SimulationReport } from "@perennial-fl/simulation";

const seeds = Number(process.env["SEEDS"] ?? 24);

describe("a simulated federation", () => {
  it("has one history for one seed, in this process and in another", async () => {
    const lines: [string[], string[]] = [[], []];
    const reports: SimulationReport[] = [];
    for (const into of lines) {
      reports.push(await simulate({ seed: 9, weather: "storm", observe: (line) => into.push(line) }));
    }
    expect(lines[0]).to.have.length.above(300);
    expect(lines[0]).to.deep.equal(lines[1]);
    const elsewhere = `
      import { simulate } from ${JSON.stringify(new URL("../src/index.js", import.meta.url).href)};
      console.log((await simulate({ seed: 9, weather: "storm" })).digest);`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", elsewhere]);
    expect(new Set([...reports.map(({ digest }) => digest), stdout.trim()])).to.have.property("size", 1);
  });

  it("has another history for another seed", async () => {
    const [one, other] = [await simulate({ seed: 1, weather: "calm" }), await simulate({ seed: 2, weather: "calm" })];
    expect(one.digest).to.not.equal(other.digest);
  });

  for (let first = 1; first <= seeds; first += 8) {
    const last = Math.min(first + 7, seeds);
    it(`keeps every promise in the weather of the seeds ${first} to ${last}`, async function () {
      this.timeout(120_000);
      for (let seed = first; seed <= last; seed++) {
        const report = await simulate({ seed });
        const failed = `seed ${seed}: ${report.violations.join("; ")}\n${replayCommand(report, [])}`;
        expect(report.outcome, failed).to.not.equal("violated");
      }
    });
  }

  it("makes progress again in every honest weather, and finishes its rounds", async () => {
    const honest = weathers.filter((weather) => weather !== "lies" && weather !== "rot");
    for (const weather of honest) {
      const report = await simulate({ seed: 5, weather });
      expect(report, weather).to.include({ outcome: "finished", rounds: 14 });
    }
  });

  it("counts an answer that is told of again, rounds later, once and for its own round", async () => {
    // In this history an answer comes again while another question to the same client is open.
    const report = await simulate({ seed: 13, weather: "network" });
    expect(report.violations).to.deep.equal([]);
  });

  it("refuses a weather that there is not, and names those that there are", async () => {
    const failure = await simulate({ seed: 1, weather: "hail" as "calm" }).catch((error: unknown) => error);
    expect(failure).to.include({ code: "argument/invalid" });
    expect(String(failure)).to.match(/one of calm, .*storm.*, not hail/);
  });
});

describe("a seed that fails", () => {
  it("is shrunk to the spells that its failure needs, and is replayed by a command", async () => {
    const report = await simulate({ seed: 3, weather: "pauses" });
    const fewer = report.spells.map((_, at) => at).slice(2);
    // No seed fails. One that is said to have failed keeps its spells, as it fails without none of them.
    const shrunk = await shrink(
      { ...report, outcome: "violated", spells: report.spells.slice(0, 2) },
      { seed: 3, without: fewer },
    );
    expect(shrunk.without).to.deep.equal(fewer);
    expect(replayCommand(report, [1, 4])).to.equal(
      "npm run simulate:seeds -- --seed 3 --weather pauses --without 1,4 --trace",
    );
  });
});
