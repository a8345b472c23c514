// Shapes of convolutions, poolings and normalisations over [batch, channels, ...spatial].
import type { TensorHeader } from "@perennial-fl/core";
import { intOf, intsOf } from "../graph.js";
import { transposedWindow, windowOf } from "../window.js";
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

function convTranspose(at: ShapeSite): TensorHeader {
  const { a, b, node } = at;
  const [batch, , ...spatial] = a.shape;
  const [, depth, ...kernel] = b.shape;
  const { out } = transposedWindow(node, spatial, kernel);
  return { dtype: a.dtype, shape: [batch ?? 0, (depth ?? 0) * intOf(node, "group", 1), ...out] };
}
