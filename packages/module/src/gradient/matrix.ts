// Gradients of matrix products.
import { float } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { floatOf, intOf } from "../graph.js";
import type { Gradient, GradientRule, GradientSite } from "./site.js";

export const matrixGradients: { readonly [opType: string]: GradientRule } = { Gemm: gemm, MatMul: matMul };

/** Y = alpha A'B' + beta C, where a prime is a transposition if the node's flag says so. */
function gemm(g: GraphBuilder, at: GradientSite): readonly Gradient[] {
  const { a, b, dY, node } = at;
  const [transA, transB] = [intOf(node, "transA", 0), intOf(node, "transB", 0)];
  const alpha = float(floatOf(node, "alpha", 1));
  const beta = floatOf(node, "beta", 1);
  const product = (left: Value, right: Value, left1: number, right1: number): Value =>
    g.op("Gemm", [left, right], { alpha, transA: left1, transB: right1 });
  return [
    () => (transA === 0 ? product(dY, b, 0, 1 - transB) : product(b, dY, transB, 1)),
    () => (transB === 0 ? product(a, dY, 1 - transA, 0) : product(dY, a, 1, transA)),
    () => (beta === 1 ? dY : g.mul(dY, g.scalar(beta, dY))),
  ];
}

/** Batched: axes before the last two broadcast, and the walk sums over them. */
function matMul(g: GraphBuilder, { a, b, y, dY }: GradientSite): readonly Gradient[] {
  // Vectors become matrices with an axis of length 1, which is dropped again from the gradient.
  const left = a.shape.length === 1 ? g.reshape(a, [1, ...a.shape]) : a;
  const right = b.shape.length === 1 ? g.reshape(b, [...b.shape, 1]) : b;
  const batch = y.shape.slice(0, y.shape.length - (a.shape.length > 1 ? 1 : 0) - (b.shape.length > 1 ? 1 : 0));
  const d = g.reshape(dY, [...batch, left.shape.at(-2) as number, right.shape.at(-1) as number]);
  return [
    () => withoutAxis(g, g.op("MatMul", [d, swapLast(g, right)]), a, -2),
    () => withoutAxis(g, g.op("MatMul", [swapLast(g, left), d]), b, -1),
  ];
}

function withoutAxis(g: GraphBuilder, gradient: Value, operand: Value, axis: -1 | -2): Value {
  return operand.shape.length > 1 ? gradient : g.reshape(gradient, gradient.shape.toSpliced(axis, 1));
}

function swapLast(g: GraphBuilder, value: Value): Value {
  const rank = value.shape.length;
  const order = value.shape.map((_, i) => i);
  return g.op("Transpose", [value], { perm: [...order.slice(0, -2), rank - 1, rank - 2] });
}
