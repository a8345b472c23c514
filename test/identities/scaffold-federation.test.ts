// SCAFFOLD over a server and clients that die: the server's variate stays the mean of what the clients keep (20, 48).
import { expect } from "chai";
import { startClient, moduleClient } from "@perennial-fl/client";
import type { Client } from "@perennial-fl/client";
import { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import { FederationError } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { crossEntropy, linear, sequential, sgd } from "@perennial-fl/module";
import { loadServerState, startServer } from "@perennial-fl/server";
import { scaffold } from "@perennial-fl/strategy";
import type { ScaffoldState } from "@perennial-fl/strategy";
import { inMemoryFleet } from "@perennial-fl/transport";
import { quickDirectory } from "../support/temporary.js";
import { classes, farthest, features, largest, points, sameParameters } from "./clients.js";

const module = sequential([linear(features, classes)], { input: [features], seed: 1 });
const ids = ["a", "b", "c"];
const rounds = 4;

class Cut extends Error {}

type Kept = { readonly variates: readonly { readonly round: number; readonly control: Parameters }[] };

/** A federation whose server dies at some points; with every death of the server the clients start anew, too. */
async function federate(
  cuts: readonly number[],
): Promise<{ state: ScaffoldState; model: Parameters; own: Parameters[] }> {
  const stateDir = quickDirectory();
  const homes = new Map(ids.map((id) => [id, quickDirectory()]));
  for (let session = 0; session <= cuts.length; session++) {
    const stop = new AbortController();
    const { connect, finished } = serve(stateDir, cuts[session]);
    const clients = new Map<string, Client>();
    const running = ids.map(async (id) => {
      const options = {
        module,
        loss: crossEntropy(),
        optimizer: sgd({ learningRate: 0.2 }),
        seed: "f",
        scaffold: true,
      };
      const client = await moduleClient({ ...options, train: points(`federation ${id}`, 12), batchSize: 5 });
      clients.set(id, client);
      const home = homes.get(id) as string;
      await startClient({ client, clientId: id, stateDir: home, connect, signal: stop.signal, sleep: turn });
    });
    const whole = await finished;
    stop.abort();
    await Promise.all(running);
    if (!whole) continue;
    const saved = await loadServerState(new PerRoundStateCheckpointer(stateDir));
    const state = saved?.durable.strategyState as ScaffoldState;
    const kept = (await Promise.all(ids.map(async (id) => clients.get(id)?.save?.()))) as unknown as Kept[];
    const own = kept.map(({ variates }) => variates.find(({ round }) => round === rounds)?.control ?? []);
    return { state, model: saved?.durable.parameters ?? [], own };
  }
  throw new Error("the last session was to be whole");
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function serve(stateDir: string, cutAt = Infinity) {
  let memory: ReturnType<typeof inMemoryFleet> | undefined;
  let points = 0;
  const finished = startServer({
    stateDir,
    numRounds: rounds,
    initialModel: module,
    strategy: scaffold({ minAvailableClients: 3, population: 3, fractionEvaluate: 0 }),
    openFleet: (openSink, run) => {
      memory = inMemoryFleet({ openSink, run });
      return memory.fleet;
    },
    failpoint: (point) => {
      if (/^(before|after) (accept|save)$|^after save$/.test(point) && points++ >= cutAt) throw new Cut();
    },
  }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Cut) return false;
      throw error;
    },
  );
  const connect = (id: string | undefined) => {
    if (memory === undefined) throw new FederationError("connection/refused", "the server is not there yet");
    return memory.connect(id);
  };
  return { connect, finished };
}

describe("a SCAFFOLD federation", () => {
  let whole: Awaited<ReturnType<typeof federate>>;
  before(async () => {
    whole = await federate([]);
  });

  it("keeps c the mean of the clients' own variates (20)", () => {
    const mean = whole.state.control.map(({ shape, dtype, data }, t) => {
      const sums = (data as Float32Array).map((_, i) =>
        whole.own.reduce((sum, each) => sum + (each[t]?.data[i] as number) / ids.length, 0),
      );
      return { shape, dtype, data: sums };
    });
    const size = Math.max(...whole.own.map(largest));
    expect(size).to.be.above(0.01);
    expect(farthest(whole.state.control, mean)).to.be.at.most(1e-5 * size);
  });

  it("ends in the same bytes, model and variates, when server and clients die between answers (48)", async () => {
    const broken = await federate([1, 3]);
    expect(sameParameters(broken.model, whole.model)).to.equal(true);
    expect(sameParameters(broken.state.control, whole.state.control)).to.equal(true);
    expect(broken.state.counted).to.deep.equal(whole.state.counted);
    for (const [k, own] of broken.own.entries()) expect(sameParameters(own, whole.own[k] ?? [])).to.equal(true);
  });
});
