// The shape of a sum of products in Einstein's notation.
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { describeNode, stringOf } from "../graph.js";
import type { Node } from "../graph.js";
import type { ShapeRule } from "./site.js";

export const einsumShapes: { readonly [opType: string]: ShapeRule } = {
  Einsum: (at) => {
    const { operands } = at;
    const { terms, result } = lettersOf(at.node, stringOf(at.node, "equation", ""), operands);
    const lengths = new Map<string, number>();
    terms.forEach((term, i) => {
      Array.from(term).forEach((letter, axis) => {
        const length = operands[i]?.shape[axis] ?? 1;
        const known = lengths.get(letter) ?? 1;
        if (known !== 1 && length !== 1 && known !== length) at.fail(`"${letter}" is ${known} and ${length} long`);
        lengths.set(letter, Math.max(known, length));
      });
    });
    return { dtype: at.a.dtype, shape: Array.from(result).map((letter) => lengths.get(letter) ?? 1) };
  },
};

/**
 * A letter for each axis of each operand and of the result; capitals stand for the axes of an ellipsis. Throws
 * `model/unsupported` for a letter that stands twice in one term.
 */
export function lettersOf(
  node: Node,
  equation: string,
  operands: readonly TensorHeader[],
): { readonly terms: readonly string[]; readonly result: string } {
  const [left = "", right] = equation.replaceAll(" ", "").split("->");
  const given = left.split(",");
  const hidden = given.map((term, i) =>
    term.includes("...") ? (operands[i]?.shape.length ?? 0) - term.length + 3 : 0,
  );
  const most = Math.max(0, ...hidden);
  // Letters of an ellipsis are counted from its end, as axes broadcast.
  const capitals = Array.from({ length: most }, (_, i) => String.fromCharCode(65 + i)).join("");
  const terms = given.map((term, i) => term.replace("...", capitals.slice(most - (hidden[i] ?? 0))));
  const counts = new Map<string, number>();
  for (const letter of left.replace(/[.,]/g, "")) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  const once = [...counts].flatMap(([letter, count]) => (count === 1 ? [letter] : [])).sort();
  const result = right === undefined ? capitals + once.join("") : right.replace("...", capitals);
  const wrong = terms.find((term, i) => term.length !== operands[i]?.shape.length || new Set(term).size < term.length);
  if (wrong !== undefined || terms.length !== operands.length || (most > 0 && /[A-Z]/.test(equation))) {
    throw new FederationError(
      "model/unsupported",
      `reading the ${describeNode(node)}: its equation "${equation}" does not fit its operands, or has a letter twice in a term`,
    );
  }
  return { terms, result };
}
