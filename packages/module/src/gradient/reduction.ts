// Gradients of reductions and of the softmax family.
import { elementCount } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { intOf } from "../graph.js";
import { constantInts, share } from "./site.js";
import type { Gradient, GradientRule, GradientSite } from "./site.js";

export const reductionGradients: { readonly [opType: string]: GradientRule } = {
  ReduceSum: (g, at) => [() => spread(g, at)],
  ReduceMean: (g, at) => [
    () => g.mul(spread(g, at), g.scalar(elementCount(at.y.shape) / elementCount(at.a.shape), at.a)),
  ],
  ReduceMax: extreme,
  ReduceMin: extreme,
  ReduceL1: (g, at) => [() => g.mul(spread(g, at), g.op("Sign", [at.a]))],
  /** 0 where all is 0, as in PyTorch. */
  ReduceL2: (g, at) => [
    () => {
      const none = g.op("Equal", [at.y, g.scalar(0, at.y)]);
      return g.mul(spread(g, at), g.div(at.a, spread(g, at, g.op("Where", [none, g.scalar(1, at.y), at.y]))));
    },
  ],
  ReduceSumSquare: (g, at) => [() => g.mul(spread(g, at), g.mul(at.a, g.scalar(2, at.a)))],
  ReduceLogSumExp: (g, at) => [() => g.mul(spread(g, at), g.op("Exp", [g.sub(at.a, spread(g, at, at.y))]))],
  CumSum: (g, { b, dY, node }) => [
    () => g.op("CumSum", [dY, b], { exclusive: intOf(node, "exclusive", 0), reverse: 1 - intOf(node, "reverse", 0) }),
  ],
  Softmax: (g, { y, dY, node }) => [() => g.mul(y, g.sub(dY, g.sum(g.mul(dY, y), [intOf(node, "axis", -1)])))],
  LogSoftmax: (g, { y, dY, node }) => [() => g.sub(dY, g.mul(g.op("Exp", [y]), g.sum(dY, [intOf(node, "axis", -1)])))],
};

/** Elements that tie share the gradient, as in PyTorch's `amax`. */
function extreme(g: GraphBuilder, at: GradientSite): readonly Gradient[] {
  return [
    () => {
      const won = share(g, at.a, spread(g, at, at.y));
      return g.mul(spread(g, at), g.div(won, g.sum(won, reducedAxes(at))));
    },
  ];
}

/** What belongs to the reduced value, its gradient unless said otherwise, repeated over the axes that were reduced. */
function spread(g: GraphBuilder, at: GradientSite, value = at.dY): Value {
  const axes = reducedAxes(at);
  const kept = at.a.shape.map((length, i) => (axes.includes(i) ? 1 : length));
  return g.op("Expand", [g.reshape(value, kept), g.ints(at.a.shape)]);
}

function reducedAxes(at: GradientSite): number[] {
  const rank = at.a.shape.length;
  const given = at.has(1) ? constantInts(at.b) : [];
  const none = given.length === 0 && intOf(at.node, "noop_with_empty_axes", 0) === 1;
  return given.length > 0 || none ? given.map((axis) => (axis + rank) % rank) : at.a.shape.map((_, i) => i);
}
