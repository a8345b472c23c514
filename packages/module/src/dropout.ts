// Dropout's masks, drawn inside the graph by a counter-based generator: no stream is shared, so any step can come first.
import { random, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "./builder.js";

/** Two words of seed and the number of the step: all that the masks of a step depend on. */
export const generatorHeader = { dtype: "uint32", shape: [3] } as const;

/** The generator's state before the first step, for what the run is for: a seed, a round, a client. */
export function generatorState(...purpose: readonly (string | number)[]): Tensor {
  const draw = random(...purpose, "dropout");
  return tensor("uint32", [3], Uint32Array.of(draw.uint32(), draw.uint32(), 0));
}

/** The masks of one step. */
export interface Masks {
  /** True with probability `ratio`, from 0 to below 1, for each element on its own. */
  dropped(shape: readonly number[], ratio: number): Value;
}

/** Draws from `state` ({@link generatorHeader}). */
export function masksFrom(g: GraphBuilder, state: Value): Masks {
  // The step is mixed before it meets the seed, and both again: neighbouring steps have nothing in common.
  const step = mixed(g, g.op("Slice", [state, g.ints([2]), g.ints([3])]));
  const keys = mixed(g, xor(g, g.op("Slice", [state, g.ints([0]), g.ints([2])]), step));
  const [first, second] = g.node("Split", [keys], { axis: 0, num_outputs: 2 }, { outputs: 2 }) as [Value, Value];
  let drawn = 0;
  return {
    dropped(shape, ratio) {
      const count = shape.reduce((product, length) => product * length, 1);
      // Every element of every mask of a step has a number of its own.
      const from = drawn;
      drawn += count;
      const ends = [from, from + count, 1].map((end) => g.scalar(end, { dtype: "int64", shape: [] }));
      const index = g.op("Cast", [g.op("Range", ends)], { to: 12 });
      const bits = mixed(g, xor(g, index, first), second);
      return g.op("Less", [g.reshape(bits, shape), word(g, Math.min(Math.round(ratio * 2 ** 32), 2 ** 32 - 1))]);
    },
  };
}

/** The state of the next step. */
export function nextState(g: GraphBuilder, state: Value): Value {
  return g.op("Add", [state, g.constant(tensor("uint32", [3], Uint32Array.of(0, 0, 1)))]);
}

/** A hash of 32 bits in two rounds of shift and multiplication (constants of C. Wellons' `triple32`), keyed between them. */
function mixed(g: GraphBuilder, value: Value, key?: Value): Value {
  const first = round(g, value, 17, 0xed5ad4bb);
  return round(g, key === undefined ? first : xor(g, first, key), 11, 0xac4c1b51);
}

function round(g: GraphBuilder, value: Value, shift: number, factor: number): Value {
  const shifted = g.op("BitShift", [value, word(g, shift)], { direction: "RIGHT" });
  return g.mul(xor(g, value, shifted), word(g, factor));
}

function xor(g: GraphBuilder, a: Value, b: Value): Value {
  return g.op("BitwiseXor", [a, b]);
}

function word(g: GraphBuilder, value: number): Value {
  return g.constant(tensor("uint32", [], Uint32Array.of(value)));
}
