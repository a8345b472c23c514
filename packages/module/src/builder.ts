// Builds a graph node by node and knows the shape of every value on the way.
import { FederationError, assert, tensor } from "@perennial-fl/core";
import type { DType, Tensor, TensorHeader } from "@perennial-fl/core";
import { attributesOf } from "./graph.js";
import type { Attribute, AttributeValues, Graph, Node, ValueInfo } from "./graph.js";
import { liveNodes } from "./live.js";
import { codeOf } from "./proto/tensors.js";
import { inferShapes } from "./shapes/rules.js";

/** The opset that every built, imported and differentiated graph is in. */
export const targetOpset = 18;

/** A tensor of the graph that is being built: its name, and what is known before the graph runs. */
export interface Value extends TensorHeader {
  readonly name: string;
  /** Its elements, where they are the same in every run. */
  readonly constant?: Tensor;
}

/** A node with the values it connects; `undefined` is an optional input that is left out. */
export interface Placed {
  readonly node: Node;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
}

export interface NodeOptions {
  readonly name?: string;
  readonly domain?: string;
  /** How many outputs the node has, or which names they get where those are free. 1 by default. */
  readonly outputs?: number | readonly string[];
}

export interface GraphBuilder {
  /** All nodes so far, in order. */
  readonly placed: readonly Placed[];
  input(name: string, dtype: DType, shape: readonly number[]): Value;
  /** A tensor under its own name, which a later run may replace: nothing is concluded from its elements. */
  initializer(name: string, value: Tensor): Value;
  /** A constant; equal constants are one value. */
  constant(value: Tensor, name?: string): Value;
  /** A constant list of int64, as axes and shapes are given. */
  ints(values: readonly number[]): Value;
  /** A constant scalar of the same element type as `like`. */
  scalar(value: number, like: TensorHeader): Value;
  /** A node with any number of outputs. An equal node that is already there is used again. Throws `model/shape` where shapes do not fit. */
  node(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes?: AttributeValues | RawAttributes,
    options?: NodeOptions,
  ): readonly Value[];
  /** A node of ONNX's own domain with one output. */
  op(opType: string, inputs: readonly (Value | undefined)[], attributes?: AttributeValues): Value;
  add(a: Value, b: Value): Value;
  sub(a: Value, b: Value): Value;
  mul(a: Value, b: Value): Value;
  div(a: Value, b: Value): Value;
  /** The value in the element type of `like`. */
  cast(value: Value, like: TensorHeader): Value;
  reshape(value: Value, shape: readonly number[]): Value;
  /** The sum over `axes`, which are kept with length 1. */
  sum(value: Value, axes: readonly number[]): Value;
  /** The mean over `axes`, which are kept with length 1. */
  mean(value: Value, axes: readonly number[]): Value;
  /** The graph with these outputs, under these names, and nothing that they do not need. */
  graph(name: string, outputs: { readonly [name: string]: Value }): Graph;
}

/** Attributes as a read graph holds them. */
export interface RawAttributes {
  readonly raw: { readonly [name: string]: Attribute };
}

export function graphBuilder(): GraphBuilder {
  const placed: Placed[] = [];
  const inputs: ValueInfo[] = [];
  const constants = new Map<string, { readonly value: Value; readonly tensor: Tensor }>();
  const known = new Map<string, readonly Value[]>();
  const names = new Set<string>();
  const domains: { [domain: string]: number } = {};

  const free = (wanted: string): string => {
    let name = wanted;
    for (let n = 1; names.has(name); n++) name = `${wanted}_${n}`;
    names.add(name);
    return name;
  };

  const builder: GraphBuilder = {
    placed,
    input(name, dtype, shape) {
      assert(!names.has(name), `"${name}" is a new name`);
      names.add(name);
      inputs.push({ name, dtype, shape });
      return { name, dtype, shape };
    },
    initializer(name, value) {
      assert(!names.has(name), `"${name}" is a new name`);
      names.add(name);
      const made: Value = { name, dtype: value.dtype, shape: value.shape };
      constants.set(`named ${name}`, { value: made, tensor: value });
      return made;
    },
    constant(value, name = "constant") {
      const key = `${value.dtype}[${value.shape.join()}]${contentKey(value)}`;
      const same = constants.get(key);
      if (same !== undefined) return same.value;
      const made: Value = { name: free(name), dtype: value.dtype, shape: value.shape, constant: value };
      constants.set(key, { value: made, tensor: value });
      return made;
    },
    ints: (values) => builder.constant(tensor("int64", [values.length], BigInt64Array.from(values, BigInt))),
    scalar: (value, like) => builder.constant(scalarOf(value, like.dtype)),
    node(opType, given, attributes = {}, { name = "", domain = "", outputs: wanted = 1 } = {}) {
      const wantedNames = typeof wanted === "number" ? unnamed(opType, wanted) : wanted;
      const draft: Node = {
        name,
        opType,
        domain,
        inputs: trimmed(given.map((value) => value?.name ?? "")),
        outputs: wantedNames,
        attributes: "raw" in attributes ? (attributes as RawAttributes).raw : attributesOf(attributes),
      };
      const key = nodeKey(draft);
      const same = known.get(key);
      if (same !== undefined) return same;
      const headers = inferShapes(draft, given);
      const outputs = headers.map(({ dtype, shape }, i) => ({ name: free(wantedNames[i] as string), dtype, shape }));
      placed.push({ node: { ...draft, outputs: outputs.map((output) => output.name) }, inputs: given, outputs });
      known.set(key, outputs);
      if (domain !== "") domains[domain] = 1;
      return outputs;
    },
    op: (opType, given, attributes) => builder.node(opType, given, attributes)[0] as Value,
    add: (a, b) => builder.op("Add", [a, b]),
    sub: (a, b) => builder.op("Sub", [a, b]),
    mul: (a, b) => builder.op("Mul", [a, b]),
    div: (a, b) => builder.op("Div", [a, b]),
    cast: (value, like) =>
      value.dtype === like.dtype ? value : builder.op("Cast", [value], { to: codeOf(like.dtype) }),
    reshape: (value, shape) =>
      sameShape(value.shape, shape) ? value : builder.op("Reshape", [value, builder.ints(shape)], { allowzero: 1 }),
    sum: (value, axes) => (axes.length === 0 ? value : builder.op("ReduceSum", [value, builder.ints(axes)])),
    mean: (value, axes) => (axes.length === 0 ? value : builder.op("ReduceMean", [value, builder.ints(axes)])),
    graph(name, outputs) {
      const nodes = namedNodes(placed, outputs, free);
      const used = new Set(nodes.flatMap((node) => node.inputs));
      const held = [...constants.values()].filter(({ value }) => used.has(value.name));
      return {
        name,
        opset: targetOpset,
        domains,
        nodes,
        inputs,
        outputs: Object.entries(outputs).map(([output, { dtype, shape }]) => ({ name: output, dtype, shape })),
        initializers: new Map(held.map(({ value, tensor: elements }) => [value.name, elements])),
        valueInfos: [],
      };
    },
  };
  return builder;
}

/** The nodes that the outputs need, with those values renamed; a value that has another name already is copied. */
function namedNodes(
  placed: readonly Placed[],
  outputs: { readonly [name: string]: Value },
  free: (wanted: string) => string,
): Node[] {
  const produced = new Set(placed.flatMap(({ outputs: values }) => values.map((value) => value.name)));
  const renamed = new Map<string, string>();
  const copies: Node[] = [];
  for (const [wanted, { name }] of Object.entries(outputs)) {
    if (produced.has(name) && !renamed.has(name)) renamed.set(name, wanted);
    else copies.push({ name: "", opType: "Identity", domain: "", inputs: [name], outputs: [wanted], attributes: {} });
  }
  // An inner value that happens to have an output's name gives way.
  for (const wanted of Object.keys(outputs)) {
    if (produced.has(wanted) && !renamed.has(wanted)) renamed.set(wanted, free(wanted));
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  const nodes = placed.map(({ node }) => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  // A copy reads its source under the name that it has by now.
  const copied = copies.map((node) => ({ ...node, inputs: node.inputs.map(rename) }));
  return liveNodes([...nodes, ...copied], Object.keys(outputs));
}

/** A scalar tensor. Throws `model/unsupported` for element types that no gradient has. */
function scalarOf(value: number, dtype: DType): Tensor {
  switch (dtype) {
    case "float32":
      return tensor(dtype, [], Float32Array.of(value));
    case "float64":
      return tensor(dtype, [], Float64Array.of(value));
    case "int64":
      return tensor(dtype, [], BigInt64Array.of(BigInt(value)));
    default:
      throw new FederationError("model/unsupported", `building a graph: a constant of type ${dtype}`);
  }
}

function unnamed(opType: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? opType : `${opType}.${i}`));
}

function trimmed(inputs: readonly string[]): readonly string[] {
  const end = inputs.findLastIndex((name) => name !== "");
  return inputs.slice(0, end + 1);
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** A text that equal tensors share; long ones are kept apart by their first and last elements and are compared by nobody. */
function contentKey({ data }: Tensor): string {
  return data.length <= 4096
    ? Array.from<number | bigint, string>(data, (x) => (Object.is(x, -0) ? "-0" : String(x))).join()
    : `unique ${(unique++).toString()}`;
}
let unique = 0;

function nodeKey({ opType, domain, inputs, outputs, attributes }: Node): string {
  const content = Object.entries(attributes).map(([name, { type, value }]) =>
    type === "tensor" || type === "other" ? [name, `unique ${(unique++).toString()}`] : [name, type, String(value)],
  );
  return JSON.stringify([domain, opType, inputs, outputs.length, content]);
}
