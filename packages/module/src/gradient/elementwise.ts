// Gradients of operators that work element by element.
import type { Value } from "../builder.js";
import { share } from "./site.js";
import type { GradientRule } from "./site.js";

/** Operands that tie share the gradient, as in PyTorch. */
const extreme: GradientRule = (g, at) => {
  const won = (operand: Value): Value => share(g, operand, at.y);
  return at.each((operand) => {
    const all = at.operands.map(won).reduce((sum, mask) => g.add(sum, mask));
    return g.mul(at.dY, g.div(won(operand), all));
  });
};

export const elementwiseGradients: { readonly [opType: string]: GradientRule } = {
  Add: (_, { dY }) => [() => dY, () => dY],
  Sub: (g, { dY }) => [() => dY, () => g.op("Neg", [dY])],
  Mul: (g, { a, b, dY }) => [() => g.mul(dY, b), () => g.mul(dY, a)],
  Div: (g, { b, y, dY }) => [() => g.div(dY, b), () => g.op("Neg", [g.div(g.mul(dY, y), b)])],
  /** At a base of 0 the gradient of the exponent is 0, as in PyTorch. An exponent may be of another type. */
  Pow: (g, { a, b, y, dY }) => [
    () => {
      const exponent = g.cast(b, a);
      return g.mul(dY, g.mul(exponent, g.op("Pow", [a, g.sub(exponent, g.scalar(1, a))])));
    },
    () => g.mul(dY, g.op("Where", [g.op("Equal", [a, g.scalar(0, a)]), g.scalar(0, a), g.mul(y, g.op("Log", [a]))])),
  ],
  Sum: (_, at) => at.each(() => at.dY),
  Mean: (g, at) => at.each(() => g.mul(at.dY, g.scalar(1 / at.count, at.dY))),
  Max: extreme,
  Min: extreme,
  Neg: (g, { dY }) => [() => g.op("Neg", [dY])],
  Abs: (g, { a, dY }) => [() => g.mul(dY, g.op("Sign", [a]))],
  /** 0 outside the bounds, whole on them. */
  Clip: (g, { a, y, dY }) => [() => g.op("Where", [g.op("Equal", [a, y]), dY, g.scalar(0, a)])],
  Exp: (g, { y, dY }) => [() => g.mul(dY, y)],
  Log: (g, { a, dY }) => [() => g.div(dY, a)],
  Sin: (g, { a, dY }) => [() => g.mul(dY, g.op("Cos", [a]))],
  Cos: (g, { a, dY }) => [() => g.op("Neg", [g.mul(dY, g.op("Sin", [a]))])],
  Tan: (g, { y, dY }) => [() => g.mul(dY, g.add(g.mul(y, y), g.scalar(1, y)))],
  Sinh: (g, { a, dY }) => [() => g.mul(dY, g.op("Cosh", [a]))],
  Cosh: (g, { a, dY }) => [() => g.mul(dY, g.op("Sinh", [a]))],
  Asin: (g, { a, dY }) => [() => g.div(dY, g.op("Sqrt", [g.sub(g.scalar(1, a), g.mul(a, a))]))],
  Acos: (g, { a, dY }) => [() => g.op("Neg", [g.div(dY, g.op("Sqrt", [g.sub(g.scalar(1, a), g.mul(a, a))]))])],
  Atan: (g, { a, dY }) => [() => g.div(dY, g.add(g.mul(a, a), g.scalar(1, a)))],
  Asinh: (g, { a, dY }) => [() => g.div(dY, g.op("Sqrt", [g.add(g.mul(a, a), g.scalar(1, a))]))],
  Acosh: (g, { a, dY }) => [() => g.div(dY, g.op("Sqrt", [g.sub(g.mul(a, a), g.scalar(1, a))]))],
  Atanh: (g, { a, dY }) => [() => g.div(dY, g.sub(g.scalar(1, a), g.mul(a, a)))],
  Sqrt: (g, { y, dY }) => [() => g.div(dY, g.mul(y, g.scalar(2, y)))],
  Reciprocal: (g, { y, dY }) => [() => g.op("Neg", [g.mul(dY, g.mul(y, y))])],
  Cast: (g, { a, dY }) => [() => g.cast(dY, a)],
  /** 0 at 0. */
  Relu: (g, { y, dY }) => [() => g.op("Where", [g.op("Greater", [y, g.scalar(0, y)]), dY, g.scalar(0, y)])],
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
