// Gradients of activations beyond the plainest.
import type { GraphBuilder, Value } from "../builder.js";
import { floatOf } from "../graph.js";
import type { GradientRule } from "./site.js";

export const activationGradients: { readonly [opType: string]: GradientRule } = {
  LeakyRelu: (g, { a, dY, node }) => [
    () => g.op("Where", [positive(g, a), dY, g.mul(dY, g.scalar(floatOf(node, "alpha", 0.01), a))]),
  ],
  PRelu: (g, { a, b, dY }) => [
    () => g.op("Where", [positive(g, a), dY, g.mul(dY, b)]),
    () => g.op("Where", [positive(g, a), g.scalar(0, a), g.mul(dY, a)]),
  ],
  ThresholdedRelu: (g, { a, dY, node }) => [
    () => g.op("Where", [g.op("Greater", [a, g.scalar(floatOf(node, "alpha", 1), a)]), dY, g.scalar(0, a)]),
  ],
  /** 0 where the input is shrunk to nothing. */
  Shrink: (g, { a, dY, node }) => [
    () => {
      const kept = g.op("Greater", [g.op("Abs", [a]), g.scalar(floatOf(node, "lambd", 0.5), a)]);
      return g.op("Where", [kept, dY, g.scalar(0, a)]);
    },
  ],
  Elu: (g, { a, y, dY, node }) => [
    () => g.op("Where", [positive(g, a), dY, g.mul(dY, g.add(y, g.scalar(floatOf(node, "alpha", 1), a)))]),
  ],
  Celu: (g, { a, y, dY, node }) => [
    () => {
      const alpha = g.scalar(floatOf(node, "alpha", 1), a);
      return g.op("Where", [positive(g, a), dY, g.mul(dY, g.add(g.div(y, alpha), g.scalar(1, a)))]);
    },
  ],
  Selu: (g, { a, y, dY, node }) => [
    () => {
      const gamma = floatOf(node, "gamma", 1.0507010221481323);
      const alpha = floatOf(node, "alpha", 1.6732631921768188);
      const slope = g.op("Where", [positive(g, a), g.scalar(gamma, a), g.add(y, g.scalar(gamma * alpha, a))]);
      return g.mul(dY, slope);
    },
  ],
  Softplus: (g, { a, dY }) => [() => g.mul(dY, g.op("Sigmoid", [a]))],
  Softsign: (g, { a, dY }) => [
    () => {
      const size = g.add(g.op("Abs", [a]), g.scalar(1, a));
      return g.div(dY, g.mul(size, size));
    },
  ],
  Sigmoid: (g, { y, dY }) => [() => g.mul(dY, g.mul(y, g.sub(g.scalar(1, y), y)))],
  Tanh: (g, { y, dY }) => [() => g.mul(dY, g.sub(g.scalar(1, y), g.mul(y, y)))],
  HardSigmoid: (g, { a, y, dY, node }) => [
    () => {
      const sloping = g.op("And", [positive(g, y), g.op("Less", [y, g.scalar(1, y)])]);
      return g.op("Where", [sloping, g.mul(dY, g.scalar(floatOf(node, "alpha", 0.2), a)), g.scalar(0, a)]);
    },
  ],
  /** x clip(x/6 + 1/2, 0, 1). */
  HardSwish: (g, { a, dY }) => [
    () => {
      const like = (value: number): Value => g.scalar(value, a);
      const middle = g.add(g.mul(a, like(1 / 3)), like(0.5));
      const above = g.op("Where", [g.op("Greater", [a, like(3)]), like(1), middle]);
      return g.mul(dY, g.op("Where", [g.op("Less", [a, like(-3)]), like(0), above]));
    },
  ],
  /** x tanh(softplus(x)). */
  Mish: (g, { a, dY }) => [
    () => {
      const t = g.op("Tanh", [g.op("Softplus", [a])]);
      const bend = g.mul(g.op("Sigmoid", [a]), g.sub(g.scalar(1, a), g.mul(t, t)));
      return g.mul(dY, g.add(t, g.mul(a, bend)));
    },
  ],
};

function positive(g: GraphBuilder, value: Value): Value {
  return g.op("Greater", [value, g.scalar(0, value)]);
}
