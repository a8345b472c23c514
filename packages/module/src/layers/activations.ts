// Activations of newer networks.
import { float, float32 } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import type { Layer, LayerSite } from "./layer.js";

/** Hendrycks and Gimpel 2016; by `tanh` approximately. */
export function gelu({ approximate = "none" }: { readonly approximate?: "none" | "tanh" } = {}): Layer {
  return (at) => {
    const { g, input: x } = at;
    const half = g.mul(x, number(at, 0.5));
    if (approximate === "none") {
      return g.mul(half, g.add(number(at, 1), g.op("Erf", [g.mul(x, number(at, Math.SQRT1_2))])));
    }
    const cubic = g.add(x, g.mul(g.mul(x, g.mul(x, x)), number(at, 0.044715)));
    return g.mul(half, g.add(number(at, 1), g.op("Tanh", [g.mul(cubic, number(at, Math.sqrt(2 / Math.PI)))])));
  };
}

/** x sigmoid(x). */
export function silu(): Layer {
  return ({ g, input }) => g.mul(input, g.op("Sigmoid", [input]));
}

export function elu({ alpha = 1 }: { readonly alpha?: number } = {}): Layer {
  return (at) => at.place("Elu", [at.input], { alpha: float(alpha) });
}

export function selu(): Layer {
  return (at) => at.place("Selu", [at.input]);
}

export function mish(): Layer {
  return (at) => at.place("Mish", [at.input]);
}

export function hardswish(): Layer {
  return (at) => at.place("HardSwish", [at.input]);
}

export function softplus(): Layer {
  return (at) => at.place("Softplus", [at.input]);
}

/** One trained slope for all elements (PyTorch's `nn.PReLU`). */
export function prelu({ init = 0.25 }: { readonly init?: number } = {}): Layer {
  return (at) => at.place("PRelu", [at.input, at.parameter("weight", float32([1], [init]))]);
}

/** A number as a node: an initializer would count as a parameter. */
export function number(at: LayerSite, value: number): Value {
  return at.g.op("Constant", [], { value: float32([], [value]) });
}
