// Resuming equals not having been interrupted, bit for bit, wherever the server is cut.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import {
  BestLossTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  PerRoundStateCheckpointer,
  parametersSha256,
} from "@perennial-fl/checkpointer";
import { OnnxModule, linear, relu, sequential } from "@perennial-fl/module";
import { loadServerState, startServer } from "@perennial-fl/server";
import type { ServerEvent } from "@perennial-fl/server";
import { fedAdam, fedAvg, withPrivacy } from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";
import { scriptedFleet } from "../support/scripted-fleet.js";
import type { ScriptedClient } from "../support/scripted-fleet.js";
import { quickDirectory } from "../support/temporary.js";
import { toyClients } from "../support/toy-clients.js";

/** The commands that leave something behind. A cut at another is a cut right after one of these. */
const durable = new Set(["open", "accept", "drop", "aggregate", "checkpoint", "commit", "save", "finish"]);

/** The server dies here: nothing after this point of the session happens. */
class Cut extends Error {}

interface Session {
  readonly strategy: () => Strategy;
  readonly stateDir: string;
  readonly arrival: number;
  readonly copies?: number;
  /** Dies at this point of the session, counted over `before` and `after` of every durable command. */
  readonly cutAt?: number;
  readonly asked?: string[];
}

interface Ended {
  readonly cut: boolean;
  readonly points: number;
  readonly events: readonly ServerEvent[];
}

const rounds = 3;
const model = sequential([linear(6, 4), relu(), linear(4, 3)], { input: [6], seed: 1 });

async function session({ strategy, stateDir, arrival, copies, cutAt, asked }: Session): Promise<Ended> {
  const events: ServerEvent[] = [];
  let points = 0;
  try {
    await startServer({
      numRounds: rounds,
      strategy: strategy(),
      initialModel: model,
      stateDir,
      seed: 5,
      checkpointers: [
        new BestLossTorchModuleCheckpointer(stateDir, "best.onnx"),
        new LatestTorchModuleCheckpointer(stateDir, "latest.onnx"),
      ],
      observe: (event) => events.push(event),
      openFleet: (openSink) =>
        scriptedFleet({
          clients: toyClients(5).map(refusing),
          openSink,
          arrival,
          ...(copies === undefined ? {} : { copies }),
          onAsked: (client, key) => asked?.push(`${key.round} ${key.phase} ${client}`),
        }),
      failpoint: (point) => {
        if (durable.has(point.split(" ")[1] ?? "") && points++ === cutAt) throw new Cut();
      },
    });
    return { cut: false, points, events };
  } catch (error) {
    if (error instanceof Cut) return { cut: true, points, events };
    throw error;
  }
}

/** One client refuses in the second round: a decision to leave it out must be remembered like an answer. */
function refusing(client: ScriptedClient): ScriptedClient {
  const refuses = (round: number) => round === 2 && client.id === "client-3";
  return { ...client, fit: (parameters, key) => (refuses(key.round) ? "not today" : client.fit(parameters, key)) };
}

/** Runs sessions over one directory until the plan is fulfilled. `cuts` says where each session dies. */
async function untilDone(strategy: () => Strategy, cuts: (session: number) => number | undefined) {
  const stateDir = quickDirectory();
  const asked: string[] = [];
  const events: ServerEvent[] = [];
  for (let attempt = 0; attempt < 200; attempt++) {
    const cutAt = cuts(attempt);
    const ended = await session({
      strategy,
      stateDir,
      arrival: attempt,
      asked,
      ...(cutAt === undefined ? {} : { cutAt }),
    });
    events.push(...ended.events);
    if (!ended.cut) return { ...(await outcome(stateDir, ended.events)), asked, events, points: ended.points };
  }
  throw new Error("200 sessions were not enough");
}

/** Everything that must not depend on interruptions. */
async function outcome(stateDir: string, events: readonly ServerEvent[]) {
  const [finished] = events.filter((event) => event.type === "finished");
  const module = (name: string) => OnnxModule.fromBytes(readFileSync(join(stateDir, name)));
  const [best, latest] = [module("best.onnx"), module("latest.onnx")];
  const saved = await loadServerState(new PerRoundStateCheckpointer(stateDir));
  return {
    // Everything durable but the run's random name: model, strategy state, history, failures, roster.
    durable: { ...saved?.durable, run: "" },
    final: finished?.parametersSha256,
    best: parametersSha256(best.parameters),
    bestScore: best.metadata["perennial.score"],
    bestRound: best.metadata["perennial.round"],
    latest: parametersSha256(latest.parameters),
    latestRound: latest.metadata["perennial.round"],
  };
}

type Result = Awaited<ReturnType<typeof outcome>>;
const essence = ({ durable, final, best, bestScore, bestRound, latest, latestRound }: Result): Result => {
  return { durable, final, best, bestScore, bestRound, latest, latestRound };
};

for (const [name, strategy] of [
  ["fedavg", () => fedAvg({ minAvailableClients: 5, fractionFit: 0.8 })],
  ["fedadam", () => fedAdam({ minAvailableClients: 5, fractionFit: 0.8 })],
  [
    "private fedadam",
    () =>
      withPrivacy(fedAdam({ minAvailableClients: 5, fractionFit: 0.8 }), {
        noiseMultiplier: 1,
        clippingNorm: 3,
        population: 5,
        adaptive: { countStddev: 2 },
      }),
  ],
] as const satisfies readonly (readonly [string, () => Strategy])[]) {
  describe(`resuming ${name}`, () => {
    let whole: Awaited<ReturnType<typeof untilDone>>;
    before(async () => {
      whole = await untilDone(strategy, () => undefined);
    });

    it("has something to lose: rounds move the model, a client fails, and the best round is not the last", () => {
      expect(whole.events.filter(({ type }) => type === "client-failed")).to.have.length(1);
      expect(whole.latestRound).to.equal(String(rounds));
      expect(whole.bestRound).to.not.equal(whole.latestRound);
      expect(whole.final).to.equal(whole.latest);
    });

    it("ends with the same bytes when the server is cut once, before and after every command", async function () {
      this.timeout(300_000);
      for (let point = 0; point < whole.points; point++) {
        const interrupted = await untilDone(strategy, (attempt) => (attempt === 0 ? point : undefined));
        expect(essence(interrupted), `cut at point ${point}`).to.deep.equal(essence(whole));
      }
    });

    it("ends with the same bytes when every session dies after a few commands", async function () {
      this.timeout(300_000);
      // Seven points are aggregate, checkpoint and commit with its save: a session that dies earlier could never commit.
      for (const stride of [7, 8, 10, 13]) {
        const interrupted = await untilDone(strategy, () => stride);
        expect(essence(interrupted), `a cut every ${stride} commands`).to.deep.equal(essence(whole));
      }
    });

    it("counts an answer once, however often it arrives", async () => {
      const stateDir = quickDirectory();
      const ended = await session({ strategy, stateDir, arrival: 9, copies: 4 });
      expect(essence(await outcome(stateDir, ended.events))).to.deep.equal(essence(whole));
    });

    it("asks nobody again whose answer was accepted, or who was left out", async () => {
      const settled = new Set<string>();
      const askedAgain: string[] = [];
      for (let point = 0; point < whole.points; point += 3) {
        const { events } = await untilDone(strategy, (attempt) => (attempt === 0 ? point : undefined));
        settled.clear();
        for (const event of events) {
          if (event.type === "result-accepted" || event.type === "client-failed") {
            settled.add(`${event.round} ${event.phase} ${event.client}`);
          }
          if (event.type !== "client-asked") continue;
          const question = `${event.round} ${event.phase} ${event.client}`;
          if (settled.has(question)) askedAgain.push(question);
        }
      }
      expect(askedAgain).to.deep.equal([]);
    });
  });
}
