// The gradients of ONNX's own loss operators.
import { elementCount } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { intOf, stringOf } from "../graph.js";
import { oneHot } from "./site.js";
import type { GradientRule, GradientSite } from "./site.js";

export const lossGradients: { readonly [opType: string]: GradientRule } = {
  NegativeLogLikelihoodLoss: (g, at) => {
    const { share, truth } = shares(g, at);
    return [() => g.op("Neg", [g.mul(truth(), share())])];
  },
  /** Softmax minus one-hot; its second output is the logarithm of the softmax. */
  SoftmaxCrossEntropyLoss: (g, at) => {
    const { share, truth } = shares(g, at);
    return [
      () => {
        const softmax = g.op("Exp", [at.output(1)]);
        const ofLoss = at.uses(0) ? [g.mul(g.sub(softmax, truth()), share())] : [];
        const ofLogarithm = at.uses(1) ? [g.sub(at.gradient(1), g.mul(softmax, g.sum(at.gradient(1), [1])))] : [];
        return [...ofLoss, ...ofLogarithm].reduce((sum, term) => g.add(sum, term));
      },
    ];
  },
};

/** Which class is right, and how much of dY the loss of each target gets: [batch, 1, ...], by class weights and reduction. */
function shares(g: GraphBuilder, at: GradientSite): { readonly truth: () => Value; readonly share: () => Value } {
  const { a: scores, b: targets, dY, node } = at;
  const reduction = stringOf(node, "reduction", "mean");
  const ignored = intOf(node, "ignore_index", undefined);
  const valid = ignored === undefined ? undefined : g.op("Not", [g.op("Equal", [targets, g.scalar(ignored, targets)])]);
  const chosen = valid === undefined ? targets : g.op("Where", [valid, targets, g.scalar(0, targets)]);
  const truth = (): Value => oneHot(g, chosen, scores.shape[1] as number, scores);
  return {
    truth,
    share() {
      const perTarget = (value: Value): Value => g.op("Unsqueeze", [value, g.ints([1])]);
      const classes = at.has(2) ? g.op("Gather", [at.c, chosen]) : undefined;
      const kept = valid === undefined ? undefined : g.cast(valid, scores);
      const weights = classes === undefined ? kept : kept === undefined ? classes : g.mul(classes, kept);
      if (reduction === "none") return perTarget(weights === undefined ? dY : g.mul(weights, dY));
      if (weights === undefined) {
        return reduction === "sum" ? dY : g.mul(dY, g.scalar(1 / elementCount(targets.shape), dY));
      }
      const all = g.op("ReduceSum", [weights], { keepdims: 0 });
      return g.mul(perTarget(weights), reduction === "sum" ? dY : g.div(dY, all));
    },
  };
}
