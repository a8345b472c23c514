// FedProx's synthetic(alpha, beta) data (Li et al. 2020, arXiv 1812.06127): 30 devices, 60 features, 10 classes.
import { float32, permutation, random, tensor } from "@perennial-fl/core";
import type { Random } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";

export const features = 60;
export const classes = 10;

export interface Device {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** `alpha` and `beta` are standard deviations: of the models' means, and of the inputs' means. */
export function syntheticDevices(alpha: number, beta: number, seed: number, devices = 30): Device[] {
  return Array.from({ length: devices }, (_, k) => device(alpha, beta, random("synthetic", seed, k)));
}

function device(alpha: number, beta: number, draw: Random): Device {
  const count = Math.floor(Math.exp(4 + 2 * draw.normal())) + 50;
  const [modelMean, inputMean] = [alpha * draw.normal(), beta * draw.normal()];
  const centre = Float64Array.from({ length: features }, () => inputMean + draw.normal());
  const weights = Float64Array.from({ length: features * classes }, () => modelMean + draw.normal());
  const bias = Float64Array.from({ length: classes }, () => modelMean + draw.normal());
  const inputs = new Float32Array(count * features);
  const labels = new BigInt64Array(count);
  for (let row = 0; row < count; row++) {
    const x = inputs.subarray(row * features, (row + 1) * features);
    // The variance of feature j is j^-1.2.
    for (let j = 0; j < features; j++) x[j] = (centre[j] as number) + draw.normal() * (j + 1) ** -0.6;
    labels[row] = BigInt(largest(x, weights, bias));
  }
  const order = permutation(count, draw);
  const split = Math.floor(0.9 * count);
  return { train: pick(inputs, labels, order.subarray(0, split)), test: pick(inputs, labels, order.subarray(split)) };
}

function largest(x: Float32Array, weights: Float64Array, bias: Float64Array): number {
  const scores = bias.map((b, c) => x.reduce((sum, value, j) => sum + value * (weights[j * classes + c] as number), b));
  return scores.indexOf(Math.max(...scores));
}

function pick(inputs: Float32Array, labels: BigInt64Array, rows: Uint32Array): Dataset {
  const picked = new Float32Array(rows.length * features);
  rows.forEach((row, at) => {
    picked.set(inputs.subarray(row * features, (row + 1) * features), at * features);
  });
  return {
    inputs: float32([rows.length, features], picked),
    targets: tensor(
      "int64",
      [rows.length],
      BigInt64Array.from(rows, (row) => labels[row] as bigint),
    ),
  };
}

/** All devices' data as one. */
export function together(parts: readonly Dataset[]): Dataset {
  const count = parts.reduce((sum, { inputs }) => sum + (inputs.shape[0] as number), 0);
  const inputs = new Float32Array(count * features);
  const labels = new BigInt64Array(count);
  let row = 0;
  for (const part of parts) {
    inputs.set(part.inputs.data as Float32Array, row * features);
    labels.set(part.targets.data as BigInt64Array, row);
    row += part.inputs.shape[0] as number;
  }
  return { inputs: float32([count, features], inputs), targets: tensor("int64", [count], labels) };
}
