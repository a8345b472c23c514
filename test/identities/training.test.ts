// Identities of training in rounds: federated averaging, FedProx, momentum, FedPer and Ditto against what they reduce to.
import { expect } from "chai";
import { float32, memoryResult } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import { moduleClient } from "@perennial-fl/client";
import type { Client, ModuleClientOptions } from "@perennial-fl/client";
import { crossEntropy, linear, proximal, relu, sequential, sgd } from "@perennial-fl/module";
import type { OnnxModule, Optimizer } from "@perennial-fl/module";
import { advance, fedAvg, fedAvgM } from "@perennial-fl/strategy";
import type { Held, Strategy } from "@perennial-fl/strategy";
import { openTrainer } from "@perennial-fl/trainer";
import type { Dataset, Trainer, TrainOptions } from "@perennial-fl/trainer";
import { classes, context, farthest, features, largest, points, pooled, sameParameters } from "./clients.js";

const learningRate = 0.1;
const softmax = sequential([linear(features, classes)], { input: [features], seed: 1 });
const plain = sgd({ learningRate });
const open: Trainer[] = [];

async function trainerOf(optimizer: Optimizer = plain, module: OnnxModule = softmax): Promise<Trainer> {
  const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer });
  open.push(trainer);
  return trainer;
}

afterEach(async () => {
  for (const trainer of open.splice(0)) await trainer.close();
});

type Local = Partial<TrainOptions> & { readonly dataset: Dataset };

async function train(trainer: Trainer, parameters: Parameters, local: Local): Promise<Parameters> {
  const whole = { batchSize: local.dataset.inputs.shape[0] ?? 1, epochs: 1, seed: ["identity"], ...local };
  return (await trainer.train(parameters, whole)).parameters;
}

/** Rounds of a strategy in which every client trains; gives the model after the last. */
async function rounds(
  strategy: Strategy,
  trainer: Trainer,
  count: number,
  clients: (round: number) => readonly Local[],
): Promise<Parameters> {
  let held: Held = { parameters: softmax.parameters, state: strategy.move.init(softmax.parameters) };
  for (let round = 1; round <= count; round++) {
    const contributions = [];
    for (const [k, local] of clients(round).entries()) {
      const result = memoryResult(await train(trainer, held.parameters, local));
      const numExamples = local.dataset.inputs.shape[0] ?? 1;
      contributions.push({ client: `c${k}`, result, numExamples, metrics: {} });
    }
    held = advance(strategy, contributions, held, { round, seed: 1 });
  }
  return held.parameters;
}

describe("identities of training, to the bit:", () => {
  it("one client in rounds is central training, if its order of examples goes on (10)", async () => {
    const trainer = await trainerOf();
    const dataset = points("one", 20);
    const local = { dataset, batchSize: 6 };
    const federated = await rounds(fedAvg(), trainer, 4, (round) => [{ ...local, firstEpoch: round - 1 }]);
    expect(sameParameters(federated, await train(trainer, softmax.parameters, { ...local, epochs: 4 }))).to.equal(true);
  });

  it("identical clients are one client (11)", async () => {
    const trainer = await trainerOf();
    const local = { dataset: points("same", 12), batchSize: 5 };
    const one = await rounds(fedAvg(), trainer, 3, () => [local]);
    expect(sameParameters(await rounds(fedAvg(), trainer, 3, () => [local, local, local]), one)).to.equal(true);
  });

  it("FedProx with mu 0 is FedAvg (16), and with one local step for every mu (17)", async () => {
    const local = { dataset: points("prox", 12) };
    const [none, zero, strong] = await Promise.all([
      trainerOf(),
      trainerOf(proximal(0, plain)),
      trainerOf(proximal(10, plain)),
    ]);
    const steps = { ...local, batchSize: 4 };
    const several = await train(none, softmax.parameters, steps);
    expect(sameParameters(await train(zero, softmax.parameters, steps), several)).to.equal(true);
    expect(sameParameters(await train(strong, softmax.parameters, steps), several)).to.equal(false);
    const one = await train(none, softmax.parameters, local);
    expect(sameParameters(await train(strong, softmax.parameters, local), one)).to.equal(true);
  });
});

describe("identities of training, to a bound:", () => {
  const parts = [4, 8, 20].map((count, k) => points(`part ${k}`, count));

  it("FedAvg with one full local step is pooled gradient descent (12)", async () => {
    const trainer = await trainerOf();
    const federated = await rounds(fedAvg(), trainer, 20, () => parts.map((dataset) => ({ dataset })));
    const central = await rounds(fedAvg(), trainer, 20, () => [{ dataset: pooled(parts) }]);
    expect(farthest(federated, central)).to.be.at.most(1e-6 * largest(central));
  });

  it("FedAvg with one minibatch step a round is descent on the union of the batches (13)", async () => {
    const trainer = await trainerOf();
    const batches = (round: number) => [3, 5, 7].map((count, k) => points(`batch ${k} of ${round}`, count));
    const federated = await rounds(fedAvg(), trainer, 10, (r) => batches(r).map((dataset) => ({ dataset })));
    const central = await rounds(fedAvg(), trainer, 10, (r) => [{ dataset: pooled(batches(r)) }]);
    expect(farthest(federated, central)).to.be.at.most(1e-6 * largest(central));
  });

  it("with momentum on the server it is heavy-ball descent (14)", async () => {
    const [trainer, heavy] = await Promise.all([trainerOf(), trainerOf(sgd({ learningRate, momentum: 0.9 }))]);
    const strategy = fedAvgM({ serverLearningRate: 1, serverMomentum: 0.9 });
    const federated = await rounds(strategy, trainer, 10, () => parts.map((dataset) => ({ dataset })));
    const central = await train(heavy, softmax.parameters, { dataset: pooled(parts), epochs: 10 });
    expect(farthest(federated, central)).to.be.at.most(1e-5 * largest(central));
  });

  it("the loss of a zero last layer is the logarithm of the number of classes (46)", async () => {
    const trainer = await trainerOf();
    const zero = softmax.parameters.map(({ shape, data }) => float32(shape, new Float32Array(data.length)));
    const { loss } = await trainer.evaluate(zero, { dataset: points("zero", 50) });
    expect(loss).to.be.closeTo(Math.log(classes), 1e-6);
  });

  it("training does not care how hidden units are numbered (57)", async () => {
    const hidden = 5;
    const module = sequential([linear(features, hidden), relu(), linear(hidden, classes)], {
      input: [features],
      seed: 2,
    });
    const order = [3, 0, 4, 1, 2];
    const trainer = await trainerOf(plain, module);
    const local = { dataset: points("hidden", 30), batchSize: 10, epochs: 3 };
    const trained = await train(trainer, module.parameters, local);
    const permuted = await train(trainer, renumbered(module.parameters, order), local);
    expect(farthest(permuted, renumbered(trained, order))).to.be.at.most(1e-6 * largest(trained));
  });
});

/** The parameters of linear, relu, linear with hidden unit `order[i]` in place i. */
function renumbered([inWeight, inBias, outWeight, outBias]: Parameters, order: readonly number[]): Parameters {
  const take = (held: Tensor | undefined, axis: 0 | 1): Tensor => {
    const { shape, data } = held as Tensor;
    const columns = shape[1] ?? 1;
    return float32(
      shape,
      Float32Array.from(data as Float32Array, (_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        const at = axis === 0 ? (order[row] as number) * columns + column : row * columns + (order[column] as number);
        return data[at] as number;
      }),
    );
  };
  return [take(inWeight, 0), take(inBias, 0), take(outWeight, 1), outBias as Tensor];
}

describe("identities of what stays with a client, to the bit:", () => {
  const options: ModuleClientOptions = {
    module: softmax,
    loss: crossEntropy(),
    optimizer: plain,
    train: points("client", 24),
    test: points("held out", 12),
    seed: 3,
    batchSize: 8,
  };
  const clients: Client[] = [];
  const clientOf = async (more: Partial<ModuleClientOptions>): Promise<Client> => {
    const client = await moduleClient({ ...options, ...more });
    clients.push(client);
    return client;
  };
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close?.();
  });

  it("FedPer with an empty body is local training (31)", async () => {
    const [alone, central] = [await clientOf({ keepLocal: () => true }), await trainerOf()];
    let local = softmax.parameters;
    for (const round of [1, 2, 3]) {
      expect((await alone.fit([], {}, context("a", round))).parameters).to.deep.equal([]);
      local = await train(central, local, { dataset: options.train, batchSize: 8, seed: [3, "a", round] });
    }
    expect(sameParameters(((await alone.save?.()) as { local: Parameters }).local, local)).to.equal(true);
  });

  it("Ditto's global model does not depend on lambda; with lambda 0 the personal one is local training (32)", async () => {
    const [plainly, none, strong] = [
      await clientOf({}),
      await clientOf({ personal: { lambda: 0 } }),
      await clientOf({ personal: { lambda: 2 } }),
    ];
    const central = await trainerOf();
    let [global, local] = [softmax.parameters, softmax.parameters];
    for (const round of [1, 2, 3]) {
      const sent = [];
      for (const client of [plainly, none, strong]) {
        sent.push((await client.fit(global, {}, context("a", round))).parameters);
      }
      const [expected = [], ...others] = sent;
      for (const each of others) expect(sameParameters(each, expected)).to.equal(true);
      local = await train(central, local, { dataset: options.train, batchSize: 8, seed: [3, "a", round, "personal"] });
      global = expected.map(({ shape, data }) =>
        float32(
          shape,
          (data as Float32Array).map((x) => x / 2),
        ),
      );
    }
    const personalOf = async (client: Client) => ((await client.save?.()) as { personal: Parameters }).personal;
    expect(sameParameters(await personalOf(none), local)).to.equal(true);
    expect(sameParameters(await personalOf(strong), local)).to.equal(false);
  });
});
