// Many rounds with many clients: memory, open files and the directory do not grow. Run by `npm run scorecard`.
// SOAK is the number of rounds that are looked at (500 by default), after those in which a server settles.
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { startServer } from "@perennial-fl/server";
import { fedAdam } from "@perennial-fl/strategy";
import { expect } from "chai";
import { serverOptions } from "../kill/federation.js";
import { figure } from "../support/figures.js";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { quickDirectory } from "../support/temporary.js";
import { toyClients } from "../support/toy-clients.js";

const rounds = Number(process.env["SOAK"] ?? 500);
/** Code is compiled, pools fill, and the heap takes its size. */
const settling = 300;
const sampleEvery = 10;
const clients = 200;
const MB = 1e6;

interface Sample {
  readonly round: number;
  readonly rss: number;
  readonly heap: number;
  readonly openFiles: number;
  readonly files: number;
}

describe("a long run", () => {
  it(`of ${rounds} rounds with ${clients} clients does not grow`, async function () {
    this.timeout(1_800_000);
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const stateDir = quickDirectory();
    const samples: Sample[] = [];
    const wrong: string[] = [];
    await startServer({
      ...serverOptions(stateDir, settling + rounds),
      strategy: fedAdam({ minAvailableClients: clients, fractionFit: 0.1, fractionEvaluate: 0.1 }),
      openFleet: (openSink) => scriptedFleet({ clients: toyClients(clients), openSink, arrival: 1 }),
      observe: (event) => {
        if (event.type === "client-failed" || event.type === "warning") wrong.push(event.message);
        if (event.type !== "round-committed" || event.round < settling || event.round % sampleEvery !== 0) return;
        collect();
        const { rss, heapUsed: heap } = process.memoryUsage();
        const openFiles = readdirSync("/proc/self/fd").length;
        samples.push({ round: event.round, rss, heap, openFiles, files: readdirSync(stateDir).length });
      },
    });
    expect(wrong).to.deep.equal([]);
    const perHundred = (of: (sample: Sample) => number): number => (100 * slope(samples, of)) / MB;
    const grown = (of: (sample: Sample) => number): number => of(samples.at(-1) as Sample) - of(samples[0] as Sample);
    const figures = {
      rounds,
      rssPerHundred: perHundred(({ rss }) => rss).toFixed(2),
      heapPerHundred: perHundred(({ heap }) => heap).toFixed(2),
      openFiles: grown(({ openFiles }) => openFiles),
      files: grown(({ files }) => files),
    };
    figure("soak", figures);
    expect(figures.openFiles, "more open files").to.be.lessThan(3);
    expect(figures.files, "more files").to.equal(0);
    expect(Number(figures.rssPerHundred), "MB per 100 rounds").to.be.lessThan(1);
  });
});

/** The median of the slopes between all pairs (Theil and Sen): one odd sample does not move it. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const slopes = samples.flatMap((a, i) => samples.slice(i + 1).map((b) => (of(b) - of(a)) / (b.round - a.round)));
  return slopes.sort((a, b) => a - b)[slopes.length >> 1] ?? 0;
}
