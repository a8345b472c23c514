// Finds what an optimizer does to single elements, at the end of a finished train step: what a loop over memory can do instead.
import { elementCount } from "@perennial-fl/core";
import type { Graph, Node } from "../graph.js";
import type { Anatomy } from "./anatomy.js";

/** Operators on float32 elements that give the same bits in a loop of our own. */
const elementwise = new Set("Abs Add Clip Div Identity Mul Neg Sqrt Sub Where".split(" "));

/** Tensors of one length that are changed together, each element by itself. */
export interface UpdateRegion {
  /** In their order in the graph; nobody else reads what they make. */
  readonly nodes: readonly Node[];
  /** Graph inputs that become what `new.<input>` says, which one of the nodes makes. */
  readonly changed: readonly string[];
  /** Graph inputs that are only read. */
  readonly read: readonly string[];
  /** Values of the rest of the graph, of the same length: gradients. */
  readonly computed: readonly string[];
  /** Values of a single element. */
  readonly scalars: readonly string[];
  /** Of elements. */
  readonly length: number;
}

/** `references` are the graph's inputs that stay the same in every step. */
export function updateRegions(graph: Graph, anatomy: Anatomy, references: ReadonlySet<string>): UpdateRegion[] {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const carried = new Set([...inputs].filter((name) => outputs.has(`new.${name}`)));
  const isHeld = (name: string): boolean => carried.has(name) || references.has(name);
  const isOperand = (name: string): boolean => isHeld(name) || !inputs.has(name);
  const sizeOf = (name: string): number => elementCount(anatomy.header(name)?.shape ?? []);

  /** The nodes whose work nobody else needs, without those behind `cuts`. */
  function inside(cuts: ReadonlySet<Node>): Set<Node> {
    const found = new Set<Node>();
    for (const node of graph.nodes.toReversed()) {
      const output = node.outputs[0] as string;
      const isWanted = !outputs.has(output) || (output.startsWith("new.") && carried.has(output.slice(4)));
      const isOurs = anatomy.readers(output).every((reader) => found.has(reader));
      if (!isWanted || !isOurs || cuts.has(node) || !isElementwise(node, anatomy)) continue;
      if (node.inputs.every((name) => name === "" || sizeOf(name) === 1 || isOperand(name))) found.add(node);
    }
    return found;
  }

  const nodes = inside(mergers(graph, inside(new Set()), isHeld, sizeOf));
  return components(graph, nodes, isHeld, sizeOf)
    .map((part) => regionOf(part, carried, isHeld, sizeOf))
    .filter((region) => region !== undefined);
}

/** One output of float32 of many elements, made of operands that have its shape or are single. */
function isElementwise(node: Node, anatomy: Anatomy): boolean {
  if (node.domain !== "" || !elementwise.has(node.opType) || node.outputs.length !== 1) return false;
  const made = anatomy.header(node.outputs[0] as string);
  if (made?.dtype !== "float32" || elementCount(made.shape) === 1) return false;
  const [first, ...others] = node.inputs;
  // What is chosen between, or cut, is an array; by what is a single condition, or two single limits.
  const single = node.opType === "Where" ? [first as string] : node.opType === "Clip" ? others : [];
  return node.inputs.every((name) => {
    const header = anatomy.header(name);
    if (header === undefined) return name === "";
    const isSingle = elementCount(header.shape) === 1 && header.shape.length <= made.shape.length;
    const isCondition = header.dtype === "bool" && node.opType === "Where" && name === first;
    if (header.dtype !== "float32" && !isCondition) return false;
    if (isSingle || single.includes(name)) return isSingle;
    return header.shape.join() === made.shape.join() && anatomy.constant(name) === undefined;
  });
}

/** Nodes that only put several computed values together: the graph does this better, as only one value then leaves it. */
function mergers(
  graph: Graph,
  inside: ReadonlySet<Node>,
  isHeld: (name: string) => boolean,
  sizeOf: (name: string) => number,
): Set<Node> {
  const cuts = new Set<Node>();
  const made = new Map<string, { readonly holds: boolean; readonly computed: ReadonlySet<string> }>();
  for (const node of graph.nodes) {
    if (!inside.has(node)) continue;
    const arrays = node.inputs.filter((name) => name !== "" && sizeOf(name) > 1);
    const holds = arrays.some((name) => isHeld(name) || made.get(name)?.holds === true);
    const computed = new Set(arrays.flatMap((name) => (isHeld(name) ? [] : [...(made.get(name)?.computed ?? [name])])));
    if (!holds && computed.size > 1) cuts.add(node);
    else made.set(node.outputs[0] as string, { holds, computed });
  }
  return cuts;
}

/** The nodes in parts that share no array that any of them could change. */
function components(
  graph: Graph,
  nodes: ReadonlySet<Node>,
  isHeld: (name: string) => boolean,
  sizeOf: (name: string) => number,
): Node[][] {
  const made = new Set([...nodes].flatMap(({ outputs }) => outputs));
  let parts: { readonly nodes: readonly Node[]; readonly names: ReadonlySet<string> }[] = [];
  for (const node of graph.nodes) {
    if (!nodes.has(node)) continue;
    const around = [...node.inputs, ...node.outputs, ...node.outputs.map((name) => name.replace(/^new\./, ""))];
    const shared = around.filter((name) => made.has(name) || (isHeld(name) && sizeOf(name) > 1));
    const touched = parts.filter(({ names }) => shared.some((name) => names.has(name)));
    const joined = {
      nodes: [...touched.flatMap((part) => part.nodes), node],
      names: new Set([...touched.flatMap(({ names }) => [...names]), ...shared]),
    };
    parts = [...parts.filter((part) => !touched.includes(part)), joined];
  }
  return parts.map((part) => [...part.nodes]);
}

/** Undefined where an array that is read has its new value made elsewhere: it is not in our memory. */
function regionOf(
  nodes: readonly Node[],
  carried: ReadonlySet<string>,
  isHeld: (name: string) => boolean,
  sizeOf: (name: string) => number,
): UpdateRegion | undefined {
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const operands = [...new Set(nodes.flatMap(({ inputs }) => inputs))].filter((name) => name !== "" && !made.has(name));
  const arrays = operands.filter((name) => sizeOf(name) > 1);
  const changed = [...made].filter((name) => name.startsWith("new.")).map((name) => name.slice(4));
  const read = arrays.filter((name) => isHeld(name) && !changed.includes(name));
  if (changed.length === 0 || read.some((name) => carried.has(name))) return undefined;
  return {
    nodes,
    changed,
    read,
    computed: arrays.filter((name) => !isHeld(name)),
    scalars: operands.filter((name) => sizeOf(name) === 1),
    length: sizeOf(changed[0] as string),
  };
}
