// How a tensor's elements lie in memory inside the trainer, where that is not ONNX's own order.
import { assert, elementCount } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";

/** The tensor is seen with the lengths `split`, and its axes are stored in the order `order`. Its shape stays what it is. */
export interface Layout {
  readonly split: readonly number[];
  readonly order: readonly number[];
}

/** The elements of a float32 tensor in ONNX's order, in the order of the layout: a new array, or `into`. */
export function arranged(
  tensor: Tensor,
  layout: Layout,
  into: Float32Array = new Float32Array(tensor.data.length),
): Tensor {
  return copied(tensor, layout, into, (from, to, at, place, { length, stride }) => {
    for (let i = 0; i < length; i++) to[at + i] = from[place + i * stride] as number;
  });
}

/** Undoes {@link arranged}: a new array. */
export function restored(tensor: Tensor, layout: Layout): Tensor {
  const into = new Float32Array(tensor.data.length);
  return copied(tensor, layout, into, (from, to, at, place, { length, stride }) => {
    for (let i = 0; i < length; i++) to[place + i * stride] = from[at + i] as number;
  });
}

/** An axis: how many elements, and how far they are apart in ONNX's order. */
interface Axis {
  readonly length: number;
  readonly stride: number;
}

type Copy = (from: Float32Array, to: Float32Array, at: number, place: number, axis: Axis) => void;

/** Copies stored run after stored run: a run begins at `at` in the layout and at `place` in ONNX's order. */
function copied(tensor: Tensor, { split, order }: Layout, to: Float32Array, copy: Copy): Tensor {
  assert(tensor.data instanceof Float32Array, "only float32 has a layout");
  assert(tensor.data.length === elementCount(split), "a layout is one of tensors of its own size");
  const from = tensor.data;
  const axes = order.map((axis) => ({ length: split[axis] as number, stride: elementCount(split.slice(axis + 1)) }));
  const last = axes.pop() ?? { length: 1, stride: 1 };
  let at = 0;
  const walk = (depth: number, place: number): void => {
    const axis = axes[depth];
    if (axis === undefined) {
      copy(from, to, at, place, last);
      at += last.length;
      return;
    }
    for (let i = 0; i < axis.length; i++) walk(depth + 1, place + i * axis.stride);
  };
  walk(0, 0);
  return { ...tensor, data: to };
}
