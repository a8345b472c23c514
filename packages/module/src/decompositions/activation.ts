// Activations of later opsets.
import { assert } from "@perennial-fl/core";
import { floatOf, stringOf } from "../graph.js";
import type { Decomposition } from "./decomposition.js";

export const activationDecompositions: { readonly [opType: string]: Decomposition } = {
  /** Hendrycks and Gimpel 2016. */
  Gelu: (g, node, [x]) => {
    assert(x !== undefined, "Gelu has an input");
    const half = g.mul(x, g.scalar(0.5, x));
    const one = g.scalar(1, x);
    if (stringOf(node, "approximate", "none") === "none") {
      return [g.mul(half, g.add(one, g.op("Erf", [g.mul(x, g.scalar(Math.SQRT1_2, x))])))];
    }
    const cubic = g.add(x, g.mul(g.mul(x, g.mul(x, x)), g.scalar(0.044715, x)));
    return [g.mul(half, g.add(one, g.op("Tanh", [g.mul(cubic, g.scalar(Math.sqrt(2 / Math.PI), x))])))];
  },
  /** Of opset 24: x sigmoid(alpha x). */
  Swish: (g, node, [x]) => {
    assert(x !== undefined, "Swish has an input");
    const alpha = floatOf(node, "alpha", 1);
    return [g.mul(x, g.op("Sigmoid", [alpha === 1 ? x : g.mul(x, g.scalar(alpha, x))]))];
  },
};
