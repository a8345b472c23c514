// Batch normalisation in a client: its running statistics move, and travel or stay as the client was told.
import { expect } from "chai";
import { float32, random, sameTensor, tensor } from "@perennial-fl/core";
import type { Parameters, Saved } from "@perennial-fl/core";
import { batchNorm2d, conv2d, crossEntropy, flatten, linear, relu, sequential, sgd } from "@perennial-fl/module";
import type { Dataset } from "@perennial-fl/trainer";
import { keepBatchNorm, keepStatistics, moduleClient, sharedParameters } from "../src/index.js";
import type { Client, ClientContext, KeepLocal } from "../src/index.js";
import { keyOf } from "./support/questions.js";

const module = sequential([conv2d(1, 2, 3), batchNorm2d(2), relu(), flatten(), linear(8, 2)], {
  input: [1, 4, 4],
  seed: 1,
});
const names = module.parameterNames;
const statistics = ["1.running_mean", "1.running_var"];

function data(): Dataset {
  const draw = random("statistics");
  const inputs = Float32Array.from({ length: 16 * 24 }, () => 3 + draw.normal());
  return { inputs: float32([24, 1, 4, 4], inputs), targets: tensor("uint8", [24], new Uint8Array(24).fill(1, 12)) };
}

const context = (round: number): ClientContext => {
  return { clientId: "a", key: keyOf("fit", round), signal: new AbortController().signal, warn: () => undefined };
};

async function withClient<T>(keepLocal: KeepLocal | undefined, body: (client: Client) => Promise<T>): Promise<T> {
  const client = await moduleClient({
    module,
    loss: crossEntropy(),
    optimizer: sgd({ learningRate: 0.1 }),
    train: data(),
    test: data(),
    batchSize: 8,
    seed: 3,
    ...(keepLocal !== undefined && { keepLocal }),
  });
  try {
    return await body(client);
  } finally {
    await client.close?.();
  }
}

const same = (a: Parameters, b: Parameters) => a.every((each, i) => sameTensor(each, b[i]!));

describe("Running statistics", () => {
  it("move while a client trains, and travel with everything else", async () => {
    const { parameters } = await withClient(undefined, async (client) => client.fit(module.parameters, {}, context(1)));
    expect(parameters).to.have.length(names.length);
    for (const name of statistics) {
      const at = names.indexOf(name);
      expect(sameTensor(parameters[at]!, module.parameters[at]!), name).to.equal(false);
    }
  });

  it("that a client receives are the ones that it evaluates by", async () => {
    const moved = module.parameters.map((held, at) =>
      statistics.includes(names[at]!) ? float32(held.shape, new Float32Array(held.data.length).fill(5)) : held,
    );
    await withClient(undefined, async (client) => {
      const [before, after] = [
        await client.evaluate(module.parameters, {}, context(1)),
        await client.evaluate(moved, {}, context(1)),
      ];
      expect(after.loss).not.to.equal(before.loss);
    });
  });

  it("stay when the client keeps them, go on from round to round, and are in its saved state", async () => {
    const keepLocal = keepStatistics(module);
    const shared = sharedParameters(module, keepLocal);
    expect(shared).to.have.length(names.length - 2);
    const local = (state: Saved) => (state as { local: Parameters }).local;
    await withClient(keepLocal, async (client) => {
      const begun = local(await client.save!());
      expect((await client.fit(shared, {}, context(1))).parameters).to.have.length(shared.length);
      const first = local(await client.save!());
      await client.fit(shared, {}, context(2));
      const second = local(await client.save!());
      expect([begun, first, second].map((kept) => kept.length)).to.deep.equal([2, 2, 2]);
      expect(same(begun, first)).to.equal(false);
      expect(same(first, second)).to.equal(false);
    });
  });

  it("stay with scale and bias when all of batch normalisation does", () => {
    const keepLocal = keepBatchNorm(module);
    expect(names.filter((name) => !keepLocal(name))).to.deep.equal(["0.weight", "0.bias", "4.weight", "4.bias"]);
  });
});
