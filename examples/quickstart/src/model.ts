// The model of the quickstart: a small convolutional network in the manner of LeNet.
import { conv2d, crossEntropy, flatten, linear, maxPool2d, relu, sequential, sgd } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";

/** Takes [batch, 1, 28, 28] and gives a score for each of ten digits. */
export function digitModel(seed: number): OnnxModule {
  const layers = [
    conv2d(1, 8, 5, { padding: 2 }),
    relu(),
    maxPool2d(2),
    conv2d(8, 16, 5),
    relu(),
    maxPool2d(2),
    flatten(),
    linear(16 * 5 * 5, 64),
    relu(),
    linear(64, 10),
  ];
  return sequential(layers, { input: [1, 28, 28], seed });
}

/** How every client trains it. */
export const training = {
  loss: crossEntropy(),
  optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
  batchSize: 64,
  epochs: 1,
} as const;
