// Tests of a client that trains a module: what it sends fits, repeats to the bit, and survives its own restart.
import { expect } from "chai";
import { float32, isFederationError, random, sameTensor, tensor } from "@perennial-fl/core";
import type { Config, Parameters } from "@perennial-fl/core";
import { LatestTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import { adam, crossEntropy, linear, sequential } from "@perennial-fl/module";
import type { Dataset } from "@perennial-fl/trainer";
import { moduleClient } from "../src/index.js";
import type { Client, ClientContext, ModuleClientOptions } from "../src/index.js";
import { keyOf } from "./support/questions.js";

/** Two clouds of points, left and right. */
function clouds(count: number): Dataset {
  const draw = random("clouds", count);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const inputs = Array.from(labels, (label) => [2 * label - 1 + 0.3 * draw.normal(), draw.normal()]).flat();
  return { inputs: float32([count, 2], inputs), targets: tensor("int32", [count], labels) };
}

const module = sequential([linear(2, 2)], { input: [2], seed: 1 });
const options: ModuleClientOptions = {
  module,
  loss: crossEntropy(),
  optimizer: adam({ learningRate: 0.1 }),
  train: clouds(64),
  test: clouds(32),
  seed: 7,
  optimizerState: "keep",
};

function inRound(round: number): ClientContext {
  return { clientId: "a", key: keyOf("fit", round), signal: new AbortController().signal, warn: () => undefined };
}

async function withClient<T>(
  body: (client: Client) => Promise<T>,
  more: Partial<ModuleClientOptions> = {},
): Promise<T> {
  const client = await moduleClient({ ...options, ...more });
  try {
    return await body(client);
  } finally {
    await client.close?.();
  }
}

async function fit(client: Client, parameters: Parameters, round: number, config: Config = {}): Promise<Parameters> {
  return (await client.fit(parameters, config, inRound(round))).parameters;
}

function same(a: Parameters, b: Parameters): boolean {
  return a.length === b.length && a.every((each, i) => sameTensor(each, b[i]!));
}

describe("a client that trains a module", () => {
  it("learns, and says on how many examples", async () => {
    await withClient(async (client) => {
      const before = await client.evaluate(module.parameters, {}, inRound(1));
      const result = await client.fit(module.parameters, { epochs: 5 }, inRound(1));
      const after = await client.evaluate(result.parameters, {}, inRound(1));
      expect(result.numExamples).to.equal(64);
      expect(after.numExamples).to.equal(32);
      expect(after.loss).to.be.lessThan(before.loss);
      expect(after.metrics).to.have.keys("loss", "accuracy");
    });
  });

  it("goes on to the bit in another process that was given its state, and not without it", async () => {
    const { second, state, first } = await withClient(async (client) => {
      const first = await fit(client, module.parameters, 1);
      const state = await client.save!();
      return { first, state, second: await fit(client, first, 2) };
    });
    const resumed = await withClient(async (client) => {
      await client.load!(state);
      return fit(client, first, 2);
    });
    expect(same(resumed, second)).to.equal(true);
    expect(same(await withClient((client) => fit(client, first, 2)), second)).to.equal(false);
  });

  it("honours the server's learning rate, batch size and epochs", async () => {
    await withClient(
      async (client) => {
        const plain = await fit(client, module.parameters, 1);
        expect(same(await fit(client, module.parameters, 1), plain)).to.equal(true);
        for (const config of [{ lr: 0.2 }, { learning_rate: 0.2 }, { batch_size: 16 }, { epochs: 2 }]) {
          expect(same(await fit(client, module.parameters, 1, config), plain), JSON.stringify(config)).to.equal(false);
        }
      },
      { optimizerState: "reset" },
    );
  });

  it("names the tensor of parameters that do not fit", async () => {
    await withClient(async (client) => {
      const wrong = module.parameters.map(() => float32([9], new Float32Array(9)));
      let error: unknown;
      await fit(client, wrong, 1).catch((thrown: unknown) => (error = thrown));
      expect(isFederationError(error, "model/mismatch")).to.equal(true);
      expect(String(error)).to.include(module.parameterNames[0]!);
    });
  });

  it("refuses clashing checkpointers and checkpointers without test data before anything is trained", async () => {
    const checkpointer = new LatestTorchModuleCheckpointer("/data", "latest.onnx");
    const { module, loss, optimizer, train, seed } = options;
    const untested = { module, loss, optimizer, train, seed };
    for (const bad of [
      { ...options, preAggregation: [checkpointer], postAggregation: [checkpointer] },
      { ...untested, preAggregation: [checkpointer] },
    ]) {
      let error: unknown;
      await moduleClient(bad).catch((thrown: unknown) => (error = thrown));
      expect(isFederationError(error, "argument/invalid")).to.equal(true);
    }
  });
});
