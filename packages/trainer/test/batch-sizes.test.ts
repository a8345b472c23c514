// Batches of every size: what is left over at the end of an epoch, and modules that take one size only.
import { float32, permutation, random, sameTensor, tensor } from "@perennial-fl/core";
import { crossEntropy, linear, OnnxModule, relu, sequential, sgd } from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { Dataset } from "../src/index.js";
import { points } from "./points.js";

const open = sequential([linear(2, 16), relu(), linear(16, 3)], { input: [2], seed: 1 });
const fixed = OnnxModule.fromGraph({
  ...open.graph,
  inputs: open.graph.inputs.map((input) => ({ ...input, shape: [8, 2] })),
  outputs: open.graph.outputs.map((output) => ({ ...output, shape: [8, 3] })),
});

async function opened(module: OnnxModule) {
  return openTrainer({ module, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) });
}

describe("The last batch of an epoch", () => {
  it("is a step like the others, with what is left", async () => {
    const dataset = points(20, 1);
    const trainer = await opened(open);
    const whole = await trainer.train(open.parameters, { dataset, batchSize: 8, epochs: 1, seed: ["left over"] });
    const order = permutation(20, random("left over", "epoch", 0));
    let parameters = open.parameters;
    for (const [from, to] of [
      [0, 8],
      [8, 16],
      [16, 20],
    ] as const) {
      const batch = rows(dataset, order.subarray(from, to));
      ({ parameters } = await trainer.train(parameters, { dataset: batch, batchSize: 8, epochs: 1, seed: [] }));
    }
    await trainer.close();
    expect(whole.steps).to.equal(3);
    // The order within a batch is another, so sums differ in their last bits.
    parameters.forEach(({ data }, i) => {
      data.forEach((value, at) => expect(Number(whole.parameters[i]!.data[at])).to.be.closeTo(Number(value), 1e-6));
    });
  });
});

/** These examples of a dataset. */
function rows({ inputs, targets }: Dataset, order: Uint32Array): Dataset {
  const picked = Array.from(order);
  const features = picked.flatMap((row) => [Number(inputs.data[2 * row]), Number(inputs.data[2 * row + 1])]);
  const labels = Int32Array.from(picked, (row) => Number(targets.data[row]));
  return { inputs: float32([picked.length, 2], features), targets: tensor("int32", [picked.length], labels) };
}

describe("A module that was exported for batches of 8", () => {
  it("trains in batches of 8 to the bytes of one with an open batch", async () => {
    const call = { dataset: points(24, 1), batchSize: 8, epochs: 2, seed: ["fixed"] };
    const [a, b] = [await opened(open), await opened(fixed)];
    const [expected, found] = [await a.train(open.parameters, call), await b.train(open.parameters, call)];
    found.parameters.forEach((held, i) => expect(sameTensor(held, expected.parameters[i]!)).to.equal(true));
    const { loss } = await b.evaluate(found.parameters, { dataset: points(24, 2) });
    expect(loss).to.be.closeTo((await a.evaluate(found.parameters, { dataset: points(24, 2) })).loss, 1e-6);
    await Promise.all([a.close(), b.close()]);
  });

  it("refuses any other, and examples that it does not divide, with both sizes", async () => {
    const trainer = await opened(fixed);
    const failure = async (count: number, batchSize: number): Promise<unknown> =>
      trainer
        .train(open.parameters, { dataset: points(count, 1), batchSize, epochs: 1, seed: [] })
        .catch((error: unknown) => error);
    const sizes = await failure(24, 4);
    expect(sizes).to.have.property("code", "model/shape");
    expect(sizes)
      .to.have.property("message")
      .that.matches(/batches of exactly 8, and batches of 4 are asked for; export it with an open batch/);
    expect(await failure(21, 8))
      .to.have.property("message")
      .that.matches(/batches of exactly 8, and 21 examples leave a last batch of 5/);
    const evaluated: unknown = await trainer
      .evaluate(open.parameters, { dataset: points(9, 1) })
      .catch((error: unknown) => error);
    expect(evaluated)
      .to.have.property("message")
      .that.matches(/^evaluating: .* 9 examples leave a last batch of 1/);
    await trainer.close();
  });
});
