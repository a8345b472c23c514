// Gaussian noise that is the same for the same values, and other noise for any others.
import { bytesOf, random } from "@perennial-fl/core";
import type { Parameters, Random } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "../numbers.js";

/** A generator for the noise on `values`, derived from a round's randomness and the values themselves. */
export function noiseFor(purpose: string, round: Random, values: Parameters): Random {
  return random("noise", purpose, ...round.state(), ...digest(values));
}

/** The values with independent noise of this standard deviation on every element. */
export function noised(values: Parameters, stddev: number, noise: Random): Parameters {
  return values.map((tensor) =>
    tensorOf(
      tensor,
      Float64Array.from(numbersOf(tensor), (x) => x + stddev * noise.normal()),
    ),
  );
}

/** 64 bits of all bytes, as two words with different multipliers: not against forgery, since the round's state is secret. */
function digest(values: Parameters): readonly [number, number] {
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (const tensor of values) {
    for (const byte of bytesOf(tensor)) {
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x5bd1e995);
      b ^= b >>> 15;
    }
  }
  return [a >>> 0, b >>> 0];
}
