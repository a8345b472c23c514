// Gradients of operators that work element by element.
import { floatOf } from "../graph.js";
import type { GradientRule } from "./site.js";

export const elementwiseGradients: { readonly [opType: string]: GradientRule } = {
  Add: (_, { dY }) => [() => dY, () => dY],
  Sub: (g, { dY }) => [() => dY, () => g.op("Neg", [dY])],
  Mul: (g, { a, b, dY }) => [() => g.mul(dY, b), () => g.mul(dY, a)],
  Div: (g, { b, y, dY }) => [() => g.div(dY, b), () => g.op("Neg", [g.div(g.mul(dY, y), b)])],
  /** At a base of 0 the gradient of the exponent is 0, as in PyTorch. */
  Pow: (g, { a, b, y, dY }) => [
    () => g.mul(dY, g.mul(b, g.op("Pow", [a, g.sub(b, g.scalar(1, b))]))),
    () => g.mul(dY, g.op("Where", [g.op("Equal", [a, g.scalar(0, a)]), g.scalar(0, a), g.mul(y, g.op("Log", [a]))])),
  ],
  Neg: (g, { dY }) => [() => g.op("Neg", [dY])],
  Abs: (g, { a, dY }) => [() => g.mul(dY, g.op("Sign", [a]))],
  /** 0 outside the bounds, whole on them. */
  Clip: (g, { a, y, dY }) => [() => g.op("Where", [g.op("Equal", [a, y]), dY, g.scalar(0, a)])],
  Exp: (g, { y, dY }) => [() => g.mul(dY, y)],
  Log: (g, { a, dY }) => [() => g.div(dY, a)],
  Sqrt: (g, { y, dY }) => [() => g.div(dY, g.mul(y, g.scalar(2, y)))],
  Reciprocal: (g, { y, dY }) => [() => g.op("Neg", [g.mul(dY, g.mul(y, y))])],
  Cast: (g, { a, dY }) => [
    () => (a.dtype === dY.dtype ? dY : g.op("Cast", [dY], { to: a.dtype === "float64" ? 11 : 1 })),
  ],
  /** 0 at 0. */
  Relu: (g, { y, dY }) => [() => g.op("Where", [g.op("Greater", [y, g.scalar(0, y)]), dY, g.scalar(0, y)])],
  LeakyRelu: (g, { a, dY, node }) => [
    () =>
      g.op("Where", [g.op("Greater", [a, g.scalar(0, a)]), dY, g.mul(dY, g.scalar(floatOf(node, "alpha", 0.01), a))]),
  ],
  Elu: (g, { a, y, dY, node }) => [
    () =>
      g.op("Where", [
        g.op("Greater", [a, g.scalar(0, a)]),
        dY,
        g.mul(dY, g.add(y, g.scalar(floatOf(node, "alpha", 1), a))),
      ]),
  ],
  Softplus: (g, { a, dY }) => [() => g.mul(dY, g.op("Sigmoid", [a]))],
  Sigmoid: (g, { y, dY }) => [() => g.mul(dY, g.mul(y, g.sub(g.scalar(1, y), y)))],
  Tanh: (g, { y, dY }) => [() => g.mul(dY, g.sub(g.scalar(1, y), g.mul(y, y)))],
  /** 2/sqrt(pi) exp(-x^2). */
  Erf: (g, { a, dY }) => [
    () => g.mul(dY, g.mul(g.op("Exp", [g.op("Neg", [g.mul(a, a)])]), g.scalar(2 / Math.sqrt(Math.PI), a))),
  ],
  Where: (g, { a, b, dY }) => [
    undefined,
    () => g.op("Where", [a, dY, g.scalar(0, b)]),
    () => g.op("Where", [a, g.scalar(0, b), dY]),
  ],
};
