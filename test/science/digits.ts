// MNIST for experiments: images as rows of 784 numbers from 0 to 1, and the 2NN of McMahan et al. (2017).
import { float32, permutation, random, tensor } from "@perennial-fl/core";
import { linear, relu, sequential } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { readMnist } from "@perennial-fl/example-quickstart/dist/src/mnist.js";
import type { Digits } from "@perennial-fl/example-quickstart/dist/src/mnist.js";
import type { Dataset } from "@perennial-fl/trainer";

export const pixels = 784;

export { readMnist };

/** 784-200-200-10 with ReLU: 199,210 parameters. */
export function twoLayerNet(seed: number): OnnxModule {
  const layers = [linear(pixels, 200), relu(), linear(200, 200), relu(), linear(200, 10)];
  return sequential(layers, { input: [pixels], seed });
}

/** The images at `indices`, over shared memory, so that a trainer does not copy them. */
export function rowsOf({ pixels: grey, labels }: Digits, indices: Uint32Array): Dataset {
  const inputs = new Float32Array(new SharedArrayBuffer(4 * pixels * indices.length));
  indices.forEach((index, row) => {
    for (let i = 0; i < pixels; i++) inputs[row * pixels + i] = (grey[index * pixels + i] as number) / 255;
  });
  const targets = BigInt64Array.from(indices, (index) => BigInt(labels[index] as number));
  return {
    inputs: float32([indices.length, pixels], inputs),
    targets: tensor("int64", [indices.length], targets),
  };
}

/** Shuffled, and cut into parts of one size. */
export function evenParts(count: number, parts: number, seed: number): Uint32Array[] {
  const order = permutation(count, random("even parts", seed));
  const size = Math.floor(count / parts);
  return Array.from({ length: parts }, (_, part) => order.subarray(part * size, (part + 1) * size));
}
