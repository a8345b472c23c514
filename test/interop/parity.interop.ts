// The same federation of the same stock clients under both servers, for every strategy that both have.
import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { float32 } from "@perennial-fl/core";
import {
  bulyan,
  faultTolerantFedAvg,
  fedAdagrad,
  fedAdam,
  fedAvg,
  fedAvgM,
  fedMedian,
  fedProx,
  fedTrimmedAvg,
  fedYogi,
  krum,
  qFedAvg,
} from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";
import { freePort } from "../support/free-port.js";
import { serve } from "./federation.js";
import { describeWithPeers } from "./peers.js";
import type { Peers } from "./peers.js";
import { accepts } from "./python.js";
import type { Peer } from "./python.js";

const rounds = 5;
const of = (clients: number) => ({
  minAvailableClients: clients,
  minFitClients: clients,
  minEvaluateClients: clients,
});
const all = of(7);
const shapes = { weight: [8, 6], bias: [6], scale: [] } as const;
/** Enough for float32's rounding in every sum of a round: about 16 of its steps. */
const rounding = 2e-6;

interface Row {
  readonly strategy: () => Strategy;
  /** The largest difference that counts as agreement, over the larger of 1 and the element. */
  readonly tolerance: number;
  readonly reason: string;
  /** Default 7. */
  readonly clients?: number;
}

const sums = "float32 sums";
/** Each with the options that `peers/stock_server.py` gives Flower's. */
const rows: Readonly<Record<string, Row>> = {
  fedavg: { strategy: () => fedAvg(all), tolerance: rounding, reason: sums },
  faulttolerantfedavg: { strategy: () => faultTolerantFedAvg(all), tolerance: rounding, reason: sums },
  fedprox: { strategy: () => fedProx({ ...all, proximalMu: 0.1 }), tolerance: rounding, reason: sums },
  fedavgm: {
    strategy: () => fedAvgM({ ...all, serverLearningRate: 0.5, serverMomentum: 0.9 }),
    tolerance: rounding,
    reason: sums,
  },
  fedadam: { strategy: () => fedAdam(all), tolerance: rounding, reason: sums },
  fedadagrad: { strategy: () => fedAdagrad(all), tolerance: rounding, reason: sums },
  fedyogi: { strategy: () => fedYogi(all), tolerance: rounding, reason: sums },
  fedmedian: { strategy: () => fedMedian(all), tolerance: 0, reason: "one of the values" },
  fedtrimmedavg: { strategy: () => fedTrimmedAvg({ ...all, beta: 0.2 }), tolerance: rounding, reason: sums },
  krum: { strategy: () => krum({ ...all, numMaliciousClients: 1 }), tolerance: 0, reason: "one of the updates" },
  multikrum: {
    strategy: () => krum({ ...all, numMaliciousClients: 1, numClientsToKeep: 3 }),
    tolerance: rounding,
    reason: sums,
  },
  bulyan: {
    // With fewer attackers its last picks tie (each of a pair is the other's nearest), and Flower goes by who came first.
    strategy: () => bulyan({ ...of(15), numMaliciousClients: 3 }),
    clients: 15,
    tolerance: rounding,
    reason: `${sums}; 15 clients and 3 attackers, since with fewer the last picks tie`,
  },
  qfedavg: {
    strategy: () => qFedAvg(all),
    tolerance: rounding,
    reason: `${sums}; all clients report one loss, since Flower's takes one for all`,
  },
};

type Models = readonly (readonly (readonly number[])[])[];

describeWithPeers("under both servers, stock clients train", "stock", (peers) => {
  const measured = new Map<string, readonly number[]>();

  for (const [name, { strategy, tolerance, clients = 7 }] of Object.entries(rows)) {
    it(`the same model under ${name}, five rounds long`, async () => {
      const ours = await underOurs(peers, strategy(), clients);
      const theirs = await underTheirs(peers, name, clients);
      expect(ours).to.have.length(rounds);
      expect(theirs).to.have.length(rounds);
      const differences = Object.keys(shapes).map((_, t) =>
        Math.max(...ours.map((model, r) => largestDifference(model[t] ?? [], theirs[r]?.[t] ?? []))),
      );
      measured.set(name, differences);
      for (const difference of differences) expect(difference).to.be.at.most(tolerance);
    });
  }

  it("and docs/interop.md says how much they differ, strategy by strategy", () => {
    const page = new URL("../../../docs/interop.md", import.meta.url);
    const text = readFileSync(page, "utf8");
    const [begin, end] = ["<!-- parity: begin -->\n", "<!-- parity: end -->"];
    const [before, rest = ""] = text.split(begin);
    const [old = "", after] = rest.split(end);
    const accept = process.env["PARITY"] === "accept";
    const now = accept ? table(peers.flower ?? "", measured) : old;
    if (accept) writeFileSync(page, [before, begin, now, end, after].join(""));
    const named = [...now.matchAll(/^\| (\w+) \| /gm)].map(([, name]) => name);
    expect(named).to.deep.equal(["strategy", ...Object.keys(rows)]);
  });
});

/** The models that the first client evaluates at our server. */
async function underOurs(peers: Peers, strategy: Strategy, clients: number): Promise<Models> {
  const initialModel = Object.values(shapes).map((shape) =>
    float32(shape, new Array<number>(shape.reduce((product: number, length) => product * length, 1)).fill(0)),
  );
  const { address, outcome } = await serve({ numRounds: rounds, strategy, initialModel });
  const joined = peers.start("parity_clients.py", address, `${clients}`);
  await outcome;
  return modelsOf(joined);
}

async function underTheirs(peers: Peers, strategy: string, clients: number): Promise<Models> {
  const address = `127.0.0.1:${await freePort()}`;
  const run = ["--rounds", `${rounds}`, "--clients", `${clients}`, "--shapes", JSON.stringify(Object.values(shapes))];
  const server = peers.start("stock_server.py", "--address", address, "--strategy", strategy, ...run);
  await accepts(address);
  const joined = peers.start("parity_clients.py", address, `${clients}`);
  expect(await server.exited, server.errors()).to.equal(0);
  return modelsOf(joined);
}

async function modelsOf(peer: Peer): Promise<Models> {
  expect(await peer.exited, peer.errors()).to.equal(0);
  return peer.said[0]?.["models"] as Models;
}

function largestDifference(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return Infinity;
  return Math.max(...ours.map((x, i) => Math.abs(x - (theirs[i] ?? NaN)) / Math.max(1, Math.abs(theirs[i] ?? NaN))));
}

function table(flower: string, measured: ReadonlyMap<string, readonly number[]>): string {
  const heads = Object.entries(shapes).map(([name, shape]) => `${name} [${shape.join(", ")}]`);
  const lines = [...measured].map(([name, differences]) => {
    const { tolerance, reason } = rows[name] as Row;
    const cells = [...differences, tolerance].map((x) => (x === 0 ? "0" : x.toExponential(1)));
    return `| ${[name, ...cells, reason].join(" | ")} |`;
  });
  return [
    `\nflwr ${flower}, 7 clients, ${rounds} rounds, as \`PARITY=accept npm run test:interop\` wrote it:\n`,
    `| ${["strategy", ...heads, "tolerance", "reason"].join(" | ")} |`,
    `| --- | ${heads.map(() => "---: | ").join("")}---: | --- |`,
    ...lines,
    "",
    "",
  ].join("\n");
}
