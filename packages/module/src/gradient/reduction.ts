// Gradients of reductions and of the softmax family.
import { elementCount } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { intOf } from "../graph.js";
import type { GradientRule, GradientSite } from "./site.js";

export const reductionGradients: { readonly [opType: string]: GradientRule } = {
  ReduceSum: (g, at) => [() => spread(g, at)],
  ReduceMean: (g, at) => [
    () => g.mul(spread(g, at), g.scalar(elementCount(at.y.shape) / elementCount(at.a.shape), at.a)),
  ],
  Softmax: (g, { y, dY, node }) => [() => g.mul(y, g.sub(dY, g.sum(g.mul(dY, y), [intOf(node, "axis", -1)])))],
  LogSoftmax: (g, { y, dY, node }) => [() => g.sub(dY, g.mul(g.op("Exp", [y]), g.sum(dY, [intOf(node, "axis", -1)])))],
};

/** The gradient of the reduced value, repeated over the axes that were reduced. */
function spread(g: GraphBuilder, at: GradientSite): Value {
  const { a, dY } = at;
  const rank = a.shape.length;
  const given = at.has(1) ? Array.from<number | bigint, number>(at.b.constant?.data ?? [], Number) : [];
  const none = given.length === 0 && intOf(at.node, "noop_with_empty_axes", 0) === 1;
  const axes = given.length > 0 || none ? given.map((axis) => (axis + rank) % rank) : a.shape.map((_, i) => i);
  const kept = a.shape.map((length, i) => (axes.includes(i) ? 1 : length));
  return g.op("Expand", [g.reshape(dY, kept), g.ints(a.shape)]);
}
