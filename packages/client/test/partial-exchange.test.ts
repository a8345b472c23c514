// Partial exchange: what stays with a client stays, survives a restart, and is not seen by the server.
import { expect } from "chai";
import { float32, random, sameTensor, tensor } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { crossEntropy, linear, relu, sequential, sgd } from "@perennial-fl/module";
import type { Dataset } from "@perennial-fl/trainer";
import { localParameters, merge, moduleClient, sharedParameters } from "../src/index.js";
import type { Client, ClientContext, ModuleClientOptions } from "../src/index.js";
import { keyOf } from "./support/questions.js";

const module = sequential([linear(2, 3), relu(), linear(3, 2)], { input: [2], seed: 1 });
/** A personal head: the last layer stays. */
const keepLocal = (name: string) => name.startsWith("2.");

function data(): Dataset {
  const draw = random("partial");
  const labels = Int32Array.from({ length: 32 }, (_, i) => i % 2);
  const inputs = Array.from(labels, (label) => [2 * label - 1, draw.normal()]).flat();
  return { inputs: float32([32, 2], inputs), targets: tensor("int32", [32], labels) };
}

const plain: ModuleClientOptions = {
  module,
  loss: crossEntropy(),
  optimizer: sgd({ learningRate: 0.1 }),
  train: data(),
  test: data(),
  seed: 3,
};
const options: ModuleClientOptions = { ...plain, keepLocal };
const context = (round: number): ClientContext => {
  return { clientId: "a", key: keyOf("fit", round), signal: new AbortController().signal, warn: () => undefined };
};
const same = (a: Parameters, b: Parameters) => a.length === b.length && a.every((each, i) => sameTensor(each, b[i]!));

async function withClient<T>(more: Partial<ModuleClientOptions>, body: (client: Client) => Promise<T>): Promise<T> {
  const client = await moduleClient({ ...options, ...more });
  try {
    return await body(client);
  } finally {
    await client.close?.();
  }
}

describe("partial exchange", () => {
  const shared = sharedParameters(module, keepLocal);

  it("splits a module's parameters and puts them together again", () => {
    const local = localParameters(module, keepLocal);
    expect([shared.length, local.length]).to.deep.equal([2, 2]);
    expect(merge(module, shared, local, keepLocal)).to.deep.equal(module.parameters);
  });

  it("sends what is shared, and trains what stays from round to round", async () => {
    await withClient({}, async (client) => {
      const first = await client.fit(shared, {}, context(1));
      expect(first.parameters.map(({ shape }) => shape)).to.deep.equal(shared.map(({ shape }) => shape));
      const before = await client.evaluate(shared, {}, context(1));
      await client.fit(shared, { epochs: 20 }, context(2));
      const after = await client.evaluate(shared, {}, context(2));
      // The shared part is as it was, so it is the local head that has learnt.
      expect(after.loss).to.be.lessThan(before.loss);
    });
  });

  it("keeps what stays over a restart, in the client's saved state", async () => {
    const [state, second] = await withClient({}, async (client) => {
      await client.fit(shared, {}, context(1));
      const saved = await client.save!();
      return [saved, (await client.fit(shared, {}, context(2))).parameters] as const;
    });
    const resumed = await withClient({}, async (client) => {
      await client.load!(state);
      return (await client.fit(shared, {}, context(2))).parameters;
    });
    const forgot = await withClient({}, async (client) => (await client.fit(shared, {}, context(2))).parameters);
    expect(same(resumed, second)).to.equal(true);
    expect(same(forgot, second)).to.equal(false);
  });

  it("of everything is what a client without it does, to the bit", async () => {
    const all = await withClient({ keepLocal: () => false }, (client) =>
      Promise.resolve(client.fit(module.parameters, {}, context(1))),
    );
    const client = await moduleClient(plain);
    const without = await client.fit(module.parameters, {}, context(1));
    await client.close?.();
    expect(same(all.parameters, without.parameters)).to.equal(true);
  });

  it("refuses another number of tensors, and names those that are shared", async () => {
    const failure = await withClient({}, (client) =>
      Promise.resolve(client.fit(module.parameters, {}, context(1))),
    ).catch((error: unknown) => error);
    expect(failure).to.include({ code: "model/mismatch" });
    expect(String(failure)).to.include("4 tensors came, and this client shares 2 of its module's 4: 0.weight, 0.bias");
  });
});
