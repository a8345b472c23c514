// A Resize that names some axes, or keeps the aspect ratio, as one that says all of it.
import { FederationError, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import { describeNode, intsOf, stringOf } from "../graph.js";
import type { Decomposition } from "./decomposition.js";

export const resizeDecompositions: { readonly [opType: string]: Decomposition } = {
  Resize: (g, node, [x, region, scales, sizes]) => {
    const policy = stringOf(node, "keep_aspect_ratio_policy", "stretch");
    if (x === undefined || (!("axes" in node.attributes) && policy === "stretch")) return undefined;
    const rank = x.shape.length;
    const given = intsOf(
      node,
      "axes",
      x.shape.map((_, i) => i),
    );
    const axes = given.map((axis) => (axis + rank) % rank);
    const everywhere = (values: readonly number[], rest: readonly number[]): number[] =>
      rest.map((value, axis) => values[axes.indexOf(axis)] ?? value);
    const wanted = numbersOf(sizes);
    const raw = Object.fromEntries(
      Object.entries(node.attributes).filter(([name]) => name !== "axes" && name !== "keep_aspect_ratio_policy"),
    );
    const edges = numbersOf(region);
    const [ones, zeros] = [x.shape.map(() => 1), x.shape.map(() => 0)];
    const whole =
      edges.length === 0
        ? region
        : g.constant(
            like(region, [
              ...everywhere(edges.slice(0, axes.length), zeros),
              ...everywhere(edges.slice(axes.length), ones),
            ]),
          );
    if (wanted.length === 0) {
      const all = g.constant(like(scales, everywhere(numbersOf(scales), ones)));
      return g.node("Resize", [x, whole, all], { raw });
    }
    if (policy === "stretch")
      return g.node("Resize", [x, whole, undefined, g.ints(everywhere(wanted, x.shape))], { raw });
    // One scale for all axes. It gives the lengths rounded down, where the policy asks for the nearest ones.
    const ratios = axes.map((axis, i) => (wanted[i] ?? 0) / (x.shape[axis] ?? 1));
    const ratio = Math.fround(policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios));
    const lengths = axes.map((axis) => Math.fround(ratio * (x.shape[axis] ?? 1)));
    if (lengths.some((length) => Math.floor(length) !== Math.floor(length + 0.5))) {
      throw new FederationError(
        "model/unsupported",
        `reading the ${describeNode(node)}: ${policy} gives lengths of ${lengths.join(", ")}`,
      );
    }
    const one = everywhere(
      axes.map(() => ratio),
      ones,
    );
    return g.node("Resize", [x, whole, g.constant(tensor("float32", [one.length], Float32Array.from(one)))], { raw });
  },
};

function numbersOf(value: Value | undefined): number[] {
  return Array.from<number | bigint, number>(value?.constant?.data ?? [], Number);
}

function like(value: Value | undefined, numbers: readonly number[]): Tensor {
  const shape = [numbers.length];
  return value?.dtype === "float64"
    ? tensor("float64", shape, Float64Array.from(numbers))
    : tensor("float32", shape, Float32Array.from(numbers));
}
