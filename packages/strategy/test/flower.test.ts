// Parity: the models that Flower 1.18 makes of the same updates over five rounds (fixtures/make-goldens.py).
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { float32, memoryResult } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { advance } from "../src/index.js";
import type { Held } from "../src/index.js";
import { rows } from "./table.js";

interface Goldens {
  readonly shapes: readonly (readonly number[])[];
  readonly start: readonly (readonly number[])[];
  readonly updates: readonly (readonly {
    readonly arrays: readonly (readonly number[])[];
    readonly numExamples: number;
  }[])[];
  readonly models: Readonly<Record<string, readonly (readonly (readonly number[])[])[]>>;
}

const goldens = JSON.parse(readFileSync(new URL("../../fixtures/flwr-1.18.json", import.meta.url), "utf8")) as Goldens;

/** What Flower's QFedAvg takes for every client's loss. */
const oneLoss = { train_loss: 0.75 };

const parameters = (arrays: readonly (readonly number[])[]): Parameters =>
  arrays.map((values, i) => float32(goldens.shapes[i] ?? [], values));

describe("over five rounds of the same updates", () => {
  for (const { name, strategy, flower } of rows) {
    if (flower === undefined) continue;
    it(`${name} agrees with Flower's to a relative difference of ${flower}`, () => {
      const method = strategy();
      const start = parameters(goldens.start);
      let held: Held = { parameters: start, state: method.move.init(start) };
      for (const [r, sent] of goldens.updates.entries()) {
        const contributions = sent.map(({ arrays, numExamples }, k) => {
          return { client: `c${k}`, result: memoryResult(parameters(arrays)), numExamples, metrics: oneLoss };
        });
        held = advance(method, contributions, held, { round: r + 1, seed: 1 });
        for (const [t, tensor] of held.parameters.entries()) {
          for (const [i, expected] of (goldens.models[name]?.[r]?.[t] ?? []).entries()) {
            const difference = Math.abs((tensor.data[i] as number) - expected) / Math.max(1, Math.abs(expected));
            expect(difference, `round ${r + 1}, tensor ${t}, element ${i}`).to.be.at.most(flower);
          }
        }
      }
    });
  }

  it("bulyan against one malicious client agrees with Flower's too", async () => {
    const { bulyan } = await import("../src/index.js");
    const method = bulyan({ numMaliciousClients: 1 });
    for (const [r, sent] of goldens.updates.entries()) {
      const contributions = sent.map(({ arrays, numExamples }, k) => {
        return { client: `c${k}`, result: memoryResult(parameters(arrays)), numExamples, metrics: {} };
      });
      const start = parameters(goldens.start);
      const { parameters: model } = advance(
        method,
        contributions,
        { parameters: start, state: null },
        { round: r + 1, seed: 1 },
      );
      for (const [t, tensor] of model.entries()) {
        for (const [i, expected] of (goldens.models["bulyan"]?.[r]?.[t] ?? []).entries()) {
          expect(tensor.data[i], `round ${r + 1}, tensor ${t}, element ${i}`).to.be.closeTo(expected, 1e-6);
        }
      }
    }
  });
});
