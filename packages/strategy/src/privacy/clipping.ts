// Bounding how far one client can move the model.
import type { Parameters, StoredResult } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "../numbers.js";

/** ‖w_k − w‖₂ over all tensors. */
export function updateNorm(update: StoredResult, current: Parameters): number {
  let squares = 0;
  for (const [index, tensor] of current.entries()) {
    const [from, to] = [numbersOf(tensor), numbersOf(update.read(index))];
    for (let i = 0; i < from.length; i++) {
      const difference = (to[i] as number) - (from[i] as number);
      squares += difference * difference;
    }
  }
  return Math.sqrt(squares);
}

/**
 * The update scaled towards the model so that it moves it by at most `norm`: w + (w_k − w) · min(1, norm / ‖w_k − w‖).
 * An update within the norm is given back as it is, to the bit. Tensors are scaled when they are read.
 */
export function clipped(update: StoredResult, current: Parameters, norm: number): StoredResult {
  const length = updateNorm(update, current);
  if (length <= norm) return update;
  const scale = norm / length;
  return {
    tensors: update.tensors,
    read(index) {
      const sent = update.read(index);
      const [from, to] = [numbersOf(current[index] ?? sent), numbersOf(sent)];
      return tensorOf(
        sent,
        Float64Array.from(from, (x, i) => x + scale * ((to[i] as number) - x)),
      );
    },
  };
}
