// Shapes of operators that work element by element.
import { broadcast } from "./site.js";
import type { ShapeRule } from "./site.js";

const same: ShapeRule = ({ a }) => ({ dtype: a.dtype, shape: a.shape });
const binary: ShapeRule = (at) => ({ dtype: at.a.dtype, shape: broadcast(at, at.a.shape, at.b.shape) });
const comparison: ShapeRule = (at) => ({ dtype: "bool", shape: broadcast(at, at.a.shape, at.b.shape) });

const test: ShapeRule = ({ a }) => ({ dtype: "bool", shape: a.shape });

const variadic: ShapeRule = (at) => {
  const operands = at.operands.map(({ shape }) => shape);
  return { dtype: at.a.dtype, shape: operands.reduce((joined, shape) => broadcast(at, joined, shape)) };
};

export const elementwiseShapes: { readonly [opType: string]: ShapeRule } = {
  Add: binary,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Mod: binary,
  Pow: binary,
  Max: variadic,
  Mean: variadic,
  Min: variadic,
  Sum: variadic,
  And: comparison,
  Or: comparison,
  GreaterOrEqual: comparison,
  LessOrEqual: comparison,
  BitShift: binary,
  BitwiseXor: binary,
  Equal: comparison,
  Greater: comparison,
  Less: comparison,
  Where: (at) => ({ dtype: at.b.dtype, shape: broadcast(at, broadcast(at, at.a.shape, at.b.shape), at.c.shape) }),
  Xor: comparison,
  Abs: same,
  Acos: same,
  Acosh: same,
  Asin: same,
  Asinh: same,
  Atan: same,
  Atanh: same,
  Ceil: same,
  Celu: same,
  Clip: same,
  Cos: same,
  Cosh: same,
  CumSum: same,
  Dropout: ({ a }) => [
    { dtype: a.dtype, shape: a.shape },
    { dtype: "bool", shape: a.shape },
  ],
  Elu: same,
  Erf: same,
  Exp: same,
  Floor: same,
  HardSigmoid: same,
  HardSwish: same,
  Identity: same,
  IsInf: test,
  IsNaN: test,
  LeakyRelu: same,
  Log: same,
  LogSoftmax: same,
  Mish: same,
  Neg: same,
  Not: same,
  PRelu: same,
  Reciprocal: same,
  Relu: same,
  Round: same,
  Selu: same,
  Shrink: same,
  Sigmoid: same,
  Sign: same,
  Sin: same,
  Sinh: same,
  Softmax: same,
  Softplus: same,
  Softsign: same,
  Sqrt: same,
  Tan: same,
  Tanh: same,
  ThresholdedRelu: same,
  Trilu: same,
};
