// Strategies under attack on MNIST: some of eleven clients send what they did not learn.
import { expect } from "chai";
import { linear, sequential } from "@perennial-fl/module";
import { pixels, readMnist } from "../science/digits.js";
import { openArena } from "./arena.js";
import type { Arena } from "./arena.js";
import { attacks } from "./attacks.js";
import { defences } from "./defences.js";
import type { Defence } from "./defences.js";

/** Those after which FedAvg is of no use; label flips move it little (docs/robustness.md). */
const harmful = ["sign flip", "noise", "huge norm", "huge weight"] as const;
const { FedAvg: plain, ...robust } = defences as typeof defences & { readonly FedAvg: Defence };
/** Its choice and its means go by numbers of examples, which a client can lie about. */
const weighted = ["MultiKrum"];

describe("with attackers among eleven clients that learn digits,", () => {
  let arena: Arena;
  let peaceful = 0;

  before(async () => {
    const module = sequential([linear(pixels, 10)], { input: [pixels], seed: 1 });
    const digits = await readMnist("test");
    arena = await openArena({ module, digits, examples: 300, tested: 2000, rounds: 4, epochs: 2, seed: 1 });
    peaceful = (await arena.accuracy(plain, attacks.none)) ?? 0;
  });
  after(() => arena.close());

  it("FedAvg learns while nobody attacks", () => {
    expect(peaceful).to.be.at.least(0.8);
  });

  for (const name of harmful) {
    it(`${name}: robust strategies keep their accuracy where FedAvg loses it`, async () => {
      expect((await arena.accuracy(plain, attacks[name])) ?? 0, "FedAvg").to.be.at.most(peaceful - 0.1);
      for (const [rule, defence] of Object.entries(robust)) {
        if (name === "huge weight" && weighted.includes(rule)) continue;
        expect(await arena.accuracy(defence, attacks[name]), rule).to.be.at.least(peaceful - 0.05);
      }
    });
  }
});
