// Stock peers under hardship: a private authority, large models, an answer that does not fit, a server that is killed.
import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { expect } from "chai";
import { zeros } from "@perennial-fl/core";
import { startClient } from "@perennial-fl/client";
import { fedAvg } from "@perennial-fl/strategy";
import { freePort } from "../support/free-port.js";
import { adding, serve, start, values } from "./federation.js";
import { accepts, findFlower, startPeer } from "./python.js";
import type { Peer } from "./python.js";

const flower = findFlower();
const fixture = (name: string): URL => new URL(`../../../packages/transport/fixtures/${name}`, import.meta.url);
const tls = { cert: readFileSync(fixture("server.pem")), key: readFileSync(fixture("server.key.pem")) };
const gibibyte = 2 ** 30;

for (const transport of ["streaming", "grpc"] as const) {
  (typeof flower === "string" ? describe.skip : describe)(`stock peers, over the ${transport} transport:`, function () {
    this.timeout(240_000);
    if (typeof flower === "string") return;
    const peers: Peer[] = [];
    const python = (script: string, ...args: string[]): Peer => {
      const peer = startPeer(flower, script, ...args);
      peers.push(peer);
      return peer;
    };
    afterEach(() => {
      for (const peer of peers.splice(0)) peer.kill();
    });

    it("a stock client and one of ours trust a private authority", async () => {
      const { address, outcome } = await serve({
        numRounds: 2,
        strategy: fedAvg(),
        initialModel: start,
        transport,
        tls,
      });
      const named = address.replace("127.0.0.1", "localhost");
      const stock = python("numpy_client.py", "--server", named, "--add", "1", "--ca", fixture("ca.pem").pathname);
      await startClient({
        serverAddress: named,
        client: adding(3, 10),
        clientId: "ours",
        tls: { rootCertificates: readFileSync(fixture("ca.pem")) },
      });
      expect(values((await outcome).parameters)[1], stock.errors()).to.deep.equal([4, 4, 4]);
      expect(await stock.exited, stock.errors()).to.equal(0);
    });

    it("an update that does not fit is a failure that names the reason, and the round goes on", async () => {
      const { address, outcome, events } = await serve({
        numRounds: 1,
        strategy: fedAvg(),
        initialModel: start,
        transport,
      });
      python("numpy_client.py", "--server", address, "--mode", "rubbish");
      python("numpy_client.py", "--server", address, "--add", "1");
      expect(values((await outcome).parameters)[1]).to.deep.equal([1, 1, 1]);
      const failures = events.filter((event) => event.type === "client-failed");
      expect(failures).to.have.length(1);
      expect(failures[0]?.reason).to.be.oneOf(["invalid", "unreadable"]);
    });

    // Over a minute: on the default transport alone.
    if (transport !== "streaming") return;
    it("512 MiB of parameters travel to two stock clients and back", async function () {
      if (freemem() < 8 * gibibyte) {
        console.log(
          `      skipped: 512 MiB of parameters, because ${(freemem() / gibibyte).toFixed(1)} of 8 GiB are free`,
        );
        this.skip();
      }
      const { address, outcome } = await serve({
        numRounds: 1,
        strategy: fedAvg({ fractionEvaluate: 0 }),
        initialModel: Array.from({ length: 4 }, () => zeros("float32", [2 ** 25])),
        transport,
      });
      for (const add of ["1", "3"]) python("numpy_client.py", "--server", address, "--add", add);
      const { parameters } = await outcome;
      expect(parameters.map(({ data }) => [data[0], data.at(-1)])).to.deep.equal(new Array(4).fill([2, 2]));
    });
  });
}

(typeof flower === "string" ? describe.skip : describe)("at a stock Flower server that is killed,", function () {
  this.timeout(120_000);
  if (typeof flower === "string") return;

  it("our client goes on trying and gives up by its own limit", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const server = startPeer(flower, "flower_server.py", "--address", address, "--rounds", "1000000", "--clients", "1");
    await accepts(address);
    const waits: string[] = [];
    let fits = 0;
    const client = adding(1, 10, start);
    const life = startClient({
      serverAddress: address,
      clientId: "ours",
      client: {
        ...client,
        fit(...given) {
          fits++;
          if (fits === 3) server.kill();
          return client.fit(...given);
        },
      },
      backoff: { giveUpAfterMs: 2000 },
      observe: (event) => {
        if (event.type === "waiting" && fits >= 3) waits.push(event.reason);
      },
    });
    const error = await life.then(
      () => undefined,
      (cause: unknown) => cause as { code: string },
    );
    expect(error?.code).to.match(/^connection\//);
    expect(waits.length).to.be.greaterThan(1);
  });
});
