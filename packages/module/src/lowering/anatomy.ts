// A finished graph as a lowering reads it: the header, the maker and the readers of every value.
import { isFederationError } from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import type { Graph, Node } from "../graph.js";
import { inferShapes } from "../shapes/rules.js";

export interface Anatomy {
  /** Undefined where no shape rule knows the operator that makes the value. */
  header(name: string): TensorHeader | undefined;
  /** Undefined for inputs and constants. */
  maker(name: string): Node | undefined;
  readers(name: string): readonly Node[];
  /** The elements of a value, or undefined where they are only known when the graph runs. */
  constant(name: string): Tensor | undefined;
  /** The constant integers of a value, or undefined likewise. */
  ints(name: string | undefined): number[] | undefined;
}

export function anatomyOf(graph: Graph): Anatomy {
  const values = new Map<string, Value>();
  const makers = new Map<string, Node>();
  const readers = new Map<string, Node[]>();
  for (const { name, dtype, shape } of graph.inputs) {
    if (shape?.every((length) => typeof length === "number") === true) values.set(name, { name, dtype, shape });
  }
  for (const [name, constant] of graph.initializers) {
    values.set(name, { name, dtype: constant.dtype, shape: constant.shape, constant });
  }
  for (const node of graph.nodes) {
    for (const name of new Set(node.inputs)) readers.set(name, [...(readers.get(name) ?? []), node]);
    const headers = headersOf(node, values);
    node.outputs.forEach((name, i) => {
      makers.set(name, node);
      const header = headers[i];
      if (header !== undefined) values.set(name, { ...header, name });
    });
  }
  return {
    header: (name) => values.get(name),
    maker: (name) => makers.get(name),
    readers: (name) => readers.get(name) ?? [],
    constant: (name) => values.get(name)?.constant,
    ints(name) {
      const constant = name === undefined ? undefined : values.get(name)?.constant;
      return constant === undefined ? undefined : Array.from<number | bigint, number>(constant.data, Number);
    },
  };
}

function headersOf(node: Node, values: ReadonlyMap<string, Value>): readonly TensorHeader[] {
  const inputs = node.inputs.map((name) => values.get(name));
  if (node.inputs.some((name, i) => name !== "" && inputs[i] === undefined)) return [];
  if (node.opType === "Identity" && node.domain === "") return inputs as readonly Value[];
  try {
    return inferShapes(node, inputs);
  } catch (error) {
    // A lowering leaves alone what it does not know; the plain graph is right without it.
    if (isFederationError(error) && error.code === "model/unsupported") return [];
    throw error;
  }
}
