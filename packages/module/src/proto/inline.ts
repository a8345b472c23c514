// Local functions of a model: every call becomes the nodes of the function's body, so that the rest sees plain operators.
import { FederationError } from "@perennial-fl/core";
import type { AttributeProto, FunctionProto, ModelProto, NodeProto } from "./messages.js";

/** A file of a few functions that call each other twice can ask for more nodes than any machine holds. */
const mostNodes = 100_000;

/**
 * The nodes of the model's graph with all calls expanded, also those in bodies (ONNX IR, Functions). Values of a body get
 * the name of the call in front. Throws `model/unsupported`, naming the function, for a body with subgraphs or of another
 * opset than the model's, and `model/corrupt` for a function that calls itself.
 */
export function inlinedNodes(model: ModelProto): readonly NodeProto[] {
  const nodes = model.graph?.node ?? [];
  const functions = new Map((model.functions ?? []).map((called) => [keyOf(called, called.name), called]));
  if (functions.size === 0) return nodes;
  const find = (node: NodeProto): FunctionProto | undefined => functions.get(keyOf(node, node.opType));
  for (const called of functions.values()) requireOpset(model, called);
  requireFinite(functions.values(), find);
  let calls = 0;
  const expand = (node: NodeProto): readonly NodeProto[] => {
    const called = find(node);
    if (called === undefined) return [node];
    return bodyOf(called, node, `${node.name || nameOf(called)}#${calls++}`).flatMap(expand);
  };
  return nodes.flatMap(expand);
}

/** Throws for a function that calls itself, at whatever distance, and for one whose calls come to too many nodes. */
function requireFinite(functions: Iterable<FunctionProto>, find: (node: NodeProto) => FunctionProto | undefined): void {
  const sizes = new Map<FunctionProto, number>();
  const sizeOf = (called: FunctionProto): number => {
    const known = sizes.get(called);
    if (known !== undefined && !Number.isNaN(known)) return known;
    if (known !== undefined) {
      throw new FederationError("model/corrupt", `reading a model: its function ${nameOf(called)} calls itself`);
    }
    // Until it is known: whoever comes by here again has gone in a circle.
    sizes.set(called, NaN);
    const size = (called.node ?? [])
      .map(find)
      .reduce((sum, inner) => sum + (inner === undefined ? 1 : sizeOf(inner)), 0);
    if (size > mostNodes) throw unsupported(called, `its calls come to more than ${mostNodes} nodes`);
    sizes.set(called, size);
    return size;
  };
  for (const called of functions) sizeOf(called);
}

/** The nodes of one call, with the caller's values and attributes in place of the function's own. */
function bodyOf(called: FunctionProto, call: NodeProto, prefix: string): NodeProto[] {
  const { input: inputs = [], output: outputs = [], node: body = [] } = called;
  const names = new Map(outputs.map((name, i) => [name, call.output?.[i] || `${prefix}/${name}`]));
  inputs.forEach((name, i) => names.set(name, call.input?.[i] ?? ""));
  const rename = (name: string): string => (name === "" ? "" : (names.get(name) ?? `${prefix}/${name}`));
  const attributes = new Map(
    [...(called.attributeProto ?? []), ...(call.attribute ?? [])].map((each) => [each.name, each]),
  );
  return body.map((node) => ({
    ...node,
    name: `${prefix}/${node.name ?? node.opType ?? ""}`,
    input: (node.input ?? []).map(rename),
    output: (node.output ?? []).map(rename),
    attribute: (node.attribute ?? []).flatMap((attribute) => bound(attribute, attributes, called)),
  }));
}

/** The attribute with the value that it refers to; one that refers to an attribute which nobody gave is left out. */
function bound(
  attribute: AttributeProto,
  given: ReadonlyMap<string | undefined, AttributeProto>,
  called: FunctionProto,
): AttributeProto[] {
  if (attribute.g !== undefined || (attribute.graphs?.length ?? 0) > 0) {
    throw unsupported(called, "a node of its body holds a graph of its own");
  }
  if (!attribute.refAttrName) return [attribute];
  const value = given.get(attribute.refAttrName);
  return value === undefined ? [] : [{ ...value, name: attribute.name ?? "" }];
}

function requireOpset({ opsetImport = [] }: ModelProto, called: FunctionProto): void {
  const own = opsetOf(opsetImport);
  const wanted = opsetOf(called.opsetImport ?? []);
  if (wanted === undefined || own === undefined || wanted === own) return;
  throw unsupported(called, `it is written in opset ${wanted}, and the model in ${own}; export both in one`);
}

function opsetOf(imports: NonNullable<ModelProto["opsetImport"]>): bigint | undefined {
  return imports.find(({ domain = "" }) => domain === "" || domain === "ai.onnx")?.version;
}

function keyOf({ domain = "", overload = "" }: NodeProto | FunctionProto, name = ""): string {
  return JSON.stringify([domain === "ai.onnx" ? "" : domain, name, overload]);
}

function nameOf({ domain = "", name = "" }: FunctionProto): string {
  return domain === "" ? name : `${domain}.${name}`;
}

function unsupported(called: FunctionProto, why: string): FederationError {
  return new FederationError("model/unsupported", `reading a model: its function ${nameOf(called)}: ${why}`);
}
