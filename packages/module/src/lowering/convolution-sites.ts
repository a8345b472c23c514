// Finds convolutions and the two halves of their gradients in a finished train step, as the gradient rules write them.
import { intOf, intsOf } from "../graph.js";
import type { Node } from "../graph.js";
import type { Anatomy } from "./anatomy.js";

/** Strides, dilations and pads (ONNX's order) of the forward convolution, whichever of its three sites this is. */
export interface Geometry {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** y = x * w. */
export interface ForwardSite extends Geometry {
  readonly x: string;
  readonly bias: string | undefined;
}

/** dX, from dY and w. */
export interface InputGradientSite extends Geometry {
  readonly dY: string;
}

/** dW, from x and dY. */
export interface WeightGradientSite extends Geometry {
  readonly x: string;
  /** The node that makes x with batch and channels exchanged. */
  readonly swappedX: string;
  readonly dY: string;
}

/** Only convolutions over two axes, without groups and with written pads. */
function geometryOf(node: Node): Geometry | undefined {
  const kernel = intsOf(node, "kernel_shape", undefined);
  const isPlain = intOf(node, "group", 1) === 1 && node.domain === "" && node.attributes["auto_pad"] === undefined;
  if (!isPlain || (kernel !== undefined && kernel.length !== 2)) return undefined;
  return {
    strides: intsOf(node, "strides", [1, 1]),
    dilations: intsOf(node, "dilations", [1, 1]),
    pads: intsOf(node, "pads", [0, 0, 0, 0]),
  };
}

export function forwardSite(node: Node, weight: string): ForwardSite | undefined {
  const [x, w, bias] = node.inputs;
  const geometry = node.opType === "Conv" && w === weight ? geometryOf(node) : undefined;
  return geometry === undefined || x === undefined || x === weight ? undefined : { ...geometry, x, bias };
}

export function inputGradientSite(node: Node, weight: string): InputGradientSite | undefined {
  const [dY, w] = node.inputs;
  // With a third input it is a transposed convolution of the model itself, which adds a bias.
  const fits = node.opType === "ConvTranspose" && w === weight && node.inputs.length === 2;
  const geometry = fits ? geometryOf(node) : undefined;
  return geometry === undefined || dY === undefined || dY === weight ? undefined : { ...geometry, dY };
}

/** `node` is the last of the chain: it exchanges batch and channels back. */
export function weightGradientSite(node: Node, anatomy: Anatomy): WeightGradientSite | undefined {
  if (!exchanges(node)) return undefined;
  const above = anatomy.maker(node.inputs[0] as string);
  const swapped = above?.opType === "Slice" ? anatomy.maker(above.inputs[0] as string) : above;
  if (swapped?.opType !== "Conv" || swapped.inputs.length !== 2) return undefined;
  const [left, right] = swapped.inputs.map((name) => anatomy.maker(name));
  const geometry = geometryOf(swapped);
  if (geometry === undefined || left === undefined || right === undefined) return undefined;
  if (!exchanges(left) || !exchanges(right)) return undefined;
  return {
    // In the swapped convolution each is in the other's place.
    strides: geometry.dilations,
    dilations: geometry.strides,
    pads: geometry.pads,
    x: left.inputs[0] as string,
    swappedX: left.outputs[0] as string,
    dY: right.inputs[0] as string,
  };
}

function exchanges(node: Node): boolean {
  return node.opType === "Transpose" && node.domain === "" && intsOf(node, "perm", []).join() === "1,0,2,3";
}
