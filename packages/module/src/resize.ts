// How a Resize of ONNX weighs the elements of an axis: one matrix per axis, since all of its modes are separable.
import { FederationError } from "@perennial-fl/core";
import { describeNode, floatOf, intOf, stringOf } from "./graph.js";
import type { Node } from "./graph.js";

type Weight = readonly [index: number, weight: number];

/** For every element of the longer or shorter axis, which elements of the input it takes, and by how much. */
export type AxisWeights = readonly (readonly Weight[])[];

export interface ResizedAxis {
  readonly length: number;
  readonly out: number;
  readonly scale: number;
  /** The part of the axis that `tf_crop_and_resize` takes, from 0 to 1. */
  readonly region: readonly [start: number, end: number];
}

/** The weights of an axis (ONNX, Resize). Throws `model/unsupported` for a mode that it does not have. */
export function resizeWeights(node: Node, axis: ResizedAxis): AxisWeights {
  const mode = stringOf(node, "mode", "nearest");
  const { length, out, scale } = axis;
  const coordinate = coordinateOf(node, axis);
  const kernel = kernelOf(node, mode);
  const crops = stringOf(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
  const smooth = intOf(node, "antialias", 0) === 1 && scale < 1;
  const nearest = rounding(stringOf(node, "nearest_mode", "round_prefer_floor"));
  return Array.from({ length: out }, (_, i) => {
    const at = coordinate(i);
    // What lies outside the image is a constant.
    if (crops && (at < 0 || at > length - 1)) return [];
    if (kernel === undefined) return [[clamped(nearest(at), length), 1]];
    // Going down, a filter as wide as the step takes every element in.
    const stretch = smooth ? scale : 1;
    const excluded = intOf(node, "exclude_outside", 0) === 1;
    return taps(at, length, { reach: kernel.reach / stretch, weight: (x) => kernel.weight(x * stretch), excluded });
  });
}

interface Filter {
  readonly reach: number;
  /** By the distance from the middle. */
  readonly weight: (distance: number) => number;
  /** Whether elements beyond the ends count for nothing, and the others for more; elsewhere the ends are repeated. */
  readonly excluded: boolean;
}

function taps(at: number, length: number, { reach, weight, excluded }: Filter): readonly Weight[] {
  const first = Math.ceil(at - reach);
  const count = Math.floor(at + reach) - first + 1;
  const all = Array.from({ length: count }, (_, k): Weight => [first + k, weight(first + k - at)]);
  const counted = excluded ? all.filter(([index]) => index >= 0 && index < length) : all;
  const sum = counted.reduce((total, [, share]) => total + share, 0);
  return counted.map(([index, share]) => [clamped(index, length), share / sum]);
}

function kernelOf(node: Node, mode: string): Omit<Filter, "excluded"> | undefined {
  switch (mode) {
    case "nearest":
      return undefined;
    case "linear":
      return { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };
    case "cubic":
      return { reach: 2, weight: cubic(floatOf(node, "cubic_coeff_a", -0.75)) };
    default:
      return unknown(node, mode);
  }
}

/** Keys 1981. */
function cubic(a: number): (x: number) => number {
  return (distance) => {
    const x = Math.abs(distance);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
  };
}

function coordinateOf(node: Node, { length, out, scale, region }: ResizedAxis): (index: number) => number {
  const half = (index: number): number => (index + 0.5) / scale - 0.5;
  const mode = stringOf(node, "coordinate_transformation_mode", "half_pixel");
  switch (mode) {
    case "half_pixel":
      return half;
    case "half_pixel_symmetric": {
      // What rounding took off the length is taken off both ends.
      const adjustment = out / (scale * length);
      const offset = (length / 2) * (1 - adjustment);
      return (index) => offset + half(index);
    }
    case "pytorch_half_pixel":
      return out > 1 ? half : () => 0;
    case "tf_half_pixel_for_nn":
      return (index) => (index + 0.5) / scale;
    case "asymmetric":
      return (index) => index / scale;
    case "align_corners":
      return (index) => (out === 1 ? 0 : (index * (length - 1)) / (out - 1));
    case "tf_crop_and_resize": {
      const [start, end] = region.map((edge) => edge * (length - 1)) as [number, number];
      return (index) => (out > 1 ? start + (index * (end - start)) / (out - 1) : (start + end) / 2);
    }
    default:
      return unknown(node, mode);
  }
}

function clamped(index: number, length: number): number {
  return Math.min(Math.max(index, 0), length - 1);
}

function unknown(node: Node, mode: string): never {
  throw new FederationError("model/unsupported", `differentiating the ${describeNode(node)}: mode ${mode}`);
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
