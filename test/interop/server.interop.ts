// Our clients at a stock Flower server.
import { expect } from "chai";
import { startClient } from "@perennial-fl/client";
import type { Client } from "@perennial-fl/client";
import { freePort } from "../support/free-port.js";
import { adding, start } from "./federation.js";
import { describeWithPeers } from "./peers.js";
import { accepts } from "./python.js";

describeWithPeers("our clients at a stock Flower server:", "stock", (peers) => {
  it("train three rounds", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const server = peers.start("stock_server.py", "--address", address, "--rounds", "3");
    const configs: unknown[] = [];
    const told: Client = {
      ...adding(1, 10, start),
      fit(parameters, config, context) {
        configs.push(config);
        return adding(1, 10).fit(parameters, config, context);
      },
    };
    await Promise.all(
      [told, adding(2, 30, start)].map((client, i) =>
        startClient({ serverAddress: address, client, clientId: `ours-${i}` }),
      ),
    );
    expect(await server.exited, server.errors()).to.equal(0);
    const [result] = server.said;
    expect(result?.["parameters"]).to.deep.equal([
      [
        [5.25, 5.25],
        [5.25, 5.25],
      ],
      [5.25, 5.25, 5.25],
    ]);
    expect(configs[0]).to.deep.equal({ server_round: 1, rate: 0.5, name: "x", flag: true, blob: Uint8Array.of(1) });
    expect((result?.["accuracy"] as unknown[]).length).to.equal(3);
  });

  it("give back every numpy type and layout as they got it, and every scalar type", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const one = ["--rounds", "1", "--clients", "1"];
    const server = peers.start("stock_server.py", "--address", address, "--dtypes", ...one);
    const client: Client = {
      fit: (parameters) => ({
        parameters,
        numExamples: 10,
        metrics: {
          int: 7,
          negative: -3n,
          large: 2n ** 63n + 1n,
          whole: { float: 2 },
          float: 0.5,
          bool: true,
          str: "text",
          bytes: Uint8Array.of(0, 255),
        },
      }),
      evaluate: () => ({ loss: 0.5, numExamples: 10, metrics: { accuracy: 0.75 } }),
    };
    await startClient({ serverAddress: address, client, clientId: "ours" });
    expect(await server.exited, server.errors()).to.equal(0);
    expect(server.said[0]?.["same"]).to.deep.equal([new Array(17).fill(true)]);
    expect(server.said[0]?.["metrics"]).to.deep.equal([
      {
        bool: ["bool", "True"],
        bytes: ["bytes", "b'\\x00\\xff'"],
        float: ["float", "0.5"],
        int: ["int", "7"],
        large: ["int", "9223372036854775809"],
        negative: ["int", "-3"],
        str: ["str", "text"],
        whole: ["float", "2.0"],
      },
    ]);
  });

  it("clip to the norm that its private strategy tells them, and say whether they had to", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const server = peers.start("stock_server.py", "--address", address, "--rounds", "1", "--clip", "0.5");
    await Promise.all(
      [adding(0.01, 10, start), adding(4, 10, start)].map((client, i) =>
        startClient({ serverAddress: address, client, clientId: `ours-${i}` }),
      ),
    );
    expect(await server.exited, server.errors()).to.equal(0);
    const [result] = server.said;
    const bits = (result?.["metrics"] as Record<string, unknown>[]).map(({ norm_bit }) => String(norm_bit));
    expect(bits.sort()).to.deep.equal(["bool,False", "bool,True"]);
    // One client moves each of the seven elements by 0.01, the other one by 0.5 / √7 in the place of 4.
    const [first] = (result?.["parameters"] as number[][][])[0] as number[][];
    const begun = start[0]?.data[0] as number;
    expect((first?.[0] as number) - begun).to.be.closeTo((0.01 + 0.5 / Math.sqrt(7)) / 2, 1e-6);
  });

  it("go on trying when it is killed, and give up by their own limit", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const server = peers.start("stock_server.py", "--address", address, "--rounds", "1000000", "--clients", "1");
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
