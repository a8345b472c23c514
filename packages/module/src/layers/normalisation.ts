// Layers that normalise.
import { float, float32 } from "@perennial-fl/core";
import type { Layer } from "./layer.js";

export interface BatchNormOptions {
  readonly eps?: number;
  /** PyTorch's: the weight of the new batch in the running statistics. */
  readonly momentum?: number;
}

/** PyTorch's `nn.BatchNorm2d`: by the batch in training, by running statistics elsewhere. */
export function batchNorm2d(numFeatures: number, { eps = 1e-5, momentum = 0.1 }: BatchNormOptions = {}): Layer {
  return (at) => {
    const filled = (value: number) => float32([numFeatures], new Float32Array(numFeatures).fill(value));
    const parameters = [
      at.parameter("weight", filled(1)),
      at.parameter("bias", filled(0)),
      at.parameter("running_mean", filled(0)),
      at.parameter("running_var", filled(1)),
    ];
    return at.place("BatchNormalization", [at.input, ...parameters], {
      epsilon: float(eps),
      momentum: float(1 - momentum),
    });
  };
}

/** Over the last axes, whose lengths are `normalizedShape` (PyTorch's `nn.LayerNorm`). */
export function layerNorm(
  normalizedShape: number | readonly number[],
  { eps = 1e-5 }: { readonly eps?: number } = {},
): Layer {
  const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
  return (at) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const weight = at.parameter("weight", float32(shape, new Float32Array(count).fill(1)));
    const bias = at.parameter("bias", float32(shape, new Float32Array(count)));
    return at.place("LayerNormalization", [at.input, weight, bias], { axis: -shape.length, epsilon: float(eps) });
  };
}

/** Over groups of channels of each example (PyTorch's `nn.GroupNorm`). */
export function groupNorm(
  numGroups: number,
  numChannels: number,
  { eps = 1e-5 }: { readonly eps?: number } = {},
): Layer {
  return (at) => {
    const { g, input } = at;
    const spatial = input.shape.slice(2);
    const filled = (length: number, value: number) => float32([length], new Float32Array(length).fill(value));
    const constant = (value: number) => g.op("Constant", [], { value: filled(numGroups, value) });
    const weight = at.parameter("weight", filled(numChannels, 1));
    const bias = at.parameter("bias", filled(numChannels, 0));
    // The operator of that name is of opset 21; instances of whole groups are the same.
    const rows = g.op("Reshape", [input, g.ints([0, numGroups, -1])]);
    const even = at.place("InstanceNormalization", [rows, constant(1), constant(0)], { epsilon: float(eps) });
    const back = g.op("Reshape", [even, g.ints([0, numChannels, ...spatial])]);
    const channel = [numChannels, ...spatial.map(() => 1)];
    return g.add(g.mul(back, g.reshape(weight, channel)), g.reshape(bias, channel));
  };
}
