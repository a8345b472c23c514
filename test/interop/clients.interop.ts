// Clients in Python at our server, over both of its transports: peers must not be able to tell them apart.
import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { expect } from "chai";
import { startClient } from "@perennial-fl/client";
import { zeros } from "@perennial-fl/core";
import type { Metrics } from "@perennial-fl/core";
import { fedAvg } from "@perennial-fl/strategy";
import { freePort } from "../support/free-port.js";
import { temporaryDirectory } from "../support/temporary.js";
import { adding, serve, start, values } from "./federation.js";
import type { Served } from "./federation.js";
import { describeWithPeers } from "./peers.js";

const fixture = (name: string): URL => new URL(`../../../packages/transport/fixtures/${name}`, import.meta.url);
const tls = { cert: readFileSync(fixture("server.pem")), key: readFileSync(fixture("server.key.pem")) };
const gibibyte = 2 ** 30;
const one = { minAvailableClients: 1, minFitClients: 1, minEvaluateClients: 1 };

for (const transport of ["streaming", "grpc"] as const) {
  const ourServer = (options: Served) => serve({ transport, initialModel: start, ...options });

  describeWithPeers(`Python clients at our server, over the ${transport} transport:`, "clients", function (peers) {
    it("two of them and two of ours train five rounds together", async () => {
      const { address, outcome } = await ourServer({ numRounds: 5, strategy: fedAvg({ minAvailableClients: 4 }) });
      const theirs = [
        peers.client("--server", address, "--add", "1", "--examples", "10"),
        peers.client("--server", address, "--add", "2", "--examples", "30"),
      ];
      const ours = [3, 4].map((amount) =>
        startClient({ serverAddress: address, client: adding(amount, 20), clientId: `ours-${amount}` }),
      );
      const { finished, parameters, history } = await outcome;
      await Promise.all(ours);
      // Every round adds (1·10 + 2·30 + 3·20 + 4·20) / 80.
      expect(finished).to.equal(true);
      expect(values(parameters)).to.deep.equal([new Array(4).fill(5 * 2.625), new Array(3).fill(5 * 2.625)]);
      expect(history.map(({ fit }) => fit.answered.length)).to.deep.equal([4, 4, 4, 4, 4]);
      expect(await Promise.all(theirs.map(({ exited }) => exited))).to.deep.equal([0, 0]);
      // What only our peers are told stays hidden from others.
      expect(theirs[0]?.said.find(({ asked }) => asked === "fit")?.["config"]).to.deep.equal({});
    });

    it("every scalar type arrives", async () => {
      const { address, outcome, events } = await ourServer({ numRounds: 1, strategy: fedAvg(one) });
      peers.client("--server", address, "--mode", "scalars");
      const { history } = await outcome;
      const metrics: Metrics = history[0]?.fit.metrics ?? {};
      expect(metrics).to.deep.equal({ float: 0.5, whole_float: 2, int: 7, negative: -3, large: 2 ** 63 });
      expect(events.filter(({ type }) => type === "client-failed")).to.deep.equal([]);
    });

    it("every scalar type is understood in a configuration", async () => {
      const onFitConfig = () => ({
        int: 7,
        negative: -3n,
        large: 2n ** 63n + 1n,
        whole: { float: 2 },
        float: 0.5,
        bool: false,
        str: "",
        bytes: Uint8Array.of(0, 255),
      });
      const { address, outcome } = await ourServer({ numRounds: 1, strategy: fedAvg({ ...one, onFitConfig }) });
      const client = peers.client("--server", address);
      await outcome;
      await client.exited;
      expect(client.said.find(({ asked }) => asked === "fit")?.["config"], client.errors()).to.deep.equal({
        int: ["int", "7"],
        negative: ["int", "-3"],
        large: ["int", "9223372036854775809"],
        whole: ["float", "2.0"],
        float: ["float", "0.5"],
        bool: ["bool", "False"],
        str: ["str", ""],
        bytes: ["bytes", "b'\\x00\\xff'"],
      });
    });

    it("every numpy type and layout travels both ways, from initial parameters that a client gives", async () => {
      const { address, outcome } = await serve({
        transport,
        numRounds: 2,
        strategy: fedAvg({ ...one, fractionEvaluate: 0 }),
      });
      const client = peers.client("--server", address, "--mode", "dtypes");
      const { parameters } = await outcome;
      await client.exited;
      expect(parameters).to.have.length(17);
      const same = client.said.flatMap((line) => ("same" in line ? (line["same"] as boolean[]) : []));
      expect(same, client.errors()).to.deep.equal(new Array(34).fill(true));
    });

    it("one that dies in fit is a failure, and the round goes on", async () => {
      const { address, outcome, events } = await ourServer({ numRounds: 1, strategy: fedAvg() });
      peers.client("--server", address, "--mode", "die");
      peers.client("--server", address, "--add", "1");
      const { parameters } = await outcome;
      expect(values(parameters)[1]).to.deep.equal([1, 1, 1]);
      expect(events.filter(({ type }) => type === "client-failed")).to.have.length(1);
    });

    it("one whose update does not fit is a failure, and the round goes on", async () => {
      const { address, outcome, events } = await ourServer({ numRounds: 1, strategy: fedAvg() });
      peers.client("--server", address, "--mode", "misfit");
      peers.client("--server", address, "--add", "1");
      expect(values((await outcome).parameters)[1]).to.deep.equal([1, 1, 1]);
      const failures = events.flatMap((event) => (event.type === "client-failed" ? [event.reason] : []));
      expect(failures).to.deep.equal(["invalid"]);
    });

    it("one that is slow misses the round, stays connected, and its process survives", async () => {
      const { address, outcome, events } = await ourServer({ numRounds: 2, strategy: fedAvg(), roundTimeoutMs: 1500 });
      const slow = peers.client("--server", address, "--mode", "slow");
      peers.client("--server", address, "--add", "1");
      await outcome;
      expect(await slow.exited, slow.errors()).to.equal(0);
      expect(events.some((event) => event.type === "client-failed" && event.reason === "timeout")).to.equal(true);
      expect(events.some((event) => event.type === "result-ignored" && event.why === "late")).to.equal(true);
    });

    it("they survive a planned restart of the server", async () => {
      const address = `127.0.0.1:${await freePort()}`;
      const options = { numRounds: 4, strategy: fedAvg(), stateDir: temporaryDirectory(), address, restartSeconds: 3 };
      const stop = new AbortController();
      const first = await ourServer({
        ...options,
        signal: stop.signal,
        observe: (event) => {
          if (event.type === "round-committed" && event.round === 2) stop.abort();
        },
      });
      const clients = [1, 2].map((add) => peers.client("--server", first.address, "--add", String(add)));
      expect((await first.outcome).finished).to.equal(false);
      const second = await ourServer(options);
      const { finished, parameters, round } = await second.outcome;
      expect([finished, round]).to.deep.equal([true, 4]);
      expect(values(parameters)[1]).to.deep.equal([6, 6, 6]);
      expect(await Promise.all(clients.map(({ exited }) => exited))).to.deep.equal([0, 0]);
    });

    it("one of them and one of ours trust a private authority", async () => {
      const { address, outcome } = await ourServer({ numRounds: 2, strategy: fedAvg(), tls });
      const named = address.replace("127.0.0.1", "localhost");
      const theirs = peers.client("--server", named, "--add", "1", "--ca", fixture("ca.pem").pathname);
      await startClient({
        serverAddress: named,
        client: adding(3, 10),
        clientId: "ours",
        tls: { rootCertificates: readFileSync(fixture("ca.pem")) },
      });
      expect(values((await outcome).parameters)[1], theirs.errors()).to.deep.equal([4, 4, 4]);
      expect(await theirs.exited, theirs.errors()).to.equal(0);
    });

    // Over a minute: on the default transport, with stock clients alone.
    if (transport !== "streaming" || peers.flower === undefined) return;
    it("512 MiB of parameters travel to two of them and back", async function () {
      if (freemem() < 8 * gibibyte) {
        const free = (freemem() / gibibyte).toFixed(1);
        console.log(`      skipped: 512 MiB of parameters, because ${free} of 8 GiB are free`);
        this.skip();
      }
      const { address, outcome } = await ourServer({
        numRounds: 1,
        strategy: fedAvg({ fractionEvaluate: 0 }),
        initialModel: Array.from({ length: 4 }, () => zeros("float32", [2 ** 25])),
      });
      for (const add of ["1", "3"]) peers.client("--server", address, "--add", add);
      const { parameters } = await outcome;
      expect(parameters.map(({ data }) => [data[0], data.at(-1)])).to.deep.equal(new Array(4).fill([2, 2]));
    });
  });

  describeWithPeers(`our own Python client at our server, over the ${transport} transport:`, "own", (peers) => {
    it("trains without numpy beside one that has it", async () => {
      const { address, outcome } = await ourServer({ numRounds: 2, strategy: fedAvg() });
      const clients = [
        peers.start("own_client.py", "--server", address, "--add", "1", "--arrays", "plain"),
        peers.start("own_client.py", "--server", address, "--add", "2", "--arrays", "numpy"),
      ];
      const { parameters, history } = await outcome;
      expect(values(parameters)).to.deep.equal([new Array(4).fill(3), new Array(3).fill(3)]);
      // The sum of the four elements of the first tensor, of both clients alike.
      expect(history.map(({ loss }) => loss)).to.deep.equal([6, 12]);
      expect(await Promise.all(clients.map(({ exited }) => exited))).to.deep.equal([0, 0]);
    });
  });
}
