// The same federation of the same stock clients under both servers: the models agree within float32 rounding.
import { expect } from "chai";
import {
  fedAdagrad,
  fedAdam,
  fedAvg,
  fedAvgM,
  fedMedian,
  fedProx,
  fedTrimmedAvg,
  fedYogi,
} from "@perennial-fl/strategy";
import { faultTolerantFedAvg, krum } from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";
import { freePort } from "../support/free-port.js";
import { serve, start, values } from "./federation.js";
import { accepts, findFlower, startPeer } from "./python.js";
import type { Peer } from "./python.js";

const flower = findFlower();
const all = { minAvailableClients: 3, minFitClients: 3, minEvaluateClients: 3 };

/** Each with the options that `peers/strategy_server.py` gives Flower's. */
const rows: Readonly<Record<string, () => Strategy>> = {
  fedavg: () => fedAvg(all),
  faulttolerantfedavg: () => faultTolerantFedAvg(all),
  fedprox: () => fedProx({ ...all, proximalMu: 0.1 }),
  fedavgm: () => fedAvgM({ ...all, serverLearningRate: 0.5, serverMomentum: 0.9 }),
  fedadam: () => fedAdam(all),
  fedadagrad: () => fedAdagrad(all),
  fedyogi: () => fedYogi(all),
  fedmedian: () => fedMedian(all),
  fedtrimmedavg: () => fedTrimmedAvg({ ...all, beta: 0.34 }),
  multikrum: () => krum({ ...all, numMaliciousClients: 1, numClientsToKeep: 2 }),
};
const tolerance = 2e-6;

(typeof flower === "string" ? describe.skip : describe)("under both servers, three stock clients train", function () {
  this.timeout(120_000);
  if (typeof flower === "string") return;
  const peers: Peer[] = [];
  const python = (script: string, ...args: string[]): Peer => {
    const peer = startPeer(flower, script, ...args);
    peers.push(peer);
    return peer;
  };
  // Of three, two are each other's nearest and tie under Krum; Multi-Krum keeps both.
  const join = (address: string): Peer[] =>
    [
      ["1.1", "10"],
      ["1.37", "30"],
      ["2.9", "25"],
    ].map(([add = "", examples = ""]) =>
      python("numpy_client.py", "--server", address, "--add", add, "--examples", examples),
    );
  afterEach(() => {
    for (const peer of peers.splice(0)) peer.kill();
  });

  for (const [name, strategy] of Object.entries(rows)) {
    it(`the same model under ${name}`, async () => {
      const { address, outcome } = await serve({ numRounds: 3, strategy: strategy(), initialModel: start });
      join(address);
      const ours = values((await outcome).parameters).flat();
      const port = `127.0.0.1:${await freePort()}`;
      const server = python("strategy_server.py", "--address", port, "--strategy", name);
      await accepts(port);
      join(port);
      expect(await server.exited, server.errors()).to.equal(0);
      const theirs = (server.said.at(-1)?.["parameters"] as number[][]).flat();
      expect(ours).to.have.length(7);
      for (const [i, x] of ours.entries()) {
        const scale = Math.max(1, Math.abs(theirs[i] as number));
        expect(Math.abs(x - (theirs[i] as number)) / scale, `element ${i}`).to.be.at.most(tolerance);
      }
    });
  }
});
