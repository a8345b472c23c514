// Updates in place against the optimizers in the graph that they stand for: the same bytes.
import { random, float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import {
  accumulate,
  adagrad,
  adam,
  adamW,
  batchNorm2d,
  clipByNorm,
  clipByValue,
  conv2d,
  crossEntropy,
  flatten,
  linear,
  parameterGroups,
  proximal,
  relu,
  rmsprop,
  sequential,
  sgd,
} from "@perennial-fl/module";
import type { Layer, Optimizer } from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { TrainerOptions } from "../src/index.js";

const learningRate = 0.05;
const momentum = sgd({ learningRate, momentum: 0.9, nesterov: true, weightDecay: 0.01 });
const optimizers: { readonly [name: string]: Optimizer } = {
  "sgd with momentum": momentum,
  "sgd with dampening": sgd({ learningRate, momentum: 0.9, dampening: 0.1 }),
  adam: adam({ learningRate, weightDecay: 0.01 }),
  adamW: adamW({ learningRate }),
  "centred rmsprop": rmsprop({ learningRate, centered: true, momentum: 0.9 }),
  adagrad: adagrad({ learningRate, learningRateDecay: 0.1 }),
  "clipping by norm": clipByNorm(0.1, adam({ learningRate })),
  "clipping by value": clipByValue(0.01, sgd({ learningRate })),
  accumulation: accumulate(3, adam({ learningRate })),
  "a proximal term": proximal(0.1, adam({ learningRate })),
  "parameter groups": parameterGroups(
    [{ parameters: (name) => name.startsWith("0"), optimizer: adam({ learningRate }) }],
    momentum,
  ),
};

// Lengths that no number of lanes divides.
const dense = [linear(64, 7), relu(), linear(7, 3)];
const convolutions = [conv2d(1, 16, 3), batchNorm2d(16), relu(), conv2d(16, 16, 3), flatten(), linear(256, 3)];

/** Every number that two calls of training end with. The last batch of an epoch is a short one. */
async function trained(
  layers: readonly Layer[],
  input: readonly number[],
  options: Pick<TrainerOptions, "optimizer" | "lowering">,
): Promise<number[]> {
  const module = sequential(layers, { input, seed: 3 });
  const draw = random("updates");
  const inputs = float32(
    [21, ...input],
    Float32Array.from({ length: 21 * 64 }, () => draw.normal()),
  );
  const dataset = {
    inputs,
    targets: tensor(
      "int32",
      [21],
      Int32Array.from({ length: 21 }, () => draw.below(3)),
    ),
  };
  const trainer = await openTrainer({ module, loss: crossEntropy(), ...options });
  const call = { dataset, batchSize: 16, epochs: 2, seed: ["updates"] };
  const first = await trainer.train(module.parameters, call);
  const last = await trainer.train(first.parameters, { ...call, firstEpoch: 2, state: first.state });
  await trainer.close();
  const tensors = [...last.parameters, ...Object.values(last.state as Record<string, Tensor>)];
  return tensors.flatMap(({ data }) => Array.from<number | bigint, number>(data, Number));
}

describe("Updates in place give the bytes of the graph's optimizer:", () => {
  for (const [name, optimizer] of Object.entries(optimizers)) {
    it(name, async () => {
      const inGraph = await trained(dense, [64], { optimizer, lowering: "none" });
      expect(await trained(dense, [64], { optimizer, lowering: ["updates-in-place"] })).to.deep.equal(inGraph);
    });
  }

  it("beside convolutions in blocks, running statistics and an anchor in blocks", async () => {
    const optimizer = proximal(0.1, adam({ learningRate }));
    const options = [["blocked-convolutions"], "auto"] as const;
    const [inGraph, inPlace] = [
      await trained(convolutions, [1, 8, 8], { optimizer, lowering: options[0] }),
      await trained(convolutions, [1, 8, 8], { optimizer, lowering: options[1] }),
    ];
    expect(inPlace).to.deep.equal(inGraph);
  });
});
