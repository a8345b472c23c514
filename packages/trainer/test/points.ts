// Synthetic data: three clouds of points in the plane that straight lines separate.
import { float32, random, tensor } from "@perennial-fl/core";
import type { Dataset } from "../src/trainer.js";

const centres = [
  [0, 2],
  [-2, -1],
  [2, -1],
] as const;

/** `count` points around three centres, in turn; a function of the seed. */
export function points(count: number, seed: number): Dataset {
  const generator = random("points", seed);
  const labels = Array.from({ length: count }, (_, i) => i % 3);
  const inputs = labels.flatMap((label) => centres[label]!.map((centre) => centre + 0.4 * generator.normal()));
  return { inputs: float32([count, 2], inputs), targets: tensor("int32", [count], Int32Array.from(labels)) };
}
