// Gradients of normalisations.
import { elementCount } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { floatOf, intOf } from "../graph.js";
import type { Gradient, GradientRule, GradientSite } from "./site.js";

export const normalisationGradients: { readonly [opType: string]: GradientRule } = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
};

/** Ba, Kiros and Hinton 2016, with the mean and the inverse deviation that the node also puts out. */
function layerNormalization(g: GraphBuilder, at: GradientSite): readonly Gradient[] {
  const { a: x, b: scale, dY, node } = at;
  const rank = x.shape.length;
  const first = (intOf(node, "axis", -1) + rank) % rank;
  const axes = x.shape.map((_, i) => i).slice(first);
  const inverse = g.cast(at.output(2), x);
  const normalised = g.mul(g.sub(x, g.cast(at.output(1), x)), inverse);
  const count = elementCount(x.shape.slice(first));
  return [
    () => {
      const scaled = g.mul(dY, scale);
      const along = g.mul(normalised, g.mean(g.mul(scaled, normalised), axes));
      const through = g.mul(inverse, g.sub(g.sub(scaled, g.mean(scaled, axes)), along));
      // The statistics are outputs too, and a loss may depend on them.
      const ofMean = at.uses(1) ? [g.mul(g.cast(at.gradient(1), x), g.scalar(1 / count, x))] : [];
      const ofInverse = at.uses(2)
        ? [g.mul(g.mul(g.cast(at.gradient(2), x), g.scalar(-1 / count, x)), g.mul(normalised, g.mul(inverse, inverse)))]
        : [];
      return [...ofMean, ...ofInverse].reduce((sum, term) => g.add(sum, term), through);
    },
    () => g.mul(dY, normalised),
    () => dY,
  ];
}

/** Ioffe and Szegedy 2015. In training mode the statistics are the batch's and depend on X; elsewhere they are constants. */
function batchNormalization(g: GraphBuilder, at: GradientSite): readonly (Gradient | undefined)[] {
  const { a: x, b: scale, dY, node } = at;
  const training = intOf(node, "training_mode", 0) === 1;
  const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const channel = (value: Value): Value => g.reshape(value, [x.shape[1] as number, ...axes.slice(1).map(() => 1)]);
  const mean = training ? g.mean(x, axes) : channel(at.input(3));
  const centred = g.sub(x, mean);
  const variance = training ? g.mean(g.mul(centred, centred), axes) : channel(at.input(4));
  const inverse = g.op("Reciprocal", [g.op("Sqrt", [g.add(variance, g.scalar(floatOf(node, "epsilon", 1e-5), x))])]);
  const normalised = g.mul(centred, inverse);
  const factor = g.mul(channel(scale), inverse);
  return [
    () => {
      if (!training) return g.mul(dY, factor);
      const along = g.mul(normalised, g.mean(g.mul(dY, normalised), axes));
      return g.mul(factor, g.sub(g.sub(dY, g.mean(dY, axes)), along));
    },
    () => g.reshape(g.sum(g.mul(dY, normalised), axes), scale.shape),
    () => g.reshape(g.sum(dY, axes), scale.shape),
  ];
}
