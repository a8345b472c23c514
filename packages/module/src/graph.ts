// An ONNX graph as readonly data: what rules, builders and tools read. The file's own form is in proto/.
import { FederationError } from "@perennial-fl/core";
import type { DType, Float, Tensor } from "@perennial-fl/core";
import type { AttributeProto } from "./proto/messages.js";

/** A length, the name of one that is open (`"batch"`), or null when nothing is known of it. */
export type Dimension = number | string | null;

export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  /** Absent when not even the rank is known. */
  readonly shape?: readonly Dimension[];
}

export type Attribute =
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "ints"; readonly value: readonly bigint[] }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "tensor"; readonly value: Tensor }
  /** Subgraphs, strings, sparse tensors and types: kept as they are in the file. */
  | { readonly type: "other"; readonly value: AttributeProto };

export interface Node {
  /** May be empty: ONNX does not ask for names. See {@link describeNode}. */
  readonly name: string;
  readonly opType: string;
  /** `""` is ONNX's own domain. */
  readonly domain: string;
  /** `""` stands for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: { readonly [name: string]: Attribute };
}

export interface Graph {
  readonly name: string;
  /** The version of ONNX's own operators. */
  readonly opset: number;
  /** Versions of the other domains that the graph imports. */
  readonly domains: { readonly [domain: string]: number };
  /** In topological order. */
  readonly nodes: readonly Node[];
  /** Without those that have an initializer. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** In file order. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly valueInfos: readonly ValueInfo[];
}

/** `Conv node "conv1"`, or by its first output where it has no name. */
export function describeNode(node: Node): string {
  const operator = node.domain === "" ? node.opType : `${node.domain}.${node.opType}`;
  return node.name === "" ? `${operator} node of output "${node.outputs[0] ?? ""}"` : `${operator} node "${node.name}"`;
}

/** An attribute's value as code writes it: a number is an integer, core's `float` makes a float. */
export type AttributeValue = Float | number | Tensor | string | readonly number[];

export type AttributeValues = { readonly [name: string]: AttributeValue };

export function attributesOf(values: AttributeValues): { [name: string]: Attribute } {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, attributeOf(value)]));
}

function attributeOf(value: AttributeValue): Attribute {
  if (typeof value === "number") return { type: "int", value: BigInt(value) };
  if (typeof value === "string") return { type: "string", value };
  if (isList(value)) return { type: "ints", value: value.map(BigInt) };
  return "float" in value ? { type: "float", value: value.float } : { type: "tensor", value };
}

function isList(value: AttributeValue): value is readonly number[] {
  return Array.isArray(value);
}

/** The integer attribute `name`, or `fallback`. Throws `model/corrupt` for another type and beyond 2^53. */
export function intOf<Fallback extends number | undefined>(
  node: Node,
  name: string,
  fallback: Fallback,
): number | Fallback {
  const attribute = attributeNamed(node, name, "int");
  return attribute === undefined ? fallback : safe(node, name, attribute.value);
}

/** The integer list attribute `name`, or `fallback`. Throws as {@link intOf}. */
export function intsOf<Fallback extends readonly number[] | undefined>(
  node: Node,
  name: string,
  fallback: Fallback,
): readonly number[] | Fallback {
  const attribute = attributeNamed(node, name, "ints");
  return attribute === undefined ? fallback : attribute.value.map((value) => safe(node, name, value));
}

/** The float attribute `name`, or `fallback`. Throws `model/corrupt` for another type. */
export function floatOf(node: Node, name: string, fallback: number): number {
  return attributeNamed(node, name, "float")?.value ?? fallback;
}

/** The text attribute `name`, or `fallback`. Throws `model/corrupt` for another type. */
export function stringOf(node: Node, name: string, fallback: string): string {
  return attributeNamed(node, name, "string")?.value ?? fallback;
}

function attributeNamed<Type extends Attribute["type"]>(
  node: Node,
  name: string,
  type: Type,
): Extract<Attribute, { type: Type }> | undefined {
  const attribute = Object.hasOwn(node.attributes, name) ? node.attributes[name] : undefined;
  if (attribute === undefined) return undefined;
  if (attribute.type !== type) {
    throw new FederationError(
      "model/corrupt",
      `reading the ${describeNode(node)}: its attribute "${name}" is of type ${attribute.type}, not ${type}`,
    );
  }
  return attribute as Extract<Attribute, { type: Type }>;
}

function safe(node: Node, name: string, value: bigint): number {
  if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) {
    throw new FederationError(
      "model/corrupt",
      `reading the ${describeNode(node)}: its attribute "${name}" is ${value}, beyond 2^53`,
    );
  }
  return Number(value);
}
