// The gradient of a Resize: every element of the input gets what it gave, axis by axis.
import { tensor } from "@perennial-fl/core";
import { resizeWeights } from "../resize.js";
import type { AxisWeights } from "../resize.js";
import { constantInts } from "./site.js";
import type { GradientRule } from "./site.js";

export const resizeGradients: { readonly [opType: string]: GradientRule } = {
  Resize: (g, at) => {
    const { a, y, dY, node } = at;
    const [regions, scales] = [1, 2].map((i) => (at.has(i) ? constantInts(at.input(i)) : [])) as [number[], number[]];
    const rank = a.shape.length;
    return [
      () =>
        a.shape.reduce((gradient, length, axis) => {
          const out = y.shape[axis] as number;
          const region = [regions[axis] ?? 0, regions[axis + rank] ?? 1] as const;
          const weights = resizeWeights(node, { length, out, scale: scales[axis] ?? out / length, region });
          if (out === length && weights.every(isItself)) return gradient;
          const matrix = new Float64Array(out * length);
          weights.forEach((row, i) => {
            for (const [index, weight] of row) matrix[i * length + index] = (matrix[i * length + index] ?? 0) + weight;
          });
          const data = a.dtype === "float64" ? matrix : Float32Array.from(matrix);
          const last = gradient.shape.length - 1;
          // The axis goes last, is multiplied, and goes back; swapping two axes is its own inverse.
          const perm = gradient.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
          const turned = g.op("Transpose", [gradient], { perm });
          const product = g.op("MatMul", [turned, g.constant(tensor(a.dtype, [out, length], data))]);
          return g.op("Transpose", [product], { perm });
        }, dY),
    ];
  },
};

/** Whether an element is taken as it is. */
function isItself(row: AxisWeights[number], i: number): boolean {
  return row.every(([index, weight]) => weight === (index === i ? 1 : 0)) && row.some(([index]) => index === i);
}
