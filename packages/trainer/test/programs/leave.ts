// A program that leaves in the middle of a long step, in the way that its argument names.
import { float32, tensor } from "@perennial-fl/core";
import { crossEntropy, linear, relu, sequential, sgd } from "@perennial-fl/module";
import { openTrainer } from "../../src/index.js";

const [count, width] = [512, 512];
const module = sequential([linear(width, width), relu(), linear(width, width)], { input: [width], seed: 1 });
const dataset = {
  inputs: float32([count, width], new Float32Array(count * width)),
  targets: tensor("uint8", [count], new Uint8Array(count)),
};
const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.01 }) });

const say = (): void => {
  console.log("left");
};

const ways: { readonly [name: string]: () => void } = {
  exit() {
    say();
    process.exit(0);
  },
  throw() {
    process.on("uncaughtException", () => ways["exit"]?.());
    setImmediate(() => {
      throw new Error("nobody catches this");
    });
  },
  close: () => void trainer.close().then(say),
};

const options = { dataset, batchSize: count, epochs: 1_000_000, seed: [1] };
trainer
  .train(module.parameters, {
    ...options,
    onEpoch: ({ epoch }) => {
      if (epoch === 5) ways[process.argv[2] ?? ""]?.();
    },
  })
  .catch(() => undefined);
