// Convolutions over channels in blocks: onnxruntime's own kernels for weights that change, which it only uses by itself for
// constant ones. The domain com.microsoft.nchwc is no promised interface: a probe has to find it, and know its block size.
import { elementCount } from "@perennial-fl/core";
import type { Graph, Node } from "../graph.js";
import type { Anatomy } from "./anatomy.js";
import { inputGradient, planInputGradient } from "./blocked-input-gradient.js";
import { blocked, nchwc, unblocked } from "./blocks.js";
import type { Place, WeightShape } from "./blocks.js";
import { forwardSite, inputGradientSite, weightGradientSite } from "./convolution-sites.js";
import type { ForwardSite, Geometry, WeightGradientSite } from "./convolution-sites.js";
import type { Emission } from "./emission.js";
import type { Layout } from "./layout.js";
import type { Formulation, Replacement, Surroundings } from "./weight-layouts.js";

/** Every convolution whose lengths fit blocks of so many channels. */
export function blockedConvolutions(block: number): Formulation {
  return {
    layout: (shape) => (fits(shape, block) ? weightLayout(shape, block) : undefined),
    replacement: (node, at) => replacementOf(node, at, block),
  };
}

function fits([filters, channels]: WeightShape, block: number): boolean {
  return filters % block === 0 && (channels % block === 0 || channels < block);
}

/** [M/block, C/block, taps, channels of the block, filters of the block]; with fewer channels than a block they are not split. */
function weightLayout([filters, channels, height, width]: WeightShape, block: number): Layout {
  const taps = height * width;
  return channels < block
    ? { split: [filters / block, block, channels, taps], order: [0, 2, 3, 1] }
    : { split: [filters / block, block, channels / block, block, taps], order: [0, 2, 4, 3, 1] };
}

/** How a node that meets `value`, which lies like the weights, is replaced, if it is one of the three sites. */
function replacementOf(
  node: Node,
  { weight, shape, value, graph, anatomy }: Surroundings,
  block: number,
): { readonly replace: Replacement; readonly also?: Node } | undefined {
  const output = node.outputs[0] as string;
  const place = { weight, shape, block, output };
  const forward = value === weight ? forwardSite(node, weight) : undefined;
  if (forward !== undefined) {
    const relu = onlyRelu(graph, anatomy, output);
    return {
      replace: (e) => {
        convolve(e, forward, place, relu);
      },
      ...(relu === undefined ? {} : { also: relu }),
    };
  }
  const backward = value === weight ? inputGradientSite(node, weight) : undefined;
  if (backward !== undefined) {
    const [dX, dY] = [anatomy.header(output)?.shape, anatomy.header(backward.dY)?.shape];
    if (dX === undefined || dY === undefined || shape[1] % block !== 0) return undefined;
    const phases = planInputGradient(backward, shape.slice(2), dX, dY.slice(2));
    if (phases === undefined) return undefined;
    return {
      replace: (e) => {
        inputGradient(e, backward, phases, place);
      },
    };
  }
  const gradient = value === output ? weightGradientSite(node, anatomy) : undefined;
  if (gradient === undefined) return undefined;
  const [batch, , ...spatial] = anatomy.header(gradient.x)?.shape ?? [];
  const last = anatomy.header(gradient.dY)?.shape.slice(2);
  if (batch === undefined || last === undefined || (batch % block !== 0 && batch > block)) return undefined;
  return {
    replace: (e) => {
      weightGradient(e, gradient, { batch, spatial, last }, place);
    },
  };
}

function convolve(e: Emission, { x, bias, ...geometry }: ForwardSite, place: Place, relu: Node | undefined): void {
  const { weight, shape, block, output } = place;
  const [filters, channels, ...kernel] = shape;
  const input = channels < block ? x : blocked(e, x);
  const inputs = [input, weight, ...(bias === undefined ? [] : [bias])];
  const activation = relu === undefined ? {} : { activation: "Relu" };
  const y = e.op("Conv", inputs, { kernel_shape: kernel, ...windowAttributes(geometry), ...activation }, nchwc);
  unblocked(e, y, filters, relu?.outputs[0] ?? output);
}

/** The activation that is the only reader of a convolution: the kernel does it on the way. */
function onlyRelu(graph: Graph, anatomy: Anatomy, output: string): Node | undefined {
  const [reader, ...others] = anatomy.readers(output);
  const isOnly = others.length === 0 && graph.outputs.every(({ name }) => name !== output);
  return isOnly && reader?.opType === "Relu" && reader.domain === "" ? reader : undefined;
}

function windowAttributes({ strides, dilations, pads }: Geometry) {
  return { strides, dilations, pads, group: 1 };
}

interface Lengths {
  readonly batch: number;
  /** Of x. */
  readonly spatial: readonly number[];
  /** Of dY. */
  readonly last: readonly number[];
}

/** dW = x * dY over batch and positions: the batch takes the place of the channels, and dY that of the weights. */
function weightGradient(
  e: Emission,
  { swappedX, dY, strides, dilations, pads }: WeightGradientSite,
  { batch, spatial, last }: Lengths,
  { shape, block, output }: Place,
): void {
  const [filters, channels, ...kernel] = shape;
  const [rows, positions, taps] = [filters / block, elementCount(last), elementCount(kernel)];
  // Where the stride does not divide evenly, this is longer than the kernel.
  const reached = spatial.map((length, axis) => {
    const [begin, end] = [pads[axis] as number, pads[axis + 2] as number];
    const extent = ((last[axis] as number) - 1) * (strides[axis] as number) + 1;
    return Math.floor((length + begin + end - extent) / (dilations[axis] as number)) + 1;
  });
  // Padded beforehand: the kernel is twice as fast without pads of its own.
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const padded = e.op("Pad", [swappedX, e.ints([0, 0, top, left, 0, 0, bottom, right])]);
  const images = batch < block ? padded : e.op("ReorderInput", [padded], {}, nchwc);
  const inner = batch < block ? [batch] : [batch / block, block];
  const split = e.op("Reshape", [blocked(e, dY), e.ints([...inner, rows, positions, block])]);
  const order = batch < block ? [1, 0, 2, 3] : [2, 0, 3, 1, 4];
  const turned = e.op("Transpose", [split], { perm: order });
  const asWeights = e.op("Reshape", [turned, e.ints([filters, batch, ...last])]);
  const attributes = windowAttributes({ strides: dilations, dilations: strides, pads: [0, 0, 0, 0] });
  const swapped = e.op("Conv", [images, asWeights], { kernel_shape: last, ...attributes }, nchwc);
  const parts = e.op("Reshape", [swapped, e.ints([channels, rows, ...reached, block])]);
  const longer = reached.some((length, axis) => length !== kernel[axis]);
  const cut = longer ? e.op("Slice", [parts, e.ints([0, 0]), e.ints(kernel), e.ints([2, 3])]) : parts;
  // Channels become the second axis of the blocks, or the second of all where they are fewer than a block.
  const sorted = channels < block ? [channels, rows, taps * block] : [channels / block, block, rows, taps, block];
  const perm = channels < block ? [1, 0, 2] : [2, 0, 3, 1, 4];
  const back = e.op("Transpose", [e.op("Reshape", [cut, e.ints(sorted)])], { perm });
  e.op("Reshape", [back, e.ints(shape)], {}, { output });
}
