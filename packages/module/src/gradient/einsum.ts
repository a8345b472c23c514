// The gradient of a sum of products, by the same notation with the letters exchanged.
import type { GraphBuilder, Value } from "../builder.js";
import { stringOf } from "../graph.js";
import { lettersOf } from "../shapes/einsum.js";
import type { GradientRule } from "./site.js";

export const einsumGradients: { readonly [opType: string]: GradientRule } = {
  Einsum: (g, at) => {
    const { terms, result } = lettersOf(at.node, stringOf(at.node, "equation", ""), at.operands);
    return at.each((operand, own) => {
      const others = terms.filter((_, i) => i !== own);
      const values = at.operands.filter((_, i) => i !== own);
      const wanted = terms[own] as string;
      // A letter that stands here alone was summed over: its gradient is the same all along.
      const found = Array.from(wanted).filter((letter) => [result, ...others].some((term) => term.includes(letter)));
      const equation = `${[result, ...others].join(",")}->${found.join("")}`;
      return spread(
        g,
        g.node("Einsum", [at.dY, ...values], { equation })[0] as Value,
        Array.from(wanted),
        found,
        operand,
      );
    });
  },
};

function spread(
  g: GraphBuilder,
  value: Value,
  wanted: readonly string[],
  found: readonly string[],
  { shape }: Value,
): Value {
  if (wanted.length === found.length) return value;
  let at = 0;
  const open = wanted.map((letter) => (found.includes(letter) ? (value.shape[at++] as number) : 1));
  const whole = wanted.map((letter, i) => (found.includes(letter) ? (open[i] as number) : (shape[i] as number)));
  return g.op("Expand", [g.reshape(value, open), g.ints(whole)]);
}
