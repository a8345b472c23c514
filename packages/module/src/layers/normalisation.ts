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
