// Convolutions and poolings that opset 18 or the gradient rules do not know, as ones that they do.
import { elementCount, tensor } from "@perennial-fl/core";
import { intOf, intsOf } from "../graph.js";
import { averagedCounts, transposedWindow, windowOf, withinWindow } from "../window.js";
import type { Decomposition } from "./decomposition.js";

export const windowDecompositions: { readonly [opType: string]: Decomposition } = {
  /** With holes between its elements (opset 19) a pooling is a convolution of every channel with ones, divided. */
  AveragePool: (g, node, [x]) => {
    const kernel = intsOf(node, "kernel_shape", []);
    if (x === undefined || intsOf(node, "dilations", []).every((length) => length === 1)) return undefined;
    const spatial = x.shape.slice(2);
    const window = windowOf(node, spatial, kernel);
    const channels = x.shape[1] as number;
    const { strides, dilations } = window;
    const ones = new Float32Array(channels * elementCount(kernel)).fill(1);
    const sums = g.op("Conv", [x, g.constant(tensor("float32", [channels, 1, ...kernel], ones))], {
      kernel_shape: kernel,
      strides,
      dilations,
      pads: withinWindow(window, spatial),
      group: channels,
    });
    const counts = averagedCounts(window, spatial, intOf(node, "count_include_pad", 0) === 1);
    return [g.div(sums, g.constant(tensor("float32", window.out, counts)))];
  },
  /** `auto_pad` and `output_shape` become the pads that they stand for. */
  ConvTranspose: (g, node, inputs) => {
    const [x, weights] = inputs;
    const attributes = node.attributes;
    if (x === undefined || weights === undefined || !("auto_pad" in attributes || "output_shape" in attributes)) {
      return undefined;
    }
    const kernel = weights.shape.slice(2);
    const { strides, dilations, pads, extra } = transposedWindow(node, x.shape.slice(2), kernel);
    const group = intOf(node, "group", 1);
    const explicit = { kernel_shape: kernel, strides, dilations, pads, output_padding: extra, group };
    return [g.op("ConvTranspose", inputs, explicit)];
  },
};
