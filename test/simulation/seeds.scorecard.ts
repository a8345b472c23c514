// For the scorecard: SEEDS federations in virtual weather, of which none may break a promise.
import { replayCommand, simulate } from "@perennial-fl/simulation";
import { expect } from "chai";
import { figure } from "../support/figures.js";

const seeds = Number(process.env["SEEDS"] ?? 200);

describe("federations in virtual weather", () => {
  it(`keep every promise under ${seeds} seeds, and make progress when it has cleared`, async function () {
    this.timeout(0);
    const violated: string[] = [];
    const tally = { seeds: 0, refused: 0, judged: 0, events: 0, accepted: 0, virtualHours: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const report = await simulate({ seed });
      tally.seeds++;
      tally.events += report.events;
      tally.accepted += report.accepted;
      tally.virtualHours += report.virtualMs / 3_600_000;
      if (report.outcome === "refused") tally.refused++;
      if (report.judgedRounds >= 2) tally.judged++;
      if (report.outcome === "violated") violated.push(`${replayCommand(report, [])}: ${report.violations.join("; ")}`);
    }
    figure("simulation", {
      ...tally,
      virtualHours: Math.round(tally.virtualHours * 10) / 10,
      violated: violated.length,
    });
    expect(violated).to.deep.equal([]);
  });
});
