// The graph of an ONNX file as our graph, and our graph as a message.
import { FederationError } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { Attribute, Dimension, Graph, Node, ValueInfo } from "../graph.js";
import { inlinedNodes } from "./inline.js";
import type {
  AttributeProto,
  DimensionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  ValueInfoProto,
} from "./messages.js";
import { codeOf, dtypeOf, tensorOf, tensorProto } from "./tensors.js";

const text = { decoder: new TextDecoder(), encoder: new TextEncoder() };

/** The graph of a model, calls of its local functions expanded. Throws `model/corrupt` where the message lacks what ONNX demands. */
export function graphOf(model: ModelProto): Graph {
  const graph = model.graph;
  if (graph === undefined) throw new FederationError("model/corrupt", "reading a model: it has no graph");
  const initializers = new Map<string, Tensor>();
  for (const proto of graph.initializer ?? []) {
    const name = proto.name ?? "";
    if (name === "" || initializers.has(name)) {
      throw new FederationError(
        "model/corrupt",
        `reading a model: two initializers are named "${name}" or one has no name`,
      );
    }
    initializers.set(name, tensorOf(proto, `initializer "${name}"`));
  }
  const versions = versionsOf(model.opsetImport ?? []);
  const { "": opset = 1, ...domains } = versions;
  return {
    name: graph.name ?? "",
    opset,
    domains,
    nodes: inlinedNodes(model).map(nodeOf),
    inputs: (graph.input ?? []).filter(({ name }) => !initializers.has(name ?? "")).map(valueInfoOf),
    outputs: (graph.output ?? []).map(valueInfoOf),
    initializers,
    valueInfos: (graph.valueInfo ?? []).filter(({ type }) => type?.tensorType !== undefined).map(valueInfoOf),
  };
}

/** A model of the given graph alone, with the IR version that its opset asks for. */
export function modelProto(graph: Graph): ModelProto {
  return {
    irVersion: BigInt(irVersion(graph.opset)),
    producerName: "perennial",
    graph: graphProto(graph),
    opsetImport: Object.entries({ "": graph.opset, ...graph.domains }).map(([domain, version]) => ({
      domain,
      version: BigInt(version),
    })),
  };
}

function graphProto(graph: Graph): GraphProto {
  return {
    node: graph.nodes.map(nodeProto),
    name: graph.name,
    initializer: Array.from(graph.initializers, ([name, value]) => tensorProto(name, value)),
    input: graph.inputs.map(valueInfoProto),
    output: graph.outputs.map(valueInfoProto),
    valueInfo: graph.valueInfos.map(valueInfoProto),
  };
}

/** The IR version with which an opset appeared (ONNX, Versioning.md); older ones are written as IR 8, which all read. */
function irVersion(opset: number): number {
  if (opset >= 25) return 13;
  if (opset >= 24) return 12;
  if (opset >= 23) return 11;
  return opset >= 21 ? 10 : 8;
}

function versionsOf(imports: readonly OperatorSetIdProto[]): { [domain: string]: number } {
  return Object.fromEntries(
    imports.map(({ domain = "", version = 1n }) => [domain === "ai.onnx" ? "" : domain, Number(version)]),
  );
}

function nodeOf(proto: NodeProto): Node {
  const domain = proto.domain ?? "";
  return {
    name: proto.name ?? "",
    opType: proto.opType ?? "",
    domain: domain === "ai.onnx" ? "" : domain,
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    attributes: Object.fromEntries(
      (proto.attribute ?? []).map((attribute) => [attribute.name ?? "", attributeOf(attribute)]),
    ),
  };
}

function nodeProto(node: Node): NodeProto {
  return {
    input: node.inputs,
    output: node.outputs,
    ...(node.name === "" ? {} : { name: node.name }),
    opType: node.opType,
    attribute: Object.entries(node.attributes).map(([name, attribute]) => attributeProto(name, attribute)),
    ...(node.domain === "" ? {} : { domain: node.domain }),
  };
}

function attributeOf(proto: AttributeProto): Attribute {
  switch (proto.type) {
    case 1:
      return { type: "float", value: proto.f ?? 0 };
    case 2:
      return { type: "int", value: proto.i ?? 0n };
    case 3:
      return { type: "string", value: text.decoder.decode(proto.s) };
    case 4:
      // A tensor of strings or of another foreign type stays as it is.
      return proto.t === undefined || proto.t.dataType === 8
        ? { type: "other", value: proto }
        : { type: "tensor", value: tensorOf(proto.t, `attribute "${proto.name ?? ""}"`) };
    case 6:
      return { type: "floats", value: proto.floats ?? [] };
    case 7:
      return { type: "ints", value: proto.ints ?? [] };
    default:
      return { type: "other", value: proto };
  }
}

function attributeProto(name: string, attribute: Attribute): AttributeProto {
  switch (attribute.type) {
    case "float":
      return { name, f: attribute.value, type: 1 };
    case "int":
      return { name, i: attribute.value, type: 2 };
    case "string":
      return { name, s: text.encoder.encode(attribute.value), type: 3 };
    case "tensor":
      return { name, t: tensorProto("", attribute.value), type: 4 };
    case "floats":
      return { name, floats: attribute.value, type: 6 };
    case "ints":
      return { name, ints: attribute.value, type: 7 };
    case "other":
      return attribute.value;
  }
}

function valueInfoOf(proto: ValueInfoProto): ValueInfo {
  const name = proto.name ?? "";
  const { elemType, shape } = proto.type?.tensorType ?? {};
  return {
    name,
    dtype: dtypeOf(elemType, `the type of "${name}"`),
    ...(shape === undefined ? {} : { shape: (shape.dim ?? []).map(dimensionOf) }),
  };
}

function valueInfoProto({ name, dtype, shape }: ValueInfo): ValueInfoProto {
  return {
    name,
    type: {
      tensorType: {
        elemType: codeOf(dtype),
        ...(shape === undefined ? {} : { shape: { dim: shape.map(dimensionProto) } }),
      },
    },
  };
}

function dimensionOf({ dimValue, dimParam }: DimensionProto): Dimension {
  if (dimValue !== undefined) return Number(dimValue);
  return dimParam === undefined || dimParam === "" ? null : dimParam;
}

function dimensionProto(dimension: Dimension): DimensionProto {
  if (dimension === null) return {};
  return typeof dimension === "number" ? { dimValue: BigInt(dimension) } : { dimParam: dimension };
}
