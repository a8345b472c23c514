// Gradients of operators that pick parts of a tensor: what was picked gets its gradient, the rest gets zeros.
import { FederationError, elementCount } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { sliceIndices } from "../fold.js";
import { describeNode, intOf, stringOf } from "../graph.js";
import type { Node } from "../graph.js";
import { padsByAxis } from "../window.js";
import { constantInts, fill } from "./site.js";
import type { GradientRule, GradientSite } from "./site.js";

export const selectionGradients: { readonly [opType: string]: GradientRule } = {
  Gather: (g, { a, b, dY, node }) => {
    const axis = (intOf(node, "axis", 0) + a.shape.length) % a.shape.length;
    return [() => scatter(g, dY, b, a, axis)];
  },
  GatherElements: (g, { a, b, dY, node }) => [
    () => g.op("ScatterElements", [fill(g, 0, a), b, dY], { axis: intOf(node, "axis", 0), reduction: "add" }),
  ],
  GatherND: (g, { a, b, dY, node }) => {
    requireNone(node, "batch_dims", intOf(node, "batch_dims", 0) === 0);
    return [() => g.op("ScatterND", [fill(g, 0, a), b, dY], { reduction: "add" })];
  },
  ScatterElements: (g, { b, c, dY, node }) => {
    const reduction = reductionOf(node);
    const axis = intOf(node, "axis", 0);
    return [
      () => (reduction === "add" ? dY : g.op("ScatterElements", [dY, b, fill(g, 0, c)], { axis })),
      undefined,
      () => g.op("GatherElements", [dY, b], { axis }),
    ];
  },
  ScatterND: (g, { b, c, dY, node }) => {
    const reduction = reductionOf(node);
    return [
      () => (reduction === "add" ? dY : g.op("ScatterND", [dY, b, fill(g, 0, c)])),
      undefined,
      () => g.op("GatherND", [dY, b]),
    ];
  },
  /** Its second output says which elements it took. */
  TopK: (g, at) => [
    () => {
      const inputs = [fill(g, 0, at.a), at.output(1), at.dY];
      return g.op("ScatterElements", inputs, { axis: intOf(at.node, "axis", -1), reduction: "add" });
    },
  ],
  Pad: (g, at) => [() => pad(g, at)],
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

function reductionOf(node: Node): string {
  const reduction = stringOf(node, "reduction", "none");
  requireNone(node, "reduction", reduction === "none" || reduction === "add");
  return reduction;
}

function requireNone(node: Node, attribute: string, holds: boolean): void {
  if (holds) return;
  throw new FederationError(
    "model/unsupported",
    `differentiating the ${describeNode(node)}: no gradient with this ${attribute}`,
  );
}

/** Padding that was added is cut off, or added to what it repeats; what was cut off gets zeros. */
function pad(g: GraphBuilder, at: GradientSite): Value {
  const { a, dY, node } = at;
  const mode = stringOf(node, "mode", "constant");
  const pads = padsByAxis(constantInts(at.b), at.has(3) ? constantInts(at.input(3)) : undefined, a.shape.length);
  if (mode === "constant") return g.op("Pad", [dY, g.ints(pads.map((length) => (length === 0 ? 0 : -length)))]);
  return a.shape.reduce((gradient, length, axis) => {
    const [before, after] = [pads[axis] as number, pads[axis + a.shape.length] as number];
    if (before === 0 && after === 0) return gradient;
    const sources = Array.from({ length: before + length + after }, (_, i) => padSource(mode, i - before, length));
    return scatter(g, gradient, g.ints(sources), { ...a, shape: gradient.shape.with(axis, length) }, axis);
  }, dY);
}

/** The element of an axis that an element of its padding repeats. */
function padSource(mode: string, index: number, length: number): number {
  const around = (period: number): number => ((index % period) + period) % period;
  if (mode === "edge") return Math.min(Math.max(index, 0), length - 1);
  if (mode === "wrap" || length === 1) return around(length);
  const at = around(2 * (length - 1));
  return at < length ? at : 2 * (length - 1) - at;
}

function slice(g: GraphBuilder, at: GradientSite): Value {
  const { a } = at;
  const constants = (index: number): number[] => constantInts(at.input(index));
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
