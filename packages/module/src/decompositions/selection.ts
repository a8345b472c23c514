// Selections with a batch, as selections that name the place in the batch too.
import { elementCount, tensor } from "@perennial-fl/core";
import { intOf } from "../graph.js";
import type { Decomposition } from "./decomposition.js";

export const selectionDecompositions: { readonly [opType: string]: Decomposition } = {
  GatherND: (g, node, [data, indices]) => {
    const depth = intOf(node, "batch_dims", 0);
    if (depth === 0 || data === undefined || indices === undefined) return undefined;
    const batch = data.shape.slice(0, depth);
    const places = indices.shape.slice(0, -1);
    const each = elementCount(places.slice(depth));
    const coordinates = Array.from({ length: elementCount(batch) * each }, (_, i) =>
      coordinatesOf(Math.floor(i / each), batch),
    );
    const lead = tensor("int64", [...places, depth], BigInt64Array.from(coordinates.flat(), BigInt));
    return [g.op("GatherND", [data, g.op("Concat", [g.constant(lead), indices], { axis: -1 })])];
  },
};

/** Where the element counted `flat` lies in a tensor of this shape. */
function coordinatesOf(flat: number, shape: readonly number[]): number[] {
  let rest = flat;
  return shape
    .toReversed()
    .map((length) => {
      const at = rest % length;
      rest = Math.floor(rest / length);
      return at;
    })
    .reverse();
}
