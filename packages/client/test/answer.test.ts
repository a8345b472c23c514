// Tests of answers: what a client says reaches the server, and what is no answer does not.
import { expect } from "chai";
import { float, float32, isFederationError, tensor } from "@perennial-fl/core";
import type { Scalar } from "@perennial-fl/core";
import { answer } from "../src/index.js";
import type { Client, ClientContext, FitResult } from "../src/index.js";
import { ask } from "./support/questions.js";

const context: ClientContext = { clientId: "a", signal: new AbortController().signal, warn: () => undefined };
const plain: Client = {
  fit: (parameters) => ({ parameters, numExamples: 3 }),
  evaluate: () => ({ loss: 0, numExamples: 0 }),
};

function fitting(result: unknown): Client {
  return { ...plain, fit: () => result as FitResult };
}

describe("an answer", () => {
  it("carries what fit and evaluate return, with empty metrics where there are none", async () => {
    const question = ask("fit", 1);
    const { reply } = await answer(plain, question, context);
    expect(reply).to.deep.equal({ type: "fit", update: question.parameters, numExamples: 3, metrics: {} });
    expect((await answer(plain, ask("evaluate", 1), context)).reply).to.deep.equal({
      type: "evaluate",
      loss: 0,
      numExamples: 0,
      metrics: {},
    });
  });

  it("carries properties and parameters of a client that has them", async () => {
    const client: Client = { ...plain, getProperties: () => ({ ward: 4 }), getParameters: () => [float32([1], [2])] };
    expect((await answer(client, { type: "properties", config: {} }, context)).reply).to.deep.equal({
      type: "properties",
      properties: { ward: 4 },
    });
    expect((await answer(client, { type: "parameters", config: {} }, context)).reply.type).to.equal("parameters");
  });

  describe("to a server that asks for clipping", () => {
    const question = (clipping_norm: Scalar) => {
      return { ...ask("fit", 1), parameters: [float32([2], [1, 1])], config: { clipping_norm } };
    };
    const moving = (a: number, b: number) => fitting({ parameters: [float32([2], [a, b])], numExamples: 3 });
    const clippedTo = async (client: Client, norm: Scalar) => {
      const { reply } = await answer(client, question(norm), context);
      return reply.type === "fit" ? { update: [...reply.update[0]!.data], metrics: reply.metrics } : reply;
    };

    it("lies within the norm, and says whether it did before", async () => {
      expect(await clippedTo(moving(1.5, 1), { float: 1 })).to.deep.equal({
        update: [1.5, 1],
        metrics: { norm_bit: true },
      });
      const { update, metrics } = (await clippedTo(moving(4, 5), { float: 1 })) as {
        update: number[];
        metrics: unknown;
      };
      expect(Math.hypot(update[0]! - 1, update[1]! - 1)).to.be.within(1 - 1e-6, 1);
      expect(update[0]).to.be.closeTo(1.6, 1e-6);
      expect(metrics).to.deep.equal({ norm_bit: false });
    });

    it("is a refusal where the norm is none", async () => {
      expect(await clippedTo(moving(4, 5), { float: 0 })).to.include({ type: "refused" });
      expect(await clippedTo(moving(4, 5), "much")).to.deep.include({
        message: "clipping_norm is a number above 0, not string",
      });
    });

    it("is left as it is where it does not fit the model, for the server to judge", async () => {
      const other = fitting({ parameters: [float32([1], [9])], numExamples: 3 });
      expect(await clippedTo(other, 1)).to.deep.equal({ update: [9], metrics: {} });
    });
  });

  for (const [type, method] of [
    ["properties", "get_properties"],
    ["parameters", "get_parameters"],
  ] as const) {
    it(`says in Flower's words that a client does not implement ${method}`, async () => {
      const { reply } = await answer(plain, { type, config: {} }, context);
      expect(reply).to.deep.equal({ type: "refused", message: `Client does not implement \`${method}\`` });
    });
  }

  it("lets a NaN loss pass, for the server to judge", async () => {
    const { reply } = await answer(
      { ...plain, evaluate: () => ({ loss: NaN, numExamples: 1 }) },
      ask("evaluate", 1),
      context,
    );
    expect(reply.type).to.equal("evaluate");
  });

  it("is a refusal with the message when the client throws, also out of a promise", async () => {
    const cause = new Error("the scanner is on fire");
    for (const fit of [
      () => {
        throw cause;
      },
      () => Promise.reject(cause),
    ]) {
      const { reply, error } = await answer({ ...plain, fit }, ask("fit", 1), context);
      expect(reply).to.deep.equal({ type: "refused", message: "the scanner is on fire" });
      expect(error).to.equal(cause);
    }
  });

  const parameters = [float32([1], [1])];
  const short = { ...tensor("float32", [2], new Float32Array(2)), data: new Float32Array(1) };
  const impossible: readonly (readonly [string, unknown, string])[] = [
    ["nothing", undefined, "returned undefined, which is not an object"],
    ["a negative count", { parameters, numExamples: -1 }, "numExamples -1, which is not a whole number from 0"],
    ["a fraction", { parameters, numExamples: 0.5 }, "numExamples 0.5"],
    ["a NaN count", { parameters, numExamples: NaN }, "numExamples NaN"],
    ["an absent count", { parameters }, "numExamples undefined"],
    ["no parameters", { numExamples: 1 }, "parameters undefined, which is not an array of tensors"],
    ["numbers for tensors", { parameters: [1], numExamples: 1 }, "tensor 0 is not one: its dtype is undefined"],
    [
      "an unknown dtype",
      { parameters: [{ ...parameters[0], dtype: "bfloat16" }], numExamples: 1 },
      'dtype is "bfloat16"',
    ],
    [
      "too few elements",
      { parameters: [parameters[0], short], numExamples: 1 },
      "tensor 1 is not one: a tensor of shape [2]",
    ],
    ["a list as a metric", { parameters, numExamples: 1, metrics: { f1: [1] } }, "the metric f1 = an array"],
  ];
  for (const [name, result, message] of impossible) {
    it(`is a refusal that names the fault when fit returns ${name}`, async () => {
      const { reply, error } = await answer(fitting(result), ask("fit", 1), context);
      expect(reply.type).to.equal("refused");
      expect(isFederationError(error, "client/failed")).to.equal(true);
      expect(reply.type === "refused" && reply.message)
        .to.include("the client's fit returned")
        .and.to.include(message);
    });
  }

  it("is a refusal when the loss is not a number", async () => {
    const evaluate = () => ({ loss: "low" as unknown as number, numExamples: 1 });
    const { reply } = await answer({ ...plain, evaluate }, ask("evaluate", 1), context);
    expect(reply.type === "refused" && reply.message).to.include('the loss "low", which is not a number');
  });

  it("takes every kind of scalar as a metric", async () => {
    const metrics = { a: true, b: 1, c: 2n, d: "x", e: Uint8Array.of(1), f: float(1) };
    const { reply } = await answer(fitting({ parameters, numExamples: 1, metrics }), ask("fit", 1), context);
    expect(reply.type === "fit" && reply.metrics).to.deep.equal(metrics);
  });
});
