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

/** The pads with which the last windows, which `ceil_mode` lets reach past the end, lie within. */
export function withinWindow(window: Window, spatial: readonly number[]): number[] {
  const extra = outputPadding(window, spatial);
  return window.pads.map((length, i) =>
    i < extra.length ? length : length - Math.min(0, extra[i - extra.length] ?? 0),
  );
}

/** How many elements each window of an average divides by: those of the input, and of the given padding if it counts. */
export function averagedCounts(window: Window, spatial: readonly number[], padded: boolean): Float32Array {
  const { kernel, strides, dilations, pads, out } = window;
  const perAxis = spatial.map((length, axis) => {
    const [before, after] = padded ? [pads[axis] ?? 0, pads[axis + spatial.length] ?? 0] : [0, 0];
    return Array.from({ length: out[axis] as number }, (_, at) => {
      const first = at * (strides[axis] as number) - (pads[axis] as number);
      const reached = Array.from(
        { length: kernel[axis] as number },
        (__, k) => first + k * (dilations[axis] as number),
      );
      return reached.filter((index) => index >= -before && index < length + after).length;
    });
  });
  return Float32Array.from(perAxis.reduce((outer, inner) => outer.flatMap((x) => inner.map((y) => x * y)), [1]));
}

/** The window of a transposed convolution; its pads take `auto_pad` and `output_shape` in (ONNX, ConvTranspose). */
export function transposedWindow(
  node: Node,
  spatial: readonly number[],
  kernel: readonly number[],
): Window & { readonly extra: readonly number[] } {
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, "strides", ones);
  const dilations = intsOf(node, "dilations", ones);
  const given = intsOf(
    node,
    "output_padding",
    ones.map(() => 0),
  );
  const mode = stringOf(node, "auto_pad", "NOTSET");
  const same = mode.startsWith("SAME") ? spatial.map((length, i) => length * (strides[i] ?? 1)) : undefined;
  const wanted = intsOf(node, "output_shape", undefined)?.slice(-kernel.length) ?? same;
  const whole = spatial.map((length, i) => {
    const extent = ((kernel[i] ?? 1) - 1) * (dilations[i] ?? 1) + 1;
    return (strides[i] ?? 1) * (length - 1) + (given[i] ?? 0) + extent;
  });
  if (wanted === undefined) {
    const none = [...ones, ...ones].map(() => 0);
    const pads = mode === "VALID" ? none : intsOf(node, "pads", none);
    const out = whole.map((length, i) => length - (pads[i] ?? 0) - (pads[i + kernel.length] ?? 0));
    return { kernel, strides, dilations, pads, out, extra: given };
  }
  // What is too long is cut from both ends; what is too short grows at the end.
  const totals = whole.map((length, i) => Math.max(0, length - (wanted[i] ?? 0)));
  const [small, large] = [totals.map((total) => Math.floor(total / 2)), totals.map((total) => Math.ceil(total / 2))];
  const pads = mode === "SAME_UPPER" ? [...small, ...large] : [...large, ...small];
  const extra = whole.map((length, i) => (given[i] ?? 0) + Math.max(0, (wanted[i] ?? 0) - length));
  return { kernel, strides, dilations, pads, out: wanted, extra };
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
