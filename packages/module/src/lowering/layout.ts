// How a tensor's elements lie in memory inside the trainer, where that is not ONNX's own order.
import { assert, elementCount } from "@perennial-fl/core";
import type { Tensor, TypedArray } from "@perennial-fl/core";

/** The tensor is seen with the lengths `split`, and its axes are stored in the order `order`. Its shape stays what it is. */
export interface Layout {
  readonly split: readonly number[];
  readonly order: readonly number[];
}

/** The elements of a tensor in ONNX's order, in the order of the layout: a new array. */
export function arranged(tensor: Tensor, layout: Layout): Tensor {
  const places = placesOf(layout);
  const data = tensor.data.slice();
  assert(data.length === places.length, "a layout is one of tensors of its own size");
  for (let i = 0; i < places.length; i++) copy(data, i, tensor.data, places[i] as number);
  return { ...tensor, data };
}

/** Undoes {@link arranged}: a new array. */
export function restored(tensor: Tensor, layout: Layout): Tensor {
  const places = placesOf(layout);
  const data = tensor.data.slice();
  assert(data.length === places.length, "a layout is one of tensors of its own size");
  for (let i = 0; i < places.length; i++) copy(data, places[i] as number, tensor.data, i);
  return { ...tensor, data };
}

/** Both arrays have one element type. */
function copy(to: TypedArray, at: number, from: TypedArray, place: number): void {
  (to as Float32Array)[at] = (from as Float32Array)[place] as number;
}

/** Where in ONNX's order each stored element comes from. */
export function placesOf({ split, order }: Layout): Uint32Array {
  const strides = split.map((_, axis) => elementCount(split.slice(axis + 1)));
  let places = Uint32Array.of(0);
  for (const axis of order) {
    const [length, stride] = [split[axis] as number, strides[axis] as number];
    const longer = new Uint32Array(places.length * length);
    for (let i = 0; i < places.length; i++) {
      for (let j = 0; j < length; j++) longer[i * length + j] = (places[i] as number) + j * stride;
    }
    places = longer;
  }
  return places;
}
