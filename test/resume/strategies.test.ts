// Every strategy goes on after any number of interruptions as if there had been none, and a buffer's model is what its
// accepted updates make of it, whichever these are.
import { expect } from "chai";
import { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import { memoryResult, packRecords, sameTensor, scaffoldNames } from "@perennial-fl/core";
import type { Parameters, RequestKey } from "@perennial-fl/core";
import { linear, relu, sequential } from "@perennial-fl/module";
import { loadServerState, startServer } from "@perennial-fl/server";
import type { Durable, ServerEvent } from "@perennial-fl/server";
import { advance, fedAvg, fedBuff, strategies, withPrivacy } from "@perennial-fl/strategy";
import type { Contribution, Held, Strategy } from "@perennial-fl/strategy";
import { scriptedFleet } from "../support/scripted-fleet.js";
import type { Fitted, ScriptedClient } from "../support/scripted-fleet.js";
import { quickDirectory } from "../support/temporary.js";
import { toyClient } from "../support/toy-clients.js";

const module = sequential([linear(3, 2), relu(), linear(2, 2)], { input: [3], seed: 1 });
const size = module.parameters.length;
const ids = ["a", "b", "c", "d", "e"];

/** A toy client that also brings what q-FedAvg and SCAFFOLD want of it. */
function client(id: string) {
  const toy = toyClient(id);
  return {
    ...toy,
    fit(received: Parameters, key: RequestKey): Fitted {
      const { parameters, numExamples } = toy.fit(received.slice(0, size), key);
      const delta = toy.fit(parameters, { ...key, round: -key.round }).parameters;
      const beside = received.length > size ? { [scaffoldNames.delta]: delta } : {};
      const { tensors, entry } = packRecords(parameters, beside);
      return { parameters: tensors, numExamples, metrics: { ...entry, train_loss: numExamples / 7 } };
    },
  } satisfies ScriptedClient;
}

class Cut extends Error {}

interface Run {
  readonly strategy: () => Strategy;
  readonly numRounds: number;
  /** Every session dies at this point after its beginning; absent: none does. */
  readonly cutAt?: number;
  readonly copies?: number;
}

async function runOf({ strategy, numRounds, cutAt = Infinity, copies = 1 }: Run) {
  const stateDir = quickDirectory();
  const events: ServerEvent[] = [];
  for (let session = 0; session < 300; session++) {
    let points = 0;
    try {
      await startServer({
        numRounds,
        strategy: strategy(),
        initialModel: module,
        stateDir,
        seed: 5,
        observe: (event) => events.push(event),
        openFleet: (openSink) => scriptedFleet({ clients: ids.map(client), openSink, arrival: session, copies }),
        failpoint: (point) => {
          // A session that could die before anything new is durable would never end.
          if (/^after (open|accept|admit|drop|commit)$/.test(point) && points++ >= cutAt) throw new Cut();
        },
      });
      const saved = await loadServerState(new PerRoundStateCheckpointer(stateDir));
      return { durable: { ...saved?.durable, run: "" } as Durable, events };
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
    }
  }
  throw new Error("300 sessions were not enough");
}

const options = { minAvailableClients: 5, minFitClients: 5 };
const all: Record<string, () => Strategy> = {
  ...Object.fromEntries(Object.entries(strategies).map(([name, make]) => [name, () => make(options)])),
  "a private one": () =>
    withPrivacy(fedAvg(options), { noiseMultiplier: 1, clippingNorm: 3, population: 9, adaptive: { countStddev: 2 } }),
  "one that counts late updates": () => fedAvg({ ...options, late: "stale" }),
};

describe("resuming every strategy:", () => {
  for (const [name, strategy] of Object.entries(all)) {
    it(`${name} ends in the same bytes, model and memory, when every session dies after its first step`, async () => {
      const whole = await runOf({ strategy, numRounds: 2 });
      expect((await runOf({ strategy, numRounds: 2, cutAt: 0 })).durable).to.deep.equal(whole.durable);
    });
  }
});

describe("a buffer", () => {
  const strategy = () => fedBuff({ minAvailableClients: 5, bufferSize: 3 });

  /** The model that the history says, from the clients' own functions. */
  function recomputed({ history, run }: Durable): Parameters {
    const models = new Map([[1, module.parameters]]);
    const fitted = (id: string, round: number): Contribution => {
      const key = { run, round, attempt: 1, phase: "fit" } as const;
      const { parameters, numExamples } = client(id).fit(models.get(round) as Parameters, key);
      return { client: id, result: memoryResult(parameters), numExamples, metrics: {} };
    };
    let held: Held = { parameters: module.parameters, state: null };
    for (const { round, fit } of history) {
      const late = (fit.late ?? []).map((each) => ({
        ...fitted(each.client, each.round),
        stale: { round: each.round, base: memoryResult(models.get(each.round) as Parameters) },
      }));
      const contributions = [...fit.answered.map((id) => fitted(id, round)), ...late];
      // By client, and of one client the older first.
      const order = (c: Contribution) => `${c.client} ${String(c.stale?.round ?? round)}`;
      contributions.sort((x, y) => (order(x) < order(y) ? -1 : 1));
      held = advance(strategy(), contributions, held, { round, seed: 5 });
      models.set(round + 1, held.parameters);
    }
    return held.parameters;
  }

  for (const [how, more] of [
    ["undisturbed", {}],
    ["with every answer coming twice", { copies: 2 }],
    ["dying after every step", { cutAt: 0 }],
    ["dying in the middle of every buffer", { cutAt: 5 }],
  ] as const) {
    it(`commits what its accepted updates make, each counted once: ${how}`, async () => {
      const { durable, events } = await runOf({ strategy, numRounds: 6, ...more });
      const expected = recomputed(durable);
      expect(durable.parameters.every((tensor, i) => sameTensor(tensor, expected[i]!))).to.equal(true);
      const counted = durable.history.flatMap(({ round, fit }) => [
        ...fit.answered.map((id) => `${id} ${round}`),
        ...(fit.late ?? []).map((late) => `${late.client} ${late.round}`),
      ]);
      expect(new Set(counted).size).to.equal(counted.length);
      const accepted = events.flatMap((event) =>
        event.type === "result-accepted" && event.round <= 6
          ? [`${event.client} ${event.round - (event.staleness ?? 0)}`]
          : [],
      );
      // An update may be durable and its report lost with the session, but never the other way round.
      expect(counted).to.include.members(accepted);
      for (const { fit } of durable.history) {
        expect(fit.answered.length + (fit.late?.length ?? 0)).to.be.within(1, 3);
      }
    });
  }

  it("has something to keep: updates of older models count in most rounds", async () => {
    const { durable } = await runOf({ strategy, numRounds: 6 });
    expect(durable.history.filter(({ fit }) => fit.late !== undefined)).to.have.length.above(2);
  });
});
