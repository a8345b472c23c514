// The shape of a Resize, by scales or by sizes.
import type { ShapeRule } from "./site.js";

export const resizeShapes: { readonly [opType: string]: ShapeRule } = {
  Resize: (at) => {
    const { a } = at;
    if (at.has(3) && at.ints(3).length > 0) return { dtype: a.dtype, shape: at.ints(3) };
    const scales = at.ints(2);
    return { dtype: a.dtype, shape: a.shape.map((length, i) => Math.floor(length * (scales[i] ?? 1))) };
  },
};
