// Identities of SCAFFOLD, with clients that train: what it is in round 1, with one step, with identical clients, and
// that the server's variate is the mean of the clients' after every round, whoever takes part and whatever gets lost.
import { expect } from "chai";
import { memoryResult, packRecords, recordsEntry, recordSpans, random, sample, sliceResult } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { moduleClient } from "@perennial-fl/client";
import type { Client } from "@perennial-fl/client";
import { crossEntropy, linear, sequential, sgd } from "@perennial-fl/module";
import { advance, fedAvg, scaffold } from "@perennial-fl/strategy";
import type { Contribution, Held, ScaffoldState } from "@perennial-fl/strategy";
import type { Dataset } from "@perennial-fl/trainer";
import { classes, context, farthest, features, largest, points, pooled, sameParameters } from "./clients.js";

const module = sequential([linear(features, classes)], { input: [features], seed: 1 });
const model = module.parameters;
const clients = new Map<string, Client>();

afterEach(async () => {
  for (const client of clients.values()) await client.close?.();
  clients.clear();
});

interface Setting {
  readonly data: readonly Dataset[];
  readonly batchSize: number;
  readonly corrected: boolean;
  readonly rounds: number;
  /** Who trains in a round; default: all. */
  readonly cohort?: (round: number, ids: readonly string[]) => readonly string[];
  /** Whether an answer gets lost on the way: the client has trained, and the server never counts it. */
  readonly lost?: (round: number, id: string) => boolean;
  readonly afterRound?: (held: Held) => Promise<void>;
}

/** Rounds over clients c0, c1, ... that all weigh the same. */
async function federate({ data, batchSize, corrected, rounds, ...setting }: Setting): Promise<Parameters> {
  const { cohort = (_: number, all: readonly string[]) => all, lost = () => false, afterRound } = setting;
  const ids = data.map((_, k) => `c${k}`);
  for (const [k, train] of data.entries()) {
    const options = {
      module,
      loss: crossEntropy(),
      optimizer: sgd({ learningRate: 0.1 }),
      train,
      seed: "s",
      batchSize,
    };
    await clients.get(`c${k}`)?.close?.();
    clients.set(`c${k}`, await moduleClient({ ...options, scaffold: corrected }));
  }
  const strategy = corrected ? scaffold({ population: ids.length }) : fedAvg();
  let held: Held = { parameters: model, state: strategy.move.init(model) };
  for (let round = 1; round <= rounds; round++) {
    const contributions: Contribution[] = [];
    for (const id of cohort(round, ids)) {
      const { tensors, entry } = packRecords(held.parameters, strategy.exchange?.give(held.state) ?? {});
      const config = { ...strategy.configure(round, "fit", held.state, id), ...(corrected ? entry : {}) };
      const { parameters, metrics = {} } = await clients.get(id)!.fit(tensors, config, context("same order", round));
      const { model: own, spans } = recordSpans(metrics[recordsEntry], parameters.length);
      const update = memoryResult(parameters);
      const records = Object.fromEntries(spans.map((s) => [s.name, sliceResult(update, s.start, s.count)]));
      const plain = { client: id, result: sliceResult(update, 0, own), numExamples: 1, metrics: {} };
      if (!lost(round, id)) contributions.push(corrected ? { ...plain, records } : plain);
    }
    held = advance(strategy, contributions, held, { round, seed: 1 });
    await afterRound?.(held);
  }
  return held.parameters;
}

type Kept = { readonly variates?: readonly { readonly round: number; readonly control: Parameters }[] };

/** |c − 1/N Σ cᵢ| and the largest |cᵢ|, for cᵢ as the server counts on them. */
async function invariant({ state }: Held): Promise<{ gap: number; size: number }> {
  const { control, counted } = state as ScaffoldState;
  const own: Parameters[] = [];
  for (const [id, round] of counted) {
    const { variates = [] } = (await clients.get(id)?.save?.()) as Kept;
    const variate = variates.find((each) => each.round === round);
    expect(variate, `the variate of ${id} after round ${round}`).to.not.equal(undefined);
    own.push(variate?.control ?? []);
  }
  const mean = control.map(({ shape, dtype, data }, t) => {
    const sums = Float32Array.from(data as Float32Array, (_, i) =>
      own.reduce((sum, each) => sum + (each[t]?.data[i] as number) / clients.size, 0),
    );
    return { shape, dtype, data: sums };
  });
  return { gap: farthest(control, mean), size: Math.max(...own.map(largest), 1e-9) };
}

describe("identities of SCAFFOLD:", () => {
  const data = [10, 10, 10, 10].map((count, k) => points(`scaffold ${k}`, count));

  it("round 1 from zero variates is FedAvg, to the bit (18)", async () => {
    const setting = { data: data.slice(0, 2), batchSize: 4, rounds: 1 };
    const corrected = await federate({ ...setting, corrected: true });
    expect(sameParameters(corrected, await federate({ ...setting, corrected: false }))).to.equal(true);
  });

  it("with one step and everyone it is descent on the pooled data, to 1e-5 (19)", async () => {
    const corrected = await federate({ data: data.slice(0, 3), batchSize: 10, rounds: 8, corrected: true });
    const central = { data: [pooled(data.slice(0, 3))], batchSize: 30, rounds: 8, corrected: false };
    const descended = await federate(central);
    expect(farthest(corrected, descended)).to.be.at.most(1e-5 * largest(descended));
  });

  it("with identical clients it is FedAvg, to 1e-5 (21)", async () => {
    const same = { data: [data[0]!, data[0]!], batchSize: 4, rounds: 4 };
    const averaged = await federate({ ...same, corrected: false });
    expect(farthest(await federate({ ...same, corrected: true }), averaged)).to.be.at.most(1e-5 * largest(averaged));
  });

  it("c is the mean of all cᵢ after every round, also when half take part and answers get lost (20)", async () => {
    let rounds = 0;
    await federate({
      data,
      batchSize: 3,
      rounds: 8,
      corrected: true,
      cohort: (round, ids) => sample(ids, 2, random("cohort", round)),
      lost: (round, id) => (round + Number(id.slice(1))) % 3 === 0,
      async afterRound(held) {
        const { gap, size } = await invariant(held);
        expect(gap).to.be.at.most(1e-5 * size);
        rounds++;
      },
    });
    expect(rounds).to.equal(8);
  });
});
