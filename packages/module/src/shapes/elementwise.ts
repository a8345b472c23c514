// Shapes of operators that work element by element.
import { broadcast } from "./site.js";
import type { ShapeRule } from "./site.js";

const same: ShapeRule = ({ a }) => ({ dtype: a.dtype, shape: a.shape });
const binary: ShapeRule = (at) => ({ dtype: at.a.dtype, shape: broadcast(at, at.a.shape, at.b.shape) });
const comparison: ShapeRule = (at) => ({ dtype: "bool", shape: broadcast(at, at.a.shape, at.b.shape) });

export const elementwiseShapes: { readonly [opType: string]: ShapeRule } = {
  Add: binary,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Pow: binary,
  Equal: comparison,
  Greater: comparison,
  Less: comparison,
  Where: (at) => ({ dtype: at.b.dtype, shape: broadcast(at, broadcast(at, at.a.shape, at.b.shape), at.c.shape) }),
  Abs: same,
  Clip: same,
  Elu: same,
  Erf: same,
  Exp: same,
  Identity: same,
  LeakyRelu: same,
  Log: same,
  LogSoftmax: same,
  Neg: same,
  Reciprocal: same,
  Relu: same,
  Sigmoid: same,
  Sign: same,
  Softmax: same,
  Softplus: same,
  Sqrt: same,
  Tanh: same,
};
