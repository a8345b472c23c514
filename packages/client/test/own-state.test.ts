// What SCAFFOLD and Ditto keep for a client: it moves with answers that counted, survives a restart, and is never spoilt
// without a word.
import { expect } from "chai";
import { float32, packRecords, random, sameTensor, scaffoldNames, tensor, unpackRecords } from "@perennial-fl/core";
import type { Config, Parameters } from "@perennial-fl/core";
import { BestLossTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import { adam, crossEntropy, linear, sequential, sgd } from "@perennial-fl/module";
import type { Dataset } from "@perennial-fl/trainer";
import { moduleClient } from "../src/index.js";
import type { Client, ClientContext, ModuleClientOptions } from "../src/index.js";
import { keyOf } from "./support/questions.js";

const module = sequential([linear(2, 2)], { input: [2], seed: 1 });

function data(): Dataset {
  const draw = random("own state");
  const labels = Int32Array.from({ length: 24 }, (_, i) => i % 2);
  const inputs = Array.from(labels, (label) => [2 * label - 1, draw.normal()]).flat();
  return { inputs: float32([24, 2], inputs), targets: tensor("int32", [24], labels) };
}

const options: ModuleClientOptions = {
  module,
  loss: crossEntropy(),
  optimizer: sgd({ learningRate: 0.1 }),
  train: data(),
  test: data(),
  batchSize: 8,
  seed: 3,
};
const context = (round: number): ClientContext => {
  return { clientId: "a", key: keyOf("fit", round), signal: new AbortController().signal, warn: () => undefined };
};
const same = (a: Parameters, b: Parameters) => a.length === b.length && a.every((each, i) => sameTensor(each, b[i]!));
const filled = (value: number): Parameters =>
  module.parameters.map(({ shape, data: { length } }) => float32(shape, new Float32Array(length).fill(value)));

async function withClient<T>(more: Partial<ModuleClientOptions>, body: (client: Client) => Promise<T>): Promise<T> {
  const client = await moduleClient({ ...options, ...more });
  try {
    return await body(client);
  } finally {
    await client.close?.();
  }
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A SCAFFOLD instruction: the module's parameters with c, to a client of whose last update the server counts `counted`. */
async function corrected(client: Client, round: number, counted: number, control = filled(0), config: Config = {}) {
  const { tensors, entry } = packRecords(module.parameters, { [scaffoldNames.control]: control });
  const told = { ...config, ...entry, [scaffoldNames.counted]: counted };
  const { parameters, metrics = {} } = await client.fit(tensors, told, context(round));
  const { model, records } = unpackRecords(parameters, metrics);
  return { model, delta: records[scaffoldNames.delta] ?? [] };
}

describe("a client under SCAFFOLD", () => {
  const scaffold = { scaffold: true } as const;

  it("answers with cᵢ⁺ − cᵢ = (x − yᵢ) / (K η) − c, at the rate that the server may set", async () => {
    await withClient(scaffold, async (client) => {
      for (const [config, rate] of [
        [{}, 3 * 0.1],
        [{ lr: 0.5, epochs: 2 }, 6 * 0.5],
      ] as const) {
        const { model, delta } = await corrected(client, 1, 0, filled(0.25), config);
        for (const [t, x] of module.parameters.entries()) {
          for (const [i, value] of (x.data as Float32Array).entries()) {
            const expected = (value - (model[t]!.data[i] as number)) / rate - 0.25;
            expect(delta[t]!.data[i]).to.be.closeTo(expected, 1e-6);
          }
        }
      }
    });
  });

  it("corrects every gradient by c − cᵢ: a constant c moves the model by −K η c more", async () => {
    await withClient({ ...scaffold, batchSize: 24 }, async (client) => {
      const plain = await corrected(client, 1, 0);
      const pushed = await corrected(client, 1, 0, filled(0.5));
      for (const [t, tensor] of plain.model.entries()) {
        const [a, b] = [tensor.data as Float32Array, pushed.model[t]!.data as Float32Array];
        for (const [i, x] of a.entries()) expect(b[i]).to.be.closeTo(x - 0.1 * 0.5, 1e-6);
      }
    });
  });

  it("goes on from its last variate that counted, whether or not its last answer did", async () => {
    await withClient(scaffold, async (client) => {
      const first = await corrected(client, 1, 0);
      // The answer of round 1 counted: its variate is taken off. It did not: everything is as in round 1, but for the order.
      const counted = await corrected(client, 2, 1, filled(0.25));
      expect(same(counted.model, (await corrected(client, 2, 1, filled(0.25))).model)).to.equal(true);
      const uncounted = await corrected(client, 2, 0, filled(0.25));
      expect(same(uncounted.model, counted.model)).to.equal(false);
      expect(same(first.delta, filled(0))).to.equal(false);
    });
  });

  it("keeps its variates in its saved state", async () => {
    const [state, second] = await withClient(scaffold, async (client) => {
      await corrected(client, 1, 0);
      return [await client.save!(), await corrected(client, 2, 1, filled(0.25))] as const;
    });
    const resumed = await withClient(scaffold, async (client) => {
      await client.load!(state);
      return corrected(client, 2, 1, filled(0.25));
    });
    expect(same(resumed.model, second.model) && same(resumed.delta, second.delta)).to.equal(true);
  });

  it("refuses to go on where the server counts on a variate that it has lost, and names the remedy", async () => {
    await withClient(scaffold, async (client) => {
      const failure = await failureOf(corrected(client, 7, 5));
      expect(failure).to.include({ code: "client/failed" });
      expect(String(failure)).to.include(
        "the server counts on the control variate that a had after round 5, and it is not in the client's state",
      );
    });
  });

  it("refuses a server that sends no variate, an optimizer with a memory, and to be two things at once", async () => {
    const failure = await withClient(scaffold, (client) =>
      failureOf(Promise.resolve(client.fit(module.parameters, {}, context(1)))),
    );
    expect(failure).to.include({ code: "model/mismatch" });
    for (const [bad, message] of [
      [
        { ...scaffold, optimizer: adam({ learningRate: 0.1 }) },
        "SCAFFOLD takes the mean gradient from how far plain SGD",
      ],
      [{ ...scaffold, personal: { lambda: 1 } }, "at most one of `keepLocal`, `personal` and `scaffold`"],
      [{ personal: { lambda: -1 } }, "personal.lambda is a number from 0, not -1"],
    ] as const) {
      const refused = await failureOf(moduleClient({ ...options, ...bad }));
      expect(refused).to.include({ code: "argument/invalid" });
      expect(String(refused)).to.include(message);
    }
  });
});

describe("a client with a personal model (Ditto)", () => {
  const personal = { lambda: 0.5 };

  it("sends what a client without one sends, and evaluates the personal model, before which there is the global", async () => {
    const plain = await withClient({}, async (client) => client.fit(module.parameters, {}, context(1)));
    await withClient({ personal }, async (client) => {
      const before = await client.evaluate(module.parameters, {}, context(1));
      expect(before.metrics).to.have.keys("loss", "accuracy", "global_loss", "global_accuracy");
      expect(before.metrics!["loss"]).to.deep.equal(before.metrics!["global_loss"]);
      const sent = await client.fit(module.parameters, {}, context(1));
      expect(same(sent.parameters, plain.parameters)).to.equal(true);
      const after = await client.evaluate(module.parameters, {}, context(1));
      expect(after.metrics!["global_loss"]).to.deep.equal(before.metrics!["global_loss"]);
      expect(after.loss).to.be.lessThan(before.loss);
    });
  });

  it("holds the personal model the nearer to the global one, the larger lambda is", async () => {
    const distances: number[] = [];
    for (const lambda of [0, 1, 8]) {
      await withClient({ personal: { lambda } }, async (client) => {
        for (const round of [1, 2, 3]) await client.fit(module.parameters, {}, context(round));
        const own = ((await client.save!()) as { personal: Parameters }).personal;
        distances.push(
          own.reduce(
            (sum, { data }, t) =>
              sum +
              (data as Float32Array).reduce((s, x, i) => s + (x - (module.parameters[t]!.data[i] as number)) ** 2, 0),
            0,
          ),
        );
      });
    }
    expect(distances).to.deep.equal([...distances].sort((a, b) => b - a));
    expect(distances[2]).to.be.lessThan((distances[0] as number) / 4);
  });

  it("keeps the personal model over a restart, and offers it to its own checkpointers", async () => {
    const offered: number[] = [];
    const checkpointer = new BestLossTorchModuleCheckpointer("/nowhere", "personal.onnx");
    checkpointer.maybeCheckpoint = (_, loss) => {
      offered.push(loss);
      return Promise.resolve();
    };
    const [state, evaluated] = await withClient({ personal }, async (client) => {
      await client.fit(module.parameters, {}, context(1));
      return [await client.save!(), await client.evaluate(module.parameters, {}, context(1))] as const;
    });
    await withClient({ personal: { ...personal, checkpointers: [checkpointer] } }, async (client) => {
      await client.load!(state);
      expect((await client.evaluate(module.parameters, {}, context(1))).loss).to.equal(evaluated.loss);
    });
    expect(offered).to.deep.equal([evaluated.loss]);
  });
});

describe("a client that is told proximal_mu", () => {
  it("trains with FedProx's term, and without one for 0", async () => {
    await withClient({}, async (client) => {
      const fit = async (config: Config) => (await client.fit(module.parameters, config, context(1))).parameters;
      const plain = await fit({});
      expect(same(await fit({ proximal_mu: { float: 0 } }), plain)).to.equal(true);
      expect(same(await fit({ proximal_mu: { float: 5 } }), plain)).to.equal(false);
    });
  });
});
