// Tests of half-done work: a client that died inside a training is given back what it had kept, and nothing else's.
import { expect } from "chai";
import { FederationError } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import { AnswerStore, memoryShelf } from "../src/answer-store.js";
import type { Client, Question } from "../src/index.js";
import { openProgress } from "../src/progress.js";
import { Responder } from "../src/responder.js";
import { ask, keyOf } from "./support/questions.js";

/** A client that keeps something and then dies, or, when it finds something, says what. */
function client(found: (SavedState | undefined)[], dies: boolean): Client {
  let sum = 0;
  return {
    async fit(parameters, _config, { progress }) {
      found.push(progress?.kept);
      await progress?.keep({ step: found.length });
      if (dies) throw new Error("killed");
      sum++;
      return { parameters, numExamples: 1 };
    },
    evaluate: (_parameters, _config, { progress }) => {
      found.push(progress?.kept);
      return { loss: 0, numExamples: 1 };
    },
    save: () => ({ sum }),
    load: (state) => {
      sum = state["sum"] as number;
    },
  };
}

async function answered(questions: readonly (readonly [Question, "dies" | "lives"])[]) {
  const shelf = memoryShelf();
  const found: (SavedState | undefined)[] = [];
  for (const [question, fate] of questions) {
    const responder = await Responder.open({
      client: client(found, fate === "dies"),
      clientId: "a",
      store: new AnswerStore(shelf),
      signal: new AbortController().signal,
      observe: () => undefined,
    });
    await responder.respond(question, undefined);
  }
  return found;
}

describe("half-done work", () => {
  it("is given back for the same question, also when the client died twice", async () => {
    const question = ask("fit", 1, 5);
    const found = await answered([
      [question, "dies"],
      [question, "dies"],
      [question, "lives"],
    ]);
    expect(found).to.deep.equal([undefined, { step: 1 }, { step: 2 }]);
  });

  it("is void for another round, another attempt, other parameters, and an evaluation", async () => {
    for (const other of [ask("fit", 2, 5), ask("fit", 1, 5, { attempt: 2 }), ask("fit", 1, 6), ask("evaluate", 1, 5)]) {
      const found = await answered([
        [ask("fit", 1, 5), "dies"],
        [other, "lives"],
      ]);
      expect(found).to.deep.equal([undefined, undefined]);
    }
  });

  it("is as good as none when it is damaged", async () => {
    const shelf = {
      ...memoryShelf(),
      load: () => Promise.reject(new FederationError("checkpoint/corrupt", "damaged")),
    };
    const basis = { key: keyOf("fit", 1), digest: "d", follows: 1 };
    expect((await openProgress(shelf, basis)).kept).to.equal(undefined);
  });

  it("is void when the client starts from another state than it did", async () => {
    const found = await answered([
      [ask("fit", 2, 5), "dies"],
      [ask("fit", 1, 5), "lives"],
      [ask("fit", 2, 5), "lives"],
    ]);
    expect(found).to.deep.equal([undefined, undefined, undefined]);
  });
});
