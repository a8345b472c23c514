// Gradients of poolings.
import { FederationError, elementCount, tensor } from "@perennial-fl/core";
import type { GraphBuilder } from "../builder.js";
import { describeNode, intOf } from "../graph.js";
import { averagedCounts, outputPadding, windowOf, withinWindow } from "../window.js";
import { fill, share } from "./site.js";
import type { Gradient, GradientRule, GradientSite } from "./site.js";

export const poolingGradients: { readonly [opType: string]: GradientRule } = {
  AveragePool: averagePool,
  GlobalAveragePool: (g, { a, dY }) => [
    () => g.op("Expand", [g.mul(dY, g.scalar(1 / elementCount(a.shape.slice(2)), a)), g.ints(a.shape)]),
  ],
  GlobalMaxPool: (g, { a, y, dY }) => [
    () => {
      const won = share(g, a, y);
      return g.mul(
        dY,
        g.div(
          won,
          g.sum(
            won,
            a.shape.slice(2).map((_, i) => i + 2),
          ),
        ),
      );
    },
  ],
  MaxPool: maxPool,
};

/** The elements that won, by the node's second output: flat indices into the whole input. */
function maxPool(g: GraphBuilder, at: GradientSite): readonly Gradient[] {
  const { a, dY, node } = at;
  if (intOf(node, "storage_order", 0) !== 0) {
    throw new FederationError(
      "model/unsupported",
      `differentiating the ${describeNode(node)}: storage_order is column-major`,
    );
  }
  const count = elementCount(a.shape);
  return [
    () => {
      const flat = { ...a, shape: [count] };
      const indices = g.reshape(at.output(1), [elementCount(dY.shape)]);
      // Windows may overlap, and then one element wins several times: add.
      const inputs = [fill(g, 0, flat), indices, g.reshape(dY, [elementCount(dY.shape)])];
      return g.reshape(g.op("ScatterElements", inputs, { axis: 0, reduction: "add" }), a.shape);
    },
  ];
}

/** Every element of a window gets an equal share: a transposed convolution with ones, channel by channel. */
function averagePool(g: GraphBuilder, { a, dY, node }: GradientSite): readonly Gradient[] {
  const [channels, ...spatial] = a.shape.slice(1) as [number, ...number[]];
  const kernel = (node.attributes["kernel_shape"] as { value: readonly bigint[] }).value.map(Number);
  const window = windowOf(node, spatial, kernel);
  if (a.dtype !== "float32") {
    throw new FederationError("model/unsupported", `differentiating the ${describeNode(node)}: ${a.dtype}`);
  }
  return [
    () => {
      const ones = g.constant(
        tensor("float32", [channels, 1, ...kernel], new Float32Array(channels * elementCount(kernel)).fill(1)),
      );
      const counts = averagedCounts(window, spatial, intOf(node, "count_include_pad", 0) === 1);
      const share = g.div(dY, g.constant(tensor("float32", window.out, counts)));
      return g.op("ConvTranspose", [share, ones], {
        kernel_shape: kernel,
        strides: window.strides,
        pads: withinWindow(window, spatial),
        dilations: window.dilations,
        group: channels,
        output_padding: outputPadding(window, spatial).map((length) => Math.max(0, length)),
      });
    },
  ];
}
