// Two graphs that differ in constants alone as one: the same step for two sizes of batch, say, in one session.
import { sameTensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { Dimension, Graph, Node, ValueInfo } from "./graph.js";

/** A constant that was not the same in both graphs, and is an input of the united one. */
export interface Parted {
  readonly name: string;
  readonly first: Tensor;
  readonly second: Tensor;
}

export interface United {
  /** With the names of the first graph; lengths that differ are open. */
  readonly graph: Graph;
  readonly parted: readonly Parted[];
}

/** Undefined where the graphs differ in more than constants and lengths. Fed with either's constants it computes what that graph does. */
export function unite(first: Graph, second: Graph): United | undefined {
  const inputs = bothOf(first.inputs, second.inputs);
  const outputs = bothOf(first.outputs, second.outputs);
  if (inputs === undefined || outputs === undefined || first.nodes.length !== second.nodes.length) return undefined;

  /** What values of the second graph are called in the first. */
  const names = new Map(inputs.map(({ name }) => [name, name]));
  const held = new Map<string, Tensor>();
  const parted = new Map<string, Parted>();
  const common = (a: string, b: string): string | undefined => {
    const [one, other] = [first.initializers.get(a), second.initializers.get(b)];
    if (one === undefined || other === undefined) return (a === "" && b === "") || names.get(b) === a ? a : undefined;
    if (sameTensor(one, other)) {
      held.set(a, one);
      return a;
    }
    if (one.dtype !== other.dtype || one.shape.length !== other.shape.length) return undefined;
    const name = `${a} or ${b}`;
    parted.set(name, { name, first: one, second: other });
    return name;
  };

  const nodes: Node[] = [];
  for (const [i, node] of first.nodes.entries()) {
    const like = second.nodes[i] as Node;
    if (!sameOperation(node, like)) return undefined;
    const read = node.inputs.map((name, at) => common(name, like.inputs[at] as string));
    if (read.includes(undefined)) return undefined;
    like.outputs.forEach((name, at) => names.set(name, node.outputs[at] as string));
    nodes.push({ ...node, inputs: read as string[] });
  }
  if (outputs.some(({ name }) => names.get(name) !== name)) return undefined;

  const constants = [...parted.values()].map(({ name, first: { dtype, shape }, second: other }) => {
    return { name, dtype, shape: commonShape(shape, other.shape) };
  });
  const graph = { ...first, nodes, inputs: [...inputs, ...constants], outputs, initializers: held, valueInfos: [] };
  return { graph, parted: [...parted.values()] };
}

/** The same values in the same order, or undefined. */
function bothOf(first: readonly ValueInfo[], second: readonly ValueInfo[]): readonly ValueInfo[] | undefined {
  const alike = first.every(({ name, dtype, shape }, i) => {
    const other = second[i];
    return name === other?.name && dtype === other.dtype && shape?.length === other.shape?.length;
  });
  if (!alike || first.length !== second.length) return undefined;
  return first.map((value, i) => {
    const { shape = [] } = second[i] as ValueInfo;
    return value.shape === undefined ? value : { ...value, shape: commonShape(value.shape, shape) };
  });
}

function commonShape(first: readonly Dimension[], second: readonly Dimension[]): readonly Dimension[] {
  return first.map((length, axis) => (length === second[axis] ? length : null));
}

function sameOperation(a: Node, b: Node): boolean {
  return (
    a.opType === b.opType &&
    a.domain === b.domain &&
    a.inputs.length === b.inputs.length &&
    a.outputs.length === b.outputs.length &&
    attributesText(a) === attributesText(b)
  );
}

function attributesText({ attributes }: Node): string {
  return JSON.stringify(attributes, (_, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    return ArrayBuffer.isView(value) ? Array.from(value as Float32Array, String) : value;
  });
}
