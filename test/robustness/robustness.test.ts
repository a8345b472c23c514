// Strategies under attack on MNIST: two of eleven clients send what they did not learn.
import { expect } from "chai";
import { float32, random } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { crossEntropy, linear, sequential, sgd } from "@perennial-fl/module";
import { bulyan, fedAvg, fedMedian, fedTrimmedAvg, krum } from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";
import { openTrainer } from "@perennial-fl/trainer";
import type { Dataset, Trainer } from "@perennial-fl/trainer";
import { evenParts, pixels, readMnist, rowsOf } from "../science/digits.js";
import { trainRounds } from "../science/virtual-federation.js";
import type { VirtualClient } from "../science/virtual-federation.js";

type Tamper = NonNullable<VirtualClient["tamper"]>;

const zip = (a: Parameters, b: Parameters, f: (x: number, y: number) => number): Parameters =>
  a.map(({ shape, data }, t) =>
    float32(
      shape,
      Float32Array.from(data as Float32Array, (x, i) => f(x, b[t]?.data[i] as number)),
    ),
  );

const attacks: Readonly<Record<string, Tamper>> = {
  "sign flip": (trained, received) => zip(trained, received, (x, w) => w - 10 * (x - w)),
  noise: (trained, received, round) => {
    const draw = random("attack", round);
    return zip(trained, received, (x) => x + draw.normal());
  },
  "one huge client": (trained, received) => zip(trained, received, (x, w) => w - 1e6 * (x - w)),
};

const robust: Readonly<Record<string, Strategy>> = {
  fedmedian: fedMedian(),
  fedtrimmedavg: fedTrimmedAvg({ beta: 0.2 }),
  krum: krum({ numMaliciousClients: 2 }),
  multikrum: krum({ numMaliciousClients: 2, numClientsToKeep: 9 }),
  bulyan: bulyan({ numMaliciousClients: 2 }),
};

describe("with attackers among eleven clients that learn digits,", () => {
  const module = sequential([linear(pixels, 10)], { input: [pixels], seed: 1 });
  let [trainer, parts, test]: [Trainer?, (readonly Dataset[])?, Dataset?] = [];

  before(async () => {
    const digits = await readMnist("test");
    const [all = new Uint32Array()] = evenParts(10_000, 1, 1);
    parts = evenParts(3300, 11, 2).map((part) =>
      rowsOf(
        digits,
        part.map((i) => all[i] as number),
      ),
    );
    test = rowsOf(digits, all.subarray(3300, 5300));
    trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) });
  });
  after(() => trainer?.close());

  async function accuracyOf(strategy: Strategy, tamper?: Tamper, attackers = 2): Promise<number> {
    const clients = parts!.map((train, k) => {
      return { id: `client-${k}`, train, ...(tamper && k < attackers && { tamper }) };
    });
    const shape = { perRound: 11, rounds: 4, batchSize: 32, learningRate: 0.1, seed: 1, epochs: () => 2 };
    let model = module.parameters;
    for await (const next of trainRounds(model, { ...shape, trainer: trainer!, strategy, clients })) model = next;
    return (await trainer!.evaluate(model, { dataset: test! })).accuracy ?? 0;
  }

  for (const [name, tamper] of Object.entries(attacks)) {
    const attackers = name === "one huge client" ? 1 : 2;
    it(`${name}: robust strategies keep their accuracy where FedAvg loses it`, async () => {
      const peaceful = await accuracyOf(fedAvg());
      expect(peaceful).to.be.at.least(0.8);
      expect(await accuracyOf(fedAvg(), tamper, attackers), "fedavg").to.be.at.most(peaceful - 0.1);
      for (const [rule, strategy] of Object.entries(robust)) {
        expect(await accuracyOf(strategy, tamper, attackers), rule).to.be.at.least(peaceful - 0.05);
      }
    });
  }
});
