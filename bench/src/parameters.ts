// A model that is only so many bytes: 20 float32 tensors of equal size, with made-up values.
import { float32, random } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";

const tensors = 20;

export function madeUpParameters(megabytes: number): Parameters {
  const length = Math.floor((megabytes * 1e6) / 4 / tensors);
  return Array.from({ length: tensors }, (_, i) =>
    float32([length], Float32Array.from({ length }, random("bench", "parameters", i).float)),
  );
}
