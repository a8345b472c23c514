// The gradient of ONNX's own loss operator.
import { FederationError, tensor } from "@perennial-fl/core";
import { describeNode, stringOf } from "../graph.js";
import type { GradientRule } from "./site.js";

export const lossGradients: { readonly [opType: string]: GradientRule } = {
  /** For scores [batch, classes], without class weights: softmax minus one-hot. */
  SoftmaxCrossEntropyLoss: (g, at) => {
    const { a, b, dY, node } = at;
    const reduction = stringOf(node, "reduction", "mean");
    if (a.shape.length !== 2 || reduction === "none" || at.has(2) || "ignore_index" in node.attributes) {
      throw new FederationError(
        "model/unsupported",
        `differentiating the ${describeNode(node)}: only scores [batch, classes] reduced to one number, without weights`,
      );
    }
    const [batch, classes] = a.shape as [number, number];
    return [
      () => {
        const depth = g.constant(tensor("int64", [1], BigInt64Array.of(BigInt(classes))));
        const zeroOne = a.dtype === "float64" ? Float64Array.of(0, 1) : Float32Array.of(0, 1);
        const oneHot = g.op("OneHot", [b, depth, g.constant(tensor(a.dtype, [2], zeroOne))], { axis: -1 });
        const difference = g.sub(g.op("Exp", [at.output(1)]), oneHot);
        return g.mul(difference, reduction === "sum" ? dY : g.mul(dY, g.scalar(1 / batch, dY)));
      },
    ];
  },
};
