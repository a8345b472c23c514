// The power goes at every instant: recovery finds all that was acknowledged, whole, and goes on.
// CRASH_LIMIT sets how many selections of unsynced writes are tried at one instant (32 by default).
import { expect } from "chai";
import { figure } from "../support/figures.js";
import { explore } from "./explore.js";
import type { Findings } from "./explore.js";
import { subjectOf } from "./subjects.js";
import { workloads } from "./workloads.js";
import { rightWriter, wrongWriters } from "./wrong-writers.js";

const limit = Number(process.env["CRASH_LIMIT"] ?? 32);

describe("when the power goes", () => {
  const all: Findings[] = [];
  let flagged = 0;

  after(() => {
    const sum = (of: (findings: Findings) => number): number => all.reduce((total, each) => total + of(each), 0);
    figure("crash states", {
      states: sum(({ states, again }) => states + again),
      recovered: sum(({ distinct, again }) => distinct + again),
      violations: sum(({ violations }) => violations.length),
      flagged,
    });
  });

  for (const workload of workloads) {
    for (const names of ["ordered", "any"] as const) {
      it(`${workload.name} loses nothing and leaves nothing torn, names reaching the disk in ${names === "any" ? "any selection" : "order"}`, async function () {
        this.timeout(60_000 + 2_000 * limit);
        // Most selections differ in what a slot holds that nothing names yet: fewer of them show as much.
        const most = workload.blobs === "recycled-slots" ? Math.ceil(limit / 8) : limit;
        const findings = await explore(subjectOf(workload), { names, limit: most, seed: workload.name, again: true });
        all.push(findings);
        expect(findings.violations.slice(0, 5)).to.deep.equal([]);
        expect(findings.distinct).to.be.greaterThan(30);
      });
    }
  }

  for (const writer of wrongWriters) {
    it(`the explorer flags a writer that is wrong: ${writer.name}`, async () => {
      const { violations } = await explore(writer, { names: "any", limit, seed: writer.name, again: false });
      expect(violations).to.not.be.empty;
      flagged++;
    });
  }

  it("the explorer has nothing to say of a small writer that is right", async () => {
    const { violations } = await explore(rightWriter, { names: "any", limit, seed: "E", again: false });
    expect(violations).to.deep.equal([]);
  });
});
