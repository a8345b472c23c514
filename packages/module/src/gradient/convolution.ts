// The gradient of a convolution: of its input by a transposed convolution, of its weights by one with batch and channels exchanged.
import type { GraphBuilder, Value } from "../builder.js";
import { intOf } from "../graph.js";
import { outputPadding, windowOf } from "../window.js";
import type { Window } from "../window.js";
import { fill } from "./site.js";
import type { Gradient, GradientRule, GradientSite } from "./site.js";

export const convolutionGradients: { readonly [opType: string]: GradientRule } = {
  Conv: conv,
  ConvTranspose: convTranspose,
};

function conv(g: GraphBuilder, { a, b, dY, node }: GradientSite): readonly Gradient[] {
  const group = intOf(node, "group", 1);
  const spatial = a.shape.slice(2);
  const window = windowOf(node, spatial, b.shape.slice(2));
  const { kernel, strides, pads, dilations } = window;
  return [
    () =>
      g.op("ConvTranspose", [dY, b], {
        kernel_shape: kernel,
        strides,
        pads,
        dilations,
        group,
        // Without it the result is too short wherever the stride does not divide evenly.
        output_padding: outputPadding(window, spatial),
      }),
    () => weightGradient(g, a, dY, b, window, group),
    () => g.reshape(g.sum(dY, [0, ...spatial.map((_, i) => i + 2)]), [b.shape[0] as number]),
  ];
}

/** The other way round: what a convolution does to X, a transposed one does to dY. */
function convTranspose(g: GraphBuilder, { a, b, dY, node }: GradientSite): readonly Gradient[] {
  const group = intOf(node, "group", 1);
  const window = windowOf(node, dY.shape.slice(2), b.shape.slice(2));
  const { kernel, strides, pads, dilations } = window;
  return [
    () => g.op("Conv", [dY, b], { kernel_shape: kernel, strides, pads, dilations, group }),
    () => weightGradient(g, dY, a, b, window, group),
    () => g.reshape(g.sum(dY, [0, ...kernel.map((_, i) => i + 2)]), [dY.shape[1] as number]),
  ];
}

/**
 * dW sums over batch and output positions: a convolution over X with dY as its kernel, in which the strides become
 * dilations and the dilations strides. Where the stride does not divide evenly it is longer than the kernel, and cut.
 */
function weightGradient(g: GraphBuilder, x: Value, dY: Value, w: Value, window: Window, group: number): Value {
  const { kernel, strides, pads, dilations } = window;
  // A kernel that has nothing to sum over leaves its output as it found it.
  if (x.shape[0] === 0) return fill(g, 0, w);
  const swapped = g.op("Conv", [batchAsChannels(g, x, group), swapFirst(g, dY)], {
    kernel_shape: window.out,
    strides: dilations,
    dilations: strides,
    pads,
    group,
  });
  const longer = swapped.shape.slice(2).some((length, i) => length !== kernel[i]);
  const axes = kernel.map((_, i) => i + 2);
  const cut = longer ? g.op("Slice", [swapped, g.ints(axes.map(() => 0)), g.ints(kernel), g.ints(axes)]) : swapped;
  return g.reshape(swapFirst(g, cut), w.shape);
}

/** [N, G*C, ...] to [C, G*N, ...]. */
function batchAsChannels(g: GraphBuilder, x: Value, group: number): Value {
  if (group === 1) return swapFirst(g, x);
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  const split = g.reshape(x, [batch, group, channels / group, ...spatial]);
  const turned = g.op("Transpose", [split], { perm: [2, 1, 0, ...spatial.map((_, i) => i + 3)] });
  return g.reshape(turned, [channels / group, group * batch, ...spatial]);
}

function swapFirst(g: GraphBuilder, value: Value): Value {
  return g.op("Transpose", [value], { perm: [1, 0, ...value.shape.slice(2).map((_, i) => i + 2)] });
}
