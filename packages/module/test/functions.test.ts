// Local functions of a model: called, nested and given attributes, they mean what onnxruntime makes of them.
import { FederationError, float32 } from "@perennial-fl/core";
import { expect } from "chai";
import { OnnxModule, evaluationGraph, meanSquaredError, sgd, trainingGraph } from "../src/index.js";
import { encode } from "../src/proto/codec.js";
import type { AttributeProto, FunctionProto, ModelProto, NodeProto } from "../src/proto/messages.js";
import { tensorProto } from "../src/proto/tensors.js";
import { normals, numbers, run } from "./train.js";

const opsetImport = [
  { domain: "", version: 18n },
  { domain: "own", version: 1n },
];
const node = (
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attribute: readonly AttributeProto[] = [],
  domain = "",
): NodeProto => ({ opType, input, output, attribute, domain, name: `${opType} ${output[0] ?? ""}` });
const call = (name: string, input: readonly string[], output: readonly string[], ...attribute: AttributeProto[]) =>
  node(name, input, output, attribute, "own");
const refers = (name: string, refAttrName: string, type: number): AttributeProto => ({ name, refAttrName, type });
const functionOf = (
  name: string,
  input: readonly string[],
  output: readonly string[],
  body: readonly NodeProto[],
  more: FunctionProto = {},
): FunctionProto => ({ domain: "own", name, input, output, node: body, opsetImport, ...more });

/** LeakyRelu of a slope that is 0.5 unless given. */
const leaky = functionOf("Leaky", ["x"], ["y"], [node("LeakyRelu", ["x"], ["y"], [refers("alpha", "slope", 1)])], {
  attributeProto: [{ name: "slope", f: 0.5, type: 1 }],
});
/** x W + b, through the activation twice; the bias may be left out. */
const block = functionOf(
  "Block",
  ["x", "w", "b"],
  ["y"],
  [
    node("Gemm", ["x", "w", "b"], ["h"]),
    call("Leaky", ["h"], ["z"], refers("slope", "outer", 1)),
    call("Leaky", ["z"], ["y"]),
  ],
  { attribute: ["outer"] },
);

function model(nodes: readonly NodeProto[], functions: readonly FunctionProto[]): ModelProto {
  const value = (name: string, ...shape: (bigint | string)[]) => ({
    name,
    type: {
      tensorType: {
        elemType: 1,
        shape: { dim: shape.map((dim) => (typeof dim === "string" ? { dimParam: dim } : { dimValue: dim })) },
      },
    },
  });
  return {
    irVersion: 8n,
    opsetImport,
    functions,
    graph: {
      name: "g",
      node: nodes,
      initializer: ["v", "w"]
        .map((name) => tensorProto(name, normals(name, [3, 3])))
        .concat(tensorProto("b", normals("b", [3]))),
      input: [value("x", "n", 3n)],
      output: [value("y", "n", 3n)],
    },
  };
}
const moduleOf = (...of: Parameters<typeof model>): OnnxModule =>
  OnnxModule.fromBytes(encode("ModelProto", model(...of)));

describe("A local function", () => {
  const nodes = [
    call("Block", ["x", "w", "b"], ["h"], { name: "outer", f: 0.25, type: 1 }),
    call("Block", ["h", "v"], ["z"]),
    node("Add", ["z", "h"], ["y"]),
  ];

  it("is inlined: nested, twice, with attributes given and by default, and an input left out", async () => {
    const module = moduleOf(nodes, [leaky, block]);
    expect(new Set(module.graph.nodes.map(({ domain }) => domain))).deep.equal(new Set([""]));
    expect(new Set(module.graph.nodes.flatMap(({ outputs }) => outputs)).size).equal(module.graph.nodes.length);
    const x = normals("x", [4, 3]);
    const { y } = await run(module.toBytes(), { x });
    const { model: graph } = evaluationGraph(module, { loss: meanSquaredError(), batchSize: 4 });
    const fed = Object.fromEntries(module.parameterNames.map((name, i) => [name, module.parameters[i]!]));
    const { logits } = await run(graph, { ...fed, x, targets: float32([4, 3], new Float32Array(12)) });
    numbers(y!).forEach((value, i) => expect(numbers(logits!)[i]).closeTo(value, 1e-6));
    const step = trainingGraph(module, { loss: meanSquaredError(), optimizer: sgd({ learningRate: 1 }), batchSize: 4 });
    expect(step.parameters.map(({ name }) => name)).deep.equal(["v", "w", "b"]);
  });

  it("stays in the file that is written", () => {
    const module = moduleOf(nodes, [leaky, block]);
    const again = OnnxModule.fromBytes(module.withParameters(module.parameters.map((held) => held)).toBytes());
    expect(again.graph.nodes).deep.equal(module.graph.nodes);
    expect(Buffer.from(again.toBytes()).includes("Leaky")).equal(true);
  });

  const itself = functionOf("Self", ["x"], ["y"], [call("Self", ["x"], ["y"])]);
  const older = { ...leaky, opsetImport: [{ domain: "", version: 17n }] };
  const graph = { name: "then", type: 5, g: { name: "g" } };
  const branching = functionOf("Branch", ["x"], ["y"], [node("If", ["x"], ["y"], [graph])]);
  const doubling = Array.from({ length: 21 }, (_, i) => {
    const inner = (from: string, to: string) =>
      i === 0 ? node("Neg", [from], [to]) : call(`D${(i - 1).toString()}`, [from], [to]);
    return functionOf(`D${i.toString()}`, ["x"], ["y"], [inner("x", "h"), inner("h", "y")]);
  });
  const refusals: readonly [string, NodeProto, readonly FunctionProto[], string][] = [
    ["calls itself", call("Self", ["x"], ["y"]), [itself], "its function own.Self calls itself"],
    [
      "is of another opset",
      call("Leaky", ["x"], ["y"]),
      [older],
      "own.Leaky: it is written in opset 17, and the model in 18",
    ],
    ["branches", call("Branch", ["x"], ["y"]), [branching], "own.Branch: a node of its body holds a graph of its own"],
    ["grows without bound", call("D20", ["x"], ["y"]), doubling, "own.D16: its calls come to more than 100000 nodes"],
  ];
  for (const [what, calling, functions, message] of refusals) {
    it(`that ${what} is refused by name`, () => {
      expect(() => moduleOf([calling], functions)).throws(FederationError, message);
    });
  }
});
