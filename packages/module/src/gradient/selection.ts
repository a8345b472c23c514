// Gradients of operators that pick parts of a tensor: what was picked gets its gradient, the rest gets zeros.
import { elementCount } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { sliceIndices } from "../fold.js";
import { intOf } from "../graph.js";
import { fill } from "./site.js";
import type { GradientRule, GradientSite } from "./site.js";

export const selectionGradients: { readonly [opType: string]: GradientRule } = {
  Gather: (g, { a, b, dY, node }) => {
    const axis = (intOf(node, "axis", 0) + a.shape.length) % a.shape.length;
    return [() => scatter(g, dY, b, a, axis)];
  },
  Slice: (g, at) => [() => slice(g, at)],
  Split: (g, at) => [
    (): Value => {
      const parts = at.node.outputs.map((_, i) => at.gradient(i));
      return g.op("Concat", parts, { axis: intOf(at.node, "axis", 0) });
    },
  ],
};

/** Adds `parts`, whose axes from `axis` on are those of `indices`, into zeros of the shape of `whole`. */
function scatter(g: GraphBuilder, parts: Value, indices: Value, whole: Value, axis: number): Value {
  const rank = parts.shape.length;
  const picked = indices.shape.length;
  const order = parts.shape.map((_, i) => i);
  // ScatterND picks along the first axis, so that axis comes first and goes back at the end.
  const front = g.op("Transpose", [parts], {
    perm: [...order.slice(axis, axis + picked), ...order.slice(0, axis), ...order.slice(axis + picked)],
  });
  const others = whole.shape.toSpliced(axis, 1);
  const rows = g.reshape(front, [elementCount(indices.shape), ...others]);
  const zeros = fill(g, 0, { ...whole, shape: [whole.shape[axis] as number, ...others] });
  const at = g.reshape(indices, [elementCount(indices.shape), 1]);
  const added = g.op("ScatterND", [zeros, at, rows], { reduction: "add" });
  const back = Array.from({ length: rank - picked + 1 }, (_, i) => (i < axis ? i + 1 : i === axis ? 0 : i));
  return g.op("Transpose", [added], { perm: back });
}

function slice(g: GraphBuilder, at: GradientSite): Value {
  const { a } = at;
  const constants = (index: number): number[] =>
    Array.from<number | bigint, number>(at.input(index).constant?.data ?? [], Number);
  const [starts, ends] = [constants(1), constants(2)];
  const axes = at.has(3) ? constants(3) : starts.map((_, i) => i);
  const steps = at.has(4) ? constants(4) : starts.map(() => 1);
  return axes.reduce((gradient, given, i) => {
    const axis = (given + a.shape.length) % a.shape.length;
    const length = a.shape[axis] as number;
    const indices = sliceIndices(length, starts[i] as number, ends[i] as number, steps[i] as number);
    const whole = { ...a, shape: gradient.shape.with(axis, length) };
    return scatter(g, gradient, g.ints(indices), whole, axis);
  }, at.dY);
}
