// Layers of neurons: linear and convolutional, initialised as PyTorch does.
import { FederationError, elementCount, float32 } from "@perennial-fl/core";
import type { Random, Tensor } from "@perennial-fl/core";
import type { Layer } from "./layer.js";
import { pairOf, padsOf } from "./pair.js";
import type { Pair } from "./pair.js";

/** y = x W^T + b, over the last axis (PyTorch's `nn.Linear`). */
export function linear(
  inFeatures: number,
  outFeatures: number,
  { bias = true }: { readonly bias?: boolean } = {},
): Layer {
  return (at) => {
    const { g, input } = at;
    if (input.shape.at(-1) !== inFeatures) {
      throw new FederationError(
        "model/shape",
        `building layer ${at.name}: linear takes ${inFeatures} features, and its input ends in ${input.shape.at(-1) ?? "nothing"}`,
      );
    }
    const bound = 1 / Math.sqrt(inFeatures);
    const weight = at.parameter("weight", uniform([outFeatures, inFeatures], bound, at.random("weight")));
    const offset = bias ? [at.parameter("bias", uniform([outFeatures], bound, at.random("bias")))] : [];
    if (input.shape.length === 2) return at.place("Gemm", [input, weight, ...offset], { transB: 1 });
    const product = at.place("MatMul", [input, g.op("Transpose", [weight], { perm: [1, 0] })]);
    return offset[0] === undefined ? product : g.add(product, offset[0]);
  };
}

export interface Conv2dOptions {
  readonly stride?: Pair;
  readonly padding?: Pair;
  readonly dilation?: Pair;
  readonly groups?: number;
  readonly bias?: boolean;
}

/** A 2-D convolution of [batch, channels, height, width] (PyTorch's `nn.Conv2d`). */
export function conv2d(inChannels: number, outChannels: number, kernelSize: Pair, options: Conv2dOptions = {}): Layer {
  const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = options;
  return (at) => {
    const kernel = pairOf(kernelSize);
    const shape = [outChannels, inChannels / groups, ...kernel];
    const bound = 1 / Math.sqrt(elementCount(shape.slice(1)));
    const weight = at.parameter("weight", uniform(shape, bound, at.random("weight")));
    const offset = bias ? [at.parameter("bias", uniform([outChannels], bound, at.random("bias")))] : [];
    return at.place("Conv", [at.input, weight, ...offset], {
      kernel_shape: kernel,
      strides: pairOf(stride),
      pads: padsOf(padding),
      dilations: pairOf(dilation),
      group: groups,
    });
  };
}

export interface Conv1dOptions {
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
}

/** A 1-D convolution of [batch, channels, length] (PyTorch's `nn.Conv1d`). */
export function conv1d(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: Conv1dOptions = {},
): Layer {
  const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = options;
  return (at) => {
    const shape = [outChannels, inChannels / groups, kernelSize];
    const bound = 1 / Math.sqrt(elementCount(shape.slice(1)));
    const weight = at.parameter("weight", uniform(shape, bound, at.random("weight")));
    const offset = bias ? [at.parameter("bias", uniform([outChannels], bound, at.random("bias")))] : [];
    return at.place("Conv", [at.input, weight, ...offset], {
      kernel_shape: [kernelSize],
      strides: [stride],
      pads: [padding, padding],
      dilations: [dilation],
      group: groups,
    });
  };
}

/** Numbers in [-bound, bound): He's uniform initialisation with a = sqrt(5), where bound = 1/sqrt(fan in). */
export function uniform(shape: readonly number[], bound: number, random: Random): Tensor {
  return float32(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => (2 * random.float() - 1) * bound),
  );
}
