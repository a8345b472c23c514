// Normalisations of single examples, by means and squares.
import { assert, elementCount } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { floatOf, intOf, intsOf } from "../graph.js";
import type { Decomposition } from "./decomposition.js";

export const normalisationDecompositions: { readonly [opType: string]: Decomposition } = {
  /** Ulyanov, Vedaldi and Lempitsky 2016. */
  InstanceNormalization: (g, node, [x, scale, bias]) => {
    assert(x !== undefined && scale !== undefined && bias !== undefined, "InstanceNormalization has three inputs");
    const axes = x.shape.slice(2).map((_, i) => i + 2);
    const normalised = standardised(g, x, axes, floatOf(node, "epsilon", 1e-5));
    return [g.add(g.mul(normalised, perChannel(g, scale, x)), perChannel(g, bias, x))];
  },
  /** Wu and He 2018; before opset 21 scale and bias had an element for each group. */
  GroupNormalization: (g, node, [x, scale, bias], opset) => {
    assert(x !== undefined && scale !== undefined && bias !== undefined, "GroupNormalization has three inputs");
    const groups = intOf(node, "num_groups", 1);
    const [batch, channels] = x.shape as [number, number];
    const rows = g.reshape(x, [batch, groups, x.shape.slice(1).reduce((a, b) => a * b, 1) / groups]);
    const normalised = g.reshape(standardised(g, rows, [2], floatOf(node, "epsilon", 1e-5)), x.shape);
    const each = (value: Value): Value => {
      if (opset >= 21) return perChannel(g, value, x);
      const wide = g.op("Expand", [g.reshape(value, [groups, 1]), g.ints([groups, channels / groups])]);
      return perChannel(g, g.reshape(wide, [channels]), x);
    };
    return [g.add(g.mul(normalised, each(scale)), each(bias))];
  },
  /** Zhang and Sennrich 2019; of opset 23. */
  RMSNormalization: (g, node, [x, scale]) => {
    assert(x !== undefined && scale !== undefined, "RMSNormalization has two inputs");
    const axis = intOf(node, "axis", -1);
    const axes = x.shape.map((_, i) => i).slice(axis);
    const square = g.mean(g.mul(x, x), axes);
    const root = g.op("Sqrt", [g.add(square, g.scalar(floatOf(node, "epsilon", 1e-5), x))]);
    return [g.mul(g.div(x, root), scale)];
  },
  MeanVarianceNormalization: (g, node, [x]) => {
    assert(x !== undefined, "MeanVarianceNormalization has an input");
    const axes = intsOf(node, "axes", [0, 2, 3]);
    const centred = g.sub(x, g.mean(x, axes));
    const deviation = g.op("Sqrt", [g.mean(g.mul(centred, centred), axes)]);
    return [g.div(centred, g.add(deviation, g.scalar(1e-9, x)))];
  },
  LpNormalization: (g, node, [x]) => {
    assert(x !== undefined, "LpNormalization has an input");
    const norm = g.op(intOf(node, "p", 2) === 1 ? "ReduceL1" : "ReduceL2", [x, g.ints([intOf(node, "axis", -1)])]);
    // What is all 0 stays so.
    const none = g.op("Equal", [norm, g.scalar(0, x)]);
    return [g.div(x, g.op("Where", [none, g.scalar(1, x), norm]))];
  },
  /** Krizhevsky, Sutskever and Hinton 2012: over channels, by the mean square of the nearest ones. */
  LRN: (g, node, [x]) => {
    assert(x !== undefined, "LRN has an input");
    const size = intOf(node, "size", 1);
    const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
    const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
    const squares = g.reshape(g.mul(x, x), [batch, 1, channels, elementCount(spatial)]);
    const means = g.op("AveragePool", [squares], {
      kernel_shape: [size, 1],
      pads: [before, 0, after, 0],
      count_include_pad: 1,
    });
    const sum = g.mul(g.reshape(means, x.shape), g.scalar(floatOf(node, "alpha", 1e-4), x));
    const grown = g.add(sum, g.scalar(floatOf(node, "bias", 1), x));
    return [g.div(x, g.op("Pow", [grown, g.scalar(floatOf(node, "beta", 0.75), x)]))];
  },
};

function standardised(g: GraphBuilder, x: Value, axes: readonly number[], epsilon: number): Value {
  const centred = g.sub(x, g.mean(x, axes));
  const variance = g.mean(g.mul(centred, centred), axes);
  return g.div(centred, g.op("Sqrt", [g.add(variance, g.scalar(epsilon, x))]));
}

function perChannel(g: GraphBuilder, value: Value, x: Value): Value {
  return g.reshape(value, [x.shape[1] as number, ...x.shape.slice(2).map(() => 1)]);
}
