// Real Flower peers: stock Python clients at our server, our clients at a stock Python server, and both together.
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { startClient } from "@perennial-fl/client";
import type { Client } from "@perennial-fl/client";
import { float32 } from "@perennial-fl/core";
import type { Metrics, Parameters } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import type { Outcome, ServerEvent, ServerOptions } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { temporaryDirectory } from "../support/temporary.js";
import { findFlower, startPeer } from "./python.js";
import type { Flower, Peer } from "./python.js";

const found = findFlower();
if (typeof found === "string") console.log(`skipped: every interop test with Flower, because ${found}`);

/** The server's two ways to speak Flower's wire; peers must not be able to tell them apart. */
const transports = ["streaming", "grpc"] as const;
let transport: (typeof transports)[number] = "streaming";

/** A server of ours in this process, and the address it listens on. */
async function serve(options: Partial<ServerOptions> & Pick<ServerOptions, "numRounds" | "strategy">) {
  const events: ServerEvent[] = [];
  let listening: (address: string) => void = () => undefined;
  const address = new Promise<string>((resolve) => (listening = resolve));
  const outcome: Promise<Outcome> = startServer({
    transport,
    address: "127.0.0.1:0",
    stateDir: temporaryDirectory(),
    observe: (event) => events.push(event),
    onListening: (bound) => {
      listening(bound);
    },
    ...options,
  });
  outcome.catch(() => undefined);
  return { address: await address, outcome, events };
}

async function freePort(): Promise<number> {
  const socket = createServer();
  await new Promise<void>((resolve) => socket.listen(0, "127.0.0.1", resolve));
  const { port } = socket.address() as AddressInfo;
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

const adding = (amount: number, numExamples: number): Client => ({
  fit: (parameters) => ({
    parameters: parameters.map(({ shape, data }) =>
      float32(
        shape,
        Float32Array.from(data as Float32Array, (x) => x + amount),
      ),
    ),
    numExamples,
    metrics: {},
  }),
  evaluate: (parameters) => ({ loss: Number(parameters[0]?.data[0]), numExamples, metrics: { accuracy: 0.75 } }),
});

const start: Parameters = [float32([2, 2], [0, 0, 0, 0]), float32([3], [0, 0, 0])];
const values = (parameters: Parameters): number[][] => parameters.map(({ data }) => Array.from(data as Float32Array));

for (const way of transports) describeInterop(way);

function describeInterop(way: (typeof transports)[number]): void {
  (typeof found === "string" ? describe.skip : describe)(
    `with real Flower peers, over the ${way} transport`,
    function () {
      this.timeout(120_000);
      const flower = found as Flower;
      const peers: Peer[] = [];
      const python = (script: string, ...args: string[]): Peer => {
        const peer = startPeer(flower, script, ...args);
        peers.push(peer);
        return peer;
      };
      before(() => {
        transport = way;
        console.log(`    flwr ${flower.version}`);
      });
      afterEach(() => {
        for (const peer of peers.splice(0)) peer.kill();
      });

      it("two stock clients and two of ours train five rounds together", async () => {
        const { address, outcome } = await serve({
          numRounds: 5,
          strategy: fedAvg({ minAvailableClients: 4 }),
          initialModel: start,
        });
        const stock = [
          python("numpy_client.py", "--server", address, "--add", "1", "--examples", "10"),
          python("numpy_client.py", "--server", address, "--add", "2", "--examples", "30"),
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
        expect(await Promise.all(stock.map(({ exited }) => exited))).to.deep.equal([0, 0]);
        // What only our peers are told stays hidden from stock ones.
        expect(stock[0]?.said.find(({ asked }) => asked === "fit")?.["config"]).to.deep.equal({});
      });

      it("our clients train three rounds at a stock Flower server", async () => {
        const address = `127.0.0.1:${await freePort()}`;
        const server = python("flower_server.py", "--address", address, "--rounds", "3");
        const configs: unknown[] = [];
        const told: Client = {
          ...adding(1, 10),
          getParameters: () => start,
          fit(parameters, config, context) {
            configs.push(config);
            return adding(1, 10).fit(parameters, config, context);
          },
        };
        const other: Client = { ...adding(2, 30), getParameters: () => start };
        await Promise.all(
          [told, other].map((client, i) => startClient({ serverAddress: address, client, clientId: `ours-${i}` })),
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

      it("every scalar type arrives from a stock client", async () => {
        const { address, outcome, events } = await serve({
          numRounds: 1,
          strategy: fedAvg({ minAvailableClients: 1, minFitClients: 1, minEvaluateClients: 1 }),
          initialModel: start,
        });
        python("numpy_client.py", "--server", address, "--mode", "scalars");
        const { history } = await outcome;
        const metrics: Metrics = history[0]?.fit.metrics ?? {};
        expect(metrics).to.deep.equal({ float: 0.5, whole_float: 2, int: 7, negative: -3, large: 2 ** 63 });
        expect(events.filter(({ type }) => type === "client-failed")).to.deep.equal([]);
      });

      it("every numpy type and layout travels both ways, from initial parameters that a client gives", async () => {
        const { address, outcome } = await serve({
          numRounds: 2,
          strategy: fedAvg({ minAvailableClients: 1, minFitClients: 1, minEvaluateClients: 1, fractionEvaluate: 0 }),
        });
        const client = python("numpy_client.py", "--server", address, "--mode", "dtypes");
        const { parameters } = await outcome;
        await client.exited;
        expect(parameters).to.have.length(17);
        const same = client.said.flatMap((line) => ("same" in line ? (line["same"] as boolean[]) : []));
        expect(same, client.errors()).to.deep.equal(new Array(34).fill(true));
      });

      it("a client that dies in fit is a failure, and the round goes on", async () => {
        const { address, outcome, events } = await serve({ numRounds: 1, strategy: fedAvg(), initialModel: start });
        python("numpy_client.py", "--server", address, "--mode", "die");
        python("numpy_client.py", "--server", address, "--add", "1");
        const { parameters } = await outcome;
        expect(values(parameters)[1]).to.deep.equal([1, 1, 1]);
        expect(events.filter(({ type }) => type === "client-failed")).to.have.length(1);
      });

      it("a client that is slow misses the round, stays connected, and its process survives", async () => {
        const { address, outcome, events } = await serve({
          numRounds: 2,
          strategy: fedAvg({ minAvailableClients: 2 }),
          initialModel: start,
          roundTimeoutMs: 1500,
        });
        const slow = python("numpy_client.py", "--server", address, "--mode", "slow");
        python("numpy_client.py", "--server", address, "--add", "1");
        await outcome;
        expect(await slow.exited, slow.errors()).to.equal(0);
        expect(events.some((event) => event.type === "client-failed" && event.reason === "timeout")).to.equal(true);
        expect(events.some((event) => event.type === "result-ignored" && event.why === "late")).to.equal(true);
      });

      it("stock clients survive a planned restart of the server", async () => {
        const stateDir = temporaryDirectory();
        const port = await freePort();
        const options = {
          numRounds: 4,
          strategy: fedAvg({ minAvailableClients: 2 }),
          initialModel: start,
          stateDir,
          address: `127.0.0.1:${port}`,
          restartSeconds: 3,
        };
        const stop = new AbortController();
        const first = await serve({
          ...options,
          signal: stop.signal,
          observe: (event) => {
            if (event.type === "round-committed" && event.round === 2) stop.abort();
          },
        });
        const clients = [1, 2].map((add) => python("numpy_client.py", "--server", first.address, "--add", String(add)));
        expect((await first.outcome).finished).to.equal(false);
        const second = await serve(options);
        const { finished, parameters, round } = await second.outcome;
        expect([finished, round]).to.deep.equal([true, 4]);
        expect(values(parameters)[1]).to.deep.equal([6, 6, 6]);
        expect(await Promise.all(clients.map(({ exited }) => exited))).to.deep.equal([0, 0]);
      });
    },
  );
}
