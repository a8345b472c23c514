// Shapes of convolutions, poolings and normalisations over [batch, channels, ...spatial].
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { describeNode, intOf, intsOf, stringOf } from "../graph.js";
import { windowOf } from "../window.js";
import type { ShapeRule, ShapeSite } from "./site.js";

export const windowShapes: { readonly [opType: string]: ShapeRule } = {
  AveragePool: pool,
  BatchNormalization: ({ a, b }) => {
    const statistics: TensorHeader = { dtype: b.dtype, shape: b.shape };
    return [{ dtype: a.dtype, shape: a.shape }, statistics, statistics];
  },
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: ({ a }) => ({ dtype: a.dtype, shape: a.shape.map((length, i) => (i < 2 ? length : 1)) }),
  GlobalMaxPool: ({ a }) => ({ dtype: a.dtype, shape: a.shape.map((length, i) => (i < 2 ? length : 1)) }),
  InstanceNormalization: ({ a }) => ({ dtype: a.dtype, shape: a.shape }),
  LayerNormalization: (at) => {
    const { a, node } = at;
    const axis = at.axis(intOf(node, "axis", -1), a.shape.length);
    // Single precision whatever X is: what onnxruntime has.
    const statistics: TensorHeader = { dtype: "float32", shape: a.shape.map((length, i) => (i < axis ? length : 1)) };
    return [{ dtype: a.dtype, shape: a.shape }, statistics, statistics];
  },
  MaxPool: (at) => {
    const { dtype, shape } = pool(at);
    return [
      { dtype, shape },
      { dtype: "int64", shape },
    ];
  },
};

function conv(at: ShapeSite): TensorHeader {
  const { a, b, node } = at;
  const group = intOf(node, "group", 1);
  const [batch, channels, ...spatial] = a.shape;
  const [maps, depth, ...kernel] = b.shape;
  if (
    batch === undefined ||
    channels === undefined ||
    maps === undefined ||
    channels !== (depth ?? 0) * group ||
    maps % group !== 0
  ) {
    at.fail(`weights [${b.shape.join(", ")}] in ${group} group(s) do not fit an input [${a.shape.join(", ")}]`);
  }
  return { dtype: a.dtype, shape: [batch, maps, ...windowOf(node, spatial, kernel).out] };
}

function pool(at: ShapeSite): TensorHeader {
  const [batch, channels, ...spatial] = at.a.shape;
  if (batch === undefined || channels === undefined) at.fail(`its input has ${at.a.shape.length} axes`);
  const kernel = intsOf(at.node, "kernel_shape", undefined) ?? at.fail("it has no kernel_shape");
  return { dtype: at.a.dtype, shape: [batch, channels, ...windowOf(at.node, spatial, kernel).out] };
}

/** With explicit pads and output padding. */
function convTranspose(at: ShapeSite): TensorHeader {
  const { a, b, node } = at;
  if (stringOf(node, "auto_pad", "NOTSET") !== "NOTSET" || "output_shape" in node.attributes) {
    throw new FederationError("model/unsupported", `reading the ${describeNode(node)}: auto_pad or output_shape`);
  }
  const [batch, , ...spatial] = a.shape;
  const [, depth, ...kernel] = b.shape;
  const rank = spatial.length;
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, "strides", ones);
  const dilations = intsOf(node, "dilations", ones);
  const pads = intsOf(
    node,
    "pads",
    [...ones, ...ones].map(() => 0),
  );
  const extra = intsOf(
    node,
    "output_padding",
    ones.map(() => 0),
  );
  const out = spatial.map((length, i) => {
    const extent = ((kernel[i] ?? 1) - 1) * (dilations[i] ?? 1) + 1;
    return (strides[i] ?? 1) * (length - 1) + (extra[i] ?? 0) + extent - (pads[i] ?? 0) - (pads[i + rank] ?? 0);
  });
  return { dtype: a.dtype, shape: [batch ?? 0, (depth ?? 0) * intOf(node, "group", 1), ...out] };
}
