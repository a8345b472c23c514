// Nodes written into a finished graph, under names that it does not have yet.
import { tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { attributesOf } from "../graph.js";
import type { AttributeValues, Graph, Node } from "../graph.js";
import { liveNodes } from "../live.js";

export interface Emission {
  /** A node with one output, under the name `output` or a free one, which is returned. */
  op(opType: string, inputs: readonly string[], attributes?: AttributeValues, options?: EmitOptions): string;
  /** A node like another, with one output under a free name, and with other inputs. */
  copy(node: Node, inputs: readonly string[]): string;
  constant(value: Tensor): string;
  ints(values: readonly number[]): string;
  /** What `make` emits under this key; the second time what it emitted the first time. */
  once(key: string, make: () => string): string;
  /** What was emitted under this key. */
  made(key: string): string | undefined;
}

export interface EmitOptions {
  readonly domain?: string;
  readonly output?: string;
}

/** Writes the nodes that take the place of one; they make all of its outputs that anybody reads. False leaves it as it is. */
export type Rewrite = (node: Node, emission: Emission) => boolean;

/** The graph with its nodes rewritten, in their order, and without what nobody reads then. */
export function rewritten(graph: Graph, rewrite: Rewrite): Graph {
  const nodes: Node[] = [];
  const initializers = new Map(graph.initializers);
  const domains = { ...graph.domains };
  const made = new Map<string, string>();
  const taken = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ]);
  let count = 0;
  const free = (): string => {
    let name;
    do name = `lowered.${count++}`;
    while (taken.has(name));
    return name;
  };
  const emission: Emission = {
    op(opType, inputs, attributes = {}, { domain = "", output = free() } = {}) {
      nodes.push({ name: "", opType, domain, inputs, outputs: [output], attributes: attributesOf(attributes) });
      if (domain !== "") domains[domain] = 1;
      return output;
    },
    copy(node, inputs) {
      const output = free();
      nodes.push({ ...node, inputs, outputs: [output] });
      return output;
    },
    constant(value) {
      const name = free();
      initializers.set(name, value);
      return name;
    },
    ints: (values) =>
      emission.once(`ints ${values.join()}`, () =>
        emission.constant(tensor("int64", [values.length], BigInt64Array.from(values, BigInt))),
      ),
    once(key, make) {
      const name = made.get(key) ?? make();
      made.set(key, name);
      return name;
    },
    made: (key) => made.get(key),
  };
  for (const node of graph.nodes) if (!rewrite(node, emission)) nodes.push(node);
  const live = liveNodes(
    nodes,
    graph.outputs.map(({ name }) => name),
  );
  const used = new Set(live.flatMap(({ inputs }) => inputs));
  const kept = [...initializers].filter(([name]) => used.has(name));
  return { ...graph, domains, nodes: live, initializers: new Map(kept) };
}
