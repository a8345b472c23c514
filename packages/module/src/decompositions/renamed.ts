// Operators that newer opsets call otherwise, or compose of others.
import { elementCount, tensor } from "@perennial-fl/core";
import { intOf, intsOf } from "../graph.js";
import { codeOf } from "../proto/tensors.js";
import type { Decomposition } from "./decomposition.js";

/** From opset 20 on also of truths: whether any holds, or all. */
const ofTruths: Decomposition = (g, node, [x, axes]) => {
  if (x?.dtype !== "bool") return undefined;
  const reduced = g.op(node.opType, [g.op("Cast", [x], { to: codeOf("int32") }), axes], {
    keepdims: intOf(node, "keepdims", 1),
    noop_with_empty_axes: intOf(node, "noop_with_empty_axes", 0),
  });
  return [g.op("Cast", [reduced], { to: codeOf("bool") })];
};

export const renamedDecompositions: { readonly [opType: string]: Decomposition } = {
  ReduceMax: ofTruths,
  ReduceMin: ofTruths,
  ReduceLogSum: (g, node, [x, axes]) => {
    const given = intsOf(node, "axes", undefined);
    const over = given === undefined ? axes : g.ints(given);
    const options = {
      keepdims: intOf(node, "keepdims", 1),
      noop_with_empty_axes: intOf(node, "noop_with_empty_axes", 0),
    };
    return [g.op("Log", [g.op("ReduceSum", [x, over], options)])];
  },
  /** Until opset 10. */
  Scatter: (g, node, inputs) => [g.op("ScatterElements", inputs, { axis: intOf(node, "axis", 0) })],
  Size: (g, _, [x]) => [g.constant(tensor("int64", [], BigInt64Array.of(BigInt(elementCount(x?.shape ?? [])))))],
  /** Until opset 9: what Resize calls asymmetric. */
  Upsample: (g, node, [x, scales]) => {
    const { mode, scales: listed } = node.attributes;
    const all =
      listed?.type === "floats"
        ? g.constant(tensor("float32", [listed.value.length], Float32Array.from(listed.value)))
        : scales;
    const how = (value: string) => ({ type: "string", value }) as const;
    const raw = {
      ...(mode === undefined ? {} : { mode }),
      coordinate_transformation_mode: how("asymmetric"),
      nearest_mode: how("floor"),
    };
    return g.node("Resize", [x, undefined, all], { raw });
  },
};
