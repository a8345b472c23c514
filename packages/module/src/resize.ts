// How a Resize of ONNX weighs the elements of an axis: one matrix per axis, since all of its modes are separable.
import { FederationError } from "@perennial-fl/core";
import { describeNode, intOf, stringOf } from "./graph.js";
import type { Node } from "./graph.js";

/** For every element of the longer or shorter axis, which elements of the input it takes, and by how much. */
export type AxisWeights = readonly (readonly (readonly [index: number, weight: number])[])[];

/** The weights of an axis. Throws `model/unsupported` for modes that are not nearest or linear. */
export function resizeWeights(node: Node, length: number, out: number, scale: number): AxisWeights {
  const mode = stringOf(node, "mode", "nearest");
  const antialias = intOf(node, "antialias", 0) === 1;
  const coordinate = coordinateOf(node, length, out, scale);
  if (coordinate === undefined || antialias || (mode !== "nearest" && mode !== "linear")) {
    const given = `${mode}, ${stringOf(node, "coordinate_transformation_mode", "half_pixel")}${antialias ? ", antialias" : ""}`;
    throw new FederationError("model/unsupported", `differentiating the ${describeNode(node)}: ${given}`);
  }
  const clamp = (index: number): number => Math.min(Math.max(index, 0), length - 1);
  const nearest = rounding(stringOf(node, "nearest_mode", "round_prefer_floor"));
  return Array.from({ length: out }, (_, i) => {
    if (mode === "nearest") return [[clamp(nearest(coordinate(i))), 1]];
    const at = clamp(coordinate(i));
    const low = Math.floor(at);
    return [
      [low, 1 - (at - low)],
      [clamp(low + 1), at - low],
    ];
  });
}

function coordinateOf(node: Node, length: number, out: number, scale: number): ((index: number) => number) | undefined {
  const half = (index: number): number => (index + 0.5) / scale - 0.5;
  switch (stringOf(node, "coordinate_transformation_mode", "half_pixel")) {
    case "half_pixel":
      return half;
    case "pytorch_half_pixel":
      return out > 1 ? half : () => 0;
    case "asymmetric":
      return (index) => index / scale;
    case "align_corners":
      return (index) => (out === 1 ? 0 : (index * (length - 1)) / (out - 1));
    default:
      return undefined;
  }
}

function rounding(mode: string): (x: number) => number {
  switch (mode) {
    case "floor":
      return Math.floor;
    case "ceil":
      return Math.ceil;
    case "round_prefer_ceil":
      return (x) => Math.floor(x + 0.5);
    default:
      return (x) => Math.ceil(x - 0.5);
  }
}
