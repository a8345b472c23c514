// The shape of every operator's outputs, one row per operator; the families are in the files next to this one.
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import { describeNode } from "../graph.js";
import type { Node } from "../graph.js";
import { arrangementShapes } from "./arrangement.js";
import { einsumShapes } from "./einsum.js";
import { elementwiseShapes } from "./elementwise.js";
import { matrixShapes } from "./matrix.js";
import { recurrentShapes } from "./recurrent.js";
import { resizeShapes } from "./resize.js";
import { ShapeSite } from "./site.js";
import type { ShapeRule } from "./site.js";
import { windowShapes } from "./window.js";

/** Shape rules under ONNX's operator names. */
export const shapeRules: { readonly [opType: string]: ShapeRule } = {
  ...elementwiseShapes,
  ...matrixShapes,
  ...einsumShapes,
  ...arrangementShapes,
  ...windowShapes,
  ...resizeShapes,
  ...recurrentShapes,
};

/** Headers of the node's outputs. Throws `model/unsupported` for an operator without a rule. */
export function inferShapes(node: Node, inputs: readonly (Value | undefined)[]): readonly TensorHeader[] {
  const rule = node.domain === "" && Object.hasOwn(shapeRules, node.opType) ? shapeRules[node.opType] : undefined;
  if (rule === undefined) {
    throw new FederationError(
      "model/unsupported",
      `reading a graph: the ${describeNode(node)} is an operator that is not supported`,
    );
  }
  const headers = rule(new ShapeSite(node, inputs));
  return isList(headers) ? headers.slice(0, node.outputs.length) : [headers];
}

function isList(headers: TensorHeader | readonly TensorHeader[]): headers is readonly TensorHeader[] {
  return Array.isArray(headers);
}
