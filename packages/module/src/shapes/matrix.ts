// Shapes of matrix products, and of the loss that ends in a number.
import type { TensorHeader } from "@perennial-fl/core";
import { intOf, stringOf } from "../graph.js";
import { broadcast } from "./site.js";
import type { ShapeRule, ShapeSite } from "./site.js";

export const matrixShapes: { readonly [opType: string]: ShapeRule } = {
  Gemm: gemm,
  MatMul: matMul,
  NegativeLogLikelihoodLoss: crossEntropy,
  SoftmaxCrossEntropyLoss: crossEntropy,
};

function gemm(at: ShapeSite): TensorHeader {
  const { a, b, node } = at;
  if (a.shape.length !== 2 || b.shape.length !== 2)
    at.fail(`its operands have ${a.shape.length} and ${b.shape.length} axes, not 2`);
  const [rows, inner] = intOf(node, "transA", 0) === 1 ? a.shape.toReversed() : a.shape;
  const [outer, columns] = intOf(node, "transB", 0) === 1 ? b.shape.toReversed() : b.shape;
  if (inner !== outer) at.fail(`[${a.shape.join(", ")}] and [${b.shape.join(", ")}] do not multiply`);
  return { dtype: a.dtype, shape: [rows as number, columns as number] };
}

function matMul(at: ShapeSite): TensorHeader {
  const { a, b } = at;
  // A vector is a row on the left and a column on the right; its axis is gone from the result.
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [rows, inner] = left.slice(-2);
  const [outer, columns] = right.slice(-2);
  if (inner === undefined || inner !== outer)
    at.fail(`[${a.shape.join(", ")}] and [${b.shape.join(", ")}] do not multiply`);
  const batch = broadcast(at, left.slice(0, -2), right.slice(0, -2));
  const matrix = [
    ...(a.shape.length === 1 ? [] : [rows as number]),
    ...(b.shape.length === 1 ? [] : [columns as number]),
  ];
  return { dtype: a.dtype, shape: [...batch, ...matrix] };
}

function crossEntropy(at: ShapeSite): readonly TensorHeader[] {
  const { a, b, node } = at;
  const [batch, , ...rest] = a.shape;
  if ([batch, ...rest].join() !== b.shape.join()) {
    at.fail(`scores [${a.shape.join(", ")}] do not fit class indices [${b.shape.join(", ")}]`);
  }
  return [
    { dtype: a.dtype, shape: stringOf(node, "reduction", "mean") === "none" ? b.shape : [] },
    { dtype: a.dtype, shape: a.shape },
  ];
}
