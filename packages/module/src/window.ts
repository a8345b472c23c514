// The sliding window of convolutions and poolings: attributes with ONNX's defaults, and the lengths that follow.
import { FederationError } from "@perennial-fl/core";
import { describeNode, intOf, intsOf, stringOf } from "./graph.js";
import type { Node } from "./graph.js";

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Beginnings of all axes, then ends: ONNX's order. */
  readonly pads: readonly number[];
  /** Lengths of the output's spatial axes. */
  readonly out: readonly number[];
}

/** The window of a Conv or pooling node over an input of the given spatial lengths; `auto_pad` becomes explicit pads. */
export function windowOf(node: Node, spatial: readonly number[], kernel: readonly number[]): Window {
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, "strides", ones);
  const dilations = intsOf(node, "dilations", ones);
  const extent = kernel.map((length, i) => (length - 1) * (dilations[i] ?? 1) + 1);
  const pads = padsOf(node, spatial, extent, strides);
  const round = intOf(node, "ceil_mode", 0) === 1 ? Math.ceil : Math.floor;
  const out = spatial.map((length, i) => {
    const [begin, end, stride] = [pads[i] ?? 0, pads[i + spatial.length] ?? 0, strides[i] ?? 1];
    const steps = round((length + begin + end - (extent[i] ?? 1)) / stride) + 1;
    // A window that would start in the end padding is left out, as PyTorch does.
    return round === Math.ceil && (steps - 1) * stride >= length + begin ? steps - 1 : steps;
  });
  if (kernel.length !== spatial.length || out.some((length) => length < 1)) {
    throw new FederationError(
      "model/shape",
      `inferring the shape of the ${describeNode(node)}: a window of [${kernel.join(", ")}] over [${spatial.join(", ")}]`,
    );
  }
  return { kernel, strides, dilations, pads, out };
}

function padsOf(
  node: Node,
  spatial: readonly number[],
  extent: readonly number[],
  strides: readonly number[],
): readonly number[] {
  const none = [...extent, ...extent].map(() => 0);
  const mode = stringOf(node, "auto_pad", "NOTSET");
  switch (mode) {
    case "NOTSET":
      return intsOf(node, "pads", none);
    case "VALID":
      return none;
    case "SAME_UPPER":
    case "SAME_LOWER": {
      const totals = spatial.map((length, i) => {
        const stride = strides[i] ?? 1;
        return Math.max(0, (Math.ceil(length / stride) - 1) * stride + (extent[i] ?? 1) - length);
      });
      const small = totals.map((total) => Math.floor(total / 2));
      const large = totals.map((total) => Math.ceil(total / 2));
      return mode === "SAME_UPPER" ? [...small, ...large] : [...large, ...small];
    }
    default:
      throw new FederationError("model/unsupported", `reading the ${describeNode(node)}: auto_pad is ${mode}`);
  }
}

/** The `output_padding` with which a ConvTranspose of this window gives back the input's lengths. */
export function outputPadding(window: Window, spatial: readonly number[]): number[] {
  return spatial.map((length, i) => {
    const { kernel, strides, dilations, pads, out } = window;
    const extent = (dilations[i] ?? 1) * ((kernel[i] ?? 1) - 1) + 1;
    const reached = ((out[i] ?? 1) - 1) * (strides[i] ?? 1) + extent;
    return length + (pads[i] ?? 0) + (pads[i + spatial.length] ?? 0) - reached;
  });
}

/** A Pad's lengths for all axes, beginnings before ends; its file may name only some axes. */
export function padsByAxis(pads: readonly number[], axes: readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return [...pads];
  const all = new Array<number>(2 * rank).fill(0);
  axes.forEach((given, i) => {
    const axis = given < 0 ? given + rank : given;
    all[axis] = pads[i] ?? 0;
    all[axis + rank] = pads[i + axes.length] ?? 0;
  });
  return all;
}
