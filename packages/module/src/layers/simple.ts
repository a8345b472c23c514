// Layers without parameters: activations, poolings, flatten, dropout.
import { FederationError, float, float32 } from "@perennial-fl/core";
import type { Layer } from "./layer.js";
import { padsOf, pairOf } from "./pair.js";
import type { Pair } from "./pair.js";

export function relu(): Layer {
  return (at) => at.place("Relu", [at.input]);
}

export function leakyRelu({ negativeSlope = 0.01 }: { readonly negativeSlope?: number } = {}): Layer {
  return (at) => at.place("LeakyRelu", [at.input], { alpha: float(negativeSlope) });
}

export function sigmoid(): Layer {
  return (at) => at.place("Sigmoid", [at.input]);
}

export function tanh(): Layer {
  return (at) => at.place("Tanh", [at.input]);
}

/** Over the last axis unless `dim` says another. */
export function softmax({ dim = -1 }: { readonly dim?: number } = {}): Layer {
  return (at) => at.place("Softmax", [at.input], { axis: dim });
}

/** Over the last axis unless `dim` says another. */
export function logSoftmax({ dim = -1 }: { readonly dim?: number } = {}): Layer {
  return (at) => at.place("LogSoftmax", [at.input], { axis: dim });
}

/** All axes after the batch become one. */
export function flatten(): Layer {
  return (at) => at.place("Flatten", [at.input], { axis: 1 });
}

export interface PoolOptions {
  /** The kernel's size unless said otherwise, as in PyTorch. */
  readonly stride?: Pair;
  readonly padding?: Pair;
}

export function maxPool2d(kernelSize: Pair, { stride = kernelSize, padding = 0 }: PoolOptions = {}): Layer {
  return (at) =>
    at.place("MaxPool", [at.input], {
      kernel_shape: pairOf(kernelSize),
      strides: pairOf(stride),
      pads: padsOf(padding),
    });
}

/** Padding counts as zeros, as in PyTorch. */
export function avgPool2d(kernelSize: Pair, { stride = kernelSize, padding = 0 }: PoolOptions = {}): Layer {
  return (at) =>
    at.place("AveragePool", [at.input], {
      kernel_shape: pairOf(kernelSize),
      strides: pairOf(stride),
      pads: padsOf(padding),
      count_include_pad: 1,
    });
}

/** The mean of every channel, with spatial axes of length 1. */
export function globalAvgPool2d(): Layer {
  return (at) => at.place("GlobalAveragePool", [at.input]);
}

/** Zeroes elements with probability `p` in training, and scales the others by 1 / (1 - p) (PyTorch's `nn.Dropout`). */
export function dropout(p = 0.5): Layer {
  if (!(p >= 0 && p < 1)) {
    throw new FederationError("argument/invalid", `building a module: dropout with p ${p}, not from 0 to below 1`);
  }
  // The ratio is a node and not an initializer: it must not count as a parameter.
  return (at) => at.place("Dropout", [at.input, at.place("Constant", [], { value: float32([], [p]) })]);
}

export interface Pool1dOptions {
  /** The kernel's size unless said otherwise, as in PyTorch. */
  readonly stride?: number;
  readonly padding?: number;
}

export function maxPool1d(kernelSize: number, { stride = kernelSize, padding = 0 }: Pool1dOptions = {}): Layer {
  return (at) =>
    at.place("MaxPool", [at.input], { kernel_shape: [kernelSize], strides: [stride], pads: [padding, padding] });
}

/** Padding counts as zeros, as in PyTorch. */
export function avgPool1d(kernelSize: number, { stride = kernelSize, padding = 0 }: Pool1dOptions = {}): Layer {
  return (at) =>
    at.place("AveragePool", [at.input], {
      kernel_shape: [kernelSize],
      strides: [stride],
      pads: [padding, padding],
      count_include_pad: 1,
    });
}
