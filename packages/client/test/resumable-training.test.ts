// A training that is interrupted inside an epoch and goes on: the same bytes as one that was not, whatever is trained.
import { expect } from "chai";
import { float32, random, sameTensor, tensor } from "@perennial-fl/core";
import type { Parameters, SavedState } from "@perennial-fl/core";
import { crossEntropy, dropout, linear, relu, sequential, sgd } from "@perennial-fl/module";
import type { Dataset } from "@perennial-fl/trainer";
import { moduleClient } from "../src/index.js";
import type { ClientContext, FitResult, ModuleClientOptions } from "../src/index.js";
import { keyOf } from "./support/questions.js";

const draw = random("resumable");
const train: Dataset = {
  inputs: float32(
    [50, 3],
    Float32Array.from({ length: 150 }, () => draw.normal()),
  ),
  targets: tensor(
    "int32",
    [50],
    Int32Array.from({ length: 50 }, (_, i) => i % 2),
  ),
};
const module = sequential([linear(3, 8), relu(), dropout(0.5), linear(8, 2)], { input: [3], seed: 1 });
const options: ModuleClientOptions = {
  module,
  loss: crossEntropy(),
  optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
  train,
  epochs: 2,
  batchSize: 8,
  seed: 3,
  keepProgress: { everySteps: 3 },
};

interface Interrupted {
  readonly result: FitResult;
  readonly state: SavedState;
  /** What was kept, in order. */
  readonly kept: readonly SavedState[];
  readonly warnings: readonly string[];
}

/** One question, answered by as many processes as it takes: each dies at its keep number `livesFor`. */
async function answered(given: ModuleClientOptions, config = {}, livesFor = Infinity): Promise<Interrupted> {
  const kept: SavedState[] = [];
  const warnings: string[] = [];
  for (let process = 0; process < 30; process++) {
    const client = await moduleClient(given);
    let keeps = 0;
    let die: () => void = () => undefined;
    const died = new Promise<undefined>((resolve) => {
      die = () => {
        resolve(undefined);
      };
    });
    const context: ClientContext = {
      clientId: "a",
      key: keyOf("fit", 1),
      signal: new AbortController().signal,
      warn: (message) => warnings.push(message),
      progress: {
        kept: kept.at(-1),
        keep(state) {
          kept.push(structuredClone(state));
          if (++keeps <= livesFor) return Promise.resolve();
          die();
          // A dead process neither goes on nor fails.
          return new Promise<void>(() => undefined);
        },
      },
    };
    try {
      const result = await Promise.race([client.fit(module.parameters, config, context), died]);
      if (result !== undefined) return { result, state: await client.save!(), kept, warnings };
    } finally {
      await client.close?.();
    }
  }
  throw new Error("30 processes were not enough");
}

const equal = (a: Parameters, b: Parameters): boolean =>
  a.length === b.length && a.every((each, i) => sameTensor(each, b[i]!));

const cases: readonly (readonly [string, Partial<ModuleClientOptions>, Record<string, number>])[] = [
  ["momentum and dropout", { optimizerState: "keep" }, {}],
  ["a proximal term towards the model received", {}, { proximal_mu: 0.5 }],
  ["a global and a personal model (Ditto)", { personal: { lambda: 0.3 } }, {}],
  ["a personal model without a bond (Ditto with λ 0)", { personal: { lambda: 0 } }, {}],
];

describe("a training that is killed inside an epoch", () => {
  for (const [what, more, config] of cases) {
    it(`goes on to the same bytes, with ${what}`, async () => {
      const whole = await answered({ ...options, ...more, keepProgress: {} }, config);
      const pieces = await answered({ ...options, ...more }, config, 1);
      expect(whole.kept).to.have.length(0);
      expect(pieces.kept.length).to.be.at.least(4);
      expect(equal(pieces.result.parameters, whole.result.parameters)).to.equal(true);
      expect({ ...pieces.result, parameters: [] }).to.deep.equal({ ...whole.result, parameters: [] });
      expect(pieces.state).to.deep.equal(whole.state);
      expect(pieces.warnings).to.deep.equal([]);
    });
  }

  it("is not spoilt by a disk that keeps nothing, which is said", async () => {
    const whole = await answered({ ...options, keepProgress: {} });
    const warnings: string[] = [];
    const client = await moduleClient(options);
    const result = await client.fit(
      module.parameters,
      {},
      {
        clientId: "a",
        key: keyOf("fit", 1),
        signal: new AbortController().signal,
        warn: (message) => warnings.push(message),
        progress: { kept: undefined, keep: () => Promise.reject(new Error("the disk is full")) },
      },
    );
    await client.close?.();
    expect(equal(result.parameters, whole.result.parameters)).to.equal(true);
    expect(warnings[0]).to.equal("half-done training could not be kept: the disk is full");
  });
});
