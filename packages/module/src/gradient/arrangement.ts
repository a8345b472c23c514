// Gradients of operators that rearrange or select: the gradient goes back to where each element came from.
import type { GraphBuilder, Value } from "../builder.js";
import { intOf, intsOf } from "../graph.js";
import { constantInts } from "./site.js";
import type { Gradient, GradientRule, GradientSite } from "./site.js";

const reshaped: GradientRule = (g, { a, dY }) => [() => g.reshape(dY, a.shape)];

export const arrangementGradients: { readonly [opType: string]: GradientRule } = {
  Reshape: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Concat: concat,
  Tile: (g, { a, b, dY }) => [
    () => {
      const repeats = constantInts(b);
      const folded = a.shape.flatMap((length, i) => [repeats[i] ?? 1, length]);
      return g.reshape(
        g.sum(
          g.reshape(dY, folded),
          a.shape.map((_, i) => 2 * i),
        ),
        a.shape,
      );
    },
  ],
  Trilu: (g, at) => [() => g.op("Trilu", [at.dY, ...(at.has(1) ? [at.b] : [])], { upper: intOf(at.node, "upper", 1) })],
  Expand: (_, { dY }) => [() => dY],
  Transpose: (g, { a, dY, node }) => {
    const order = intsOf(
      node,
      "perm",
      a.shape.map((_, i) => a.shape.length - 1 - i),
    );
    return [() => g.op("Transpose", [dY], { perm: order.map((_, i) => order.indexOf(i)) })];
  },
};

function concat(g: GraphBuilder, at: GradientSite): readonly Gradient[] {
  const rank = at.y.shape.length;
  const axis = (intOf(at.node, "axis", 0) + rank) % rank;
  let start = 0;
  return Array.from({ length: at.count }, (_, i) => {
    const from = start;
    start += at.input(i).shape[axis] as number;
    const to = start;
    return (): Value => g.op("Slice", [at.dY, g.ints([from]), g.ints([to]), g.ints([axis])]);
  });
}
