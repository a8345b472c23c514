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
 * The update scaled towards the model so that it moves it by at most `norm`: w + (w_k − w) · min(1, norm / ‖w_k − w‖),
 * short of that by what rounding the sum to the model's type can add, so that the bound holds for what is aggregated
 * (whole-number tensors are rounded on top). An update within the norm is given back as it is, to the bit. Tensors are scaled when they are read.
 */
export function clipped(update: StoredResult, current: Parameters, norm: number): StoredResult {
  const length = updateNorm(update, current);
  if (length <= norm) return update;
  const scale = Math.max(0, norm - roundingOf(current, norm)) / length;
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

/** The relative rounding error of the types that have one. */
const unitRoundoff: { readonly [dtype: string]: number } = { float16: 2 ** -11, float32: 2 ** -24, float64: 2 ** -53 };

/** How far, in L2, rounding can move a model that lies within `norm` of this one. */
function roundingOf(current: Parameters, norm: number): number {
  let squares = 0;
  for (const tensor of current) {
    const unit = unitRoundoff[tensor.dtype] ?? 0;
    const values = numbersOf(tensor);
    for (let i = 0; i < values.length; i++) squares += (unit * (values[i] as number)) ** 2;
  }
  return Math.sqrt(squares) + Math.max(0, ...current.map(({ dtype }) => unitRoundoff[dtype] ?? 0)) * norm;
}
