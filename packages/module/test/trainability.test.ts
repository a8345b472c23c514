// What is said of modules that cannot be trained, and of what an export took away from those that can.
import { readFileSync } from "node:fs";
import { float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { OnnxModule, attributesOf, trainability } from "../src/index.js";
import type { Graph, Node } from "../src/index.js";
import { decode, encode } from "../src/proto/codec.js";

const node = (opType: string, inputs: readonly string[], output: string, domain = ""): Node => ({
  name: `make ${output}`,
  opType,
  domain,
  inputs,
  outputs: [output],
  attributes: attributesOf({}),
});

function moduleOf(nodes: readonly Node[], change: Partial<Graph> = {}, more: Readonly<Record<string, Tensor>> = {}) {
  const weights: [string, Tensor] = ["w", float32([3, 3], new Float32Array(9))];
  return OnnxModule.fromGraph({
    name: "g",
    opset: 18,
    domains: { "com.microsoft": 1, acme: 3 },
    nodes,
    inputs: [{ name: "x", dtype: "float32", shape: ["n", 3] }],
    outputs: [{ name: "y", dtype: "float32" }],
    initializers: new Map([weights, ...Object.entries(more)]),
    valueInfos: [],
    ...change,
  });
}
const said = (module: OnnxModule): string[] =>
  trainability(module).obstacles.map(({ where, why, remedy }) => `${where}: ${why}; ${remedy}`);

describe("A module", () => {
  it("that can be trained has nothing in the way and no notes", () => {
    const expected = { trainable: true, obstacles: [], notes: [] };
    expect(trainability(moduleOf([node("MatMul", ["x", "w"], "y")]))).deep.equal(expected);
  });

  it("that cannot has every node in the way named at once, each with what to do", () => {
    const nodes = [
      node("FusedMatMul", ["x", "w"], "a", "com.microsoft"),
      node("Fancy", ["a"], "b", "acme"),
      node("QuantizeLinear", ["b"], "c"),
      node("Loop", ["c"], "d"),
      node("RandomNormalLike", ["d"], "e"),
      node("Det", ["e"], "y"),
    ];
    expect(said(moduleOf(nodes))).deep.equal([
      "com.microsoft.FusedMatMul node \"make a\": its operator is of the domain com.microsoft 1, not ONNX's own; take the file from before onnxruntime's optimiser or quantiser changed it",
      'acme.Fancy node "make b": its operator is of the domain acme 3, not ONNX\'s own; export with the bodies of custom operators as functions in the file',
      'QuantizeLinear node "make c": QuantizeLinear of opset 18 is not supported; train the float32 module, and quantise what comes of it',
      'Loop node "make d": Loop of opset 18 is not supported; export without control flow: trace the module for one path and length',
      'RandomNormalLike node "make e": RandomNormalLike of opset 18 is not supported; draw what is random before the module, and feed it',
      'Det node "make y": Det of opset 18 is not supported; let the module end before it, or say it in the operators of FEATURES.md',
    ]);
  });

  it("that stops gradients is told by the operators that have none, but only where parameters need one", () => {
    const blocked = [node("MatMul", ["x", "w"], "h"), node("Sign", ["h"], "s"), node("Mul", ["s", "h"], "y")];
    const free = [node("Sign", ["x"], "s"), node("MatMul", ["s", "w"], "y")];
    expect(trainability(moduleOf(free)).trainable).equal(true);
    expect(said(moduleOf(blocked))).deep.equal([
      'Sign node "make s": Sign has no gradient, and parameters before it need one; freeze those parameters, or let the module end before it',
    ]);
  });

  const matMul = [node("MatMul", ["x", "w"], "y")];
  const others: readonly [string, OnnxModule, RegExp][] = [
    ["its opset", moduleOf(matMul, { opset: 27 }), /^the module: its opset is 27; export it in an opset from 7 to 26$/],
    ["its lack of parameters", moduleOf(matMul, { initializers: new Map() }), /^the module: it has no parameters/],
    ["its inputs", moduleOf(matMul, { inputs: [] }), /^the module: it has 0 inputs and 1 outputs; /],
    [
      "its shapes",
      moduleOf(matMul, { inputs: [{ name: "x", dtype: "float32", shape: ["n", 4] }] }),
      /^the module: .*MatMul node "make y".*\[2, 4\] and \[3, 3\]/,
    ],
  ];
  for (const [what, module, message] of others) {
    it(`that cannot for ${what} says so`, () => {
      const [first = "", ...rest] = said(module);
      expect(rest).deep.equal([]);
      expect(first).match(message);
    });
  }

  it("names the scalars that it takes for constants, but not those that exporters made", () => {
    const one = float32([], [1]);
    const scalars = {
      temperature: one,
      val_3: one,
      "onnx::Mul_4": one,
      "head.scale": one,
      on: tensor("bool", [], Uint8Array.of(1)),
    };
    expect(trainability(moduleOf(matMul, {}, scalars)).notes).deep.equal([
      "the scalar temperature is taken for a constant: to train it, name it in the file's metadata under perennial.scalars",
    ]);
  });
});

describe("A file of PyTorch's", () => {
  const read = (name: string): Uint8Array =>
    readFileSync(new URL(`../../fixtures/torch/${name}.onnx`, import.meta.url));
  const notesOf = (bytes: Uint8Array): readonly string[] => trainability(OnnxModule.fromBytes(bytes)).notes;

  /** The file with every BatchNormalization as an exporter in evaluation mode writes it. */
  function evaluating(bytes: Uint8Array, how: object): Uint8Array {
    const model = decode("ModelProto", bytes);
    const nodes = (model.graph?.node ?? []).map((each) =>
      each.opType === "BatchNormalization" ? { ...each, output: each.output?.slice(0, 1) ?? [], ...how } : each,
    );
    return encode("ModelProto", { ...model, graph: { ...model.graph, node: nodes } });
  }

  const call = "_native_batch_norm_legit_no_training : [num_users=1]";
  const hows: readonly [name: string, how: object][] = [
    ["mobilenet-legacy-11", { attribute: [] }],
    ["mobilenet-legacy-17", { attribute: [{ name: "training_mode", i: 0n, type: 2 }] }],
    ["mobilenet-dynamo-18", { metadataProps: [{ key: "pkg.torch.onnx.fx_node", value: call }] }],
  ];
  for (const [name, how] of hows) {
    it(`in training mode needs no word, in evaluation mode it does: ${name}`, () => {
      expect(notesOf(read(name))).deep.equal([]);
      const [note, ...rest] = notesOf(evaluating(read(name), how));
      expect(rest).deep.equal([]);
      expect(note).match(
        /^it was exported in evaluation mode: 4 BatchNorm.*dropout is gone if there was any: export again/,
      );
    });
  }

  it("whose normalisations were folded away is recognised by what both exporters leave", () => {
    const model = decode("ModelProto", read("lenet-legacy-17"));
    const folded = (change: (each: NonNullable<NonNullable<typeof model.graph>["node"]>[number]) => object): string => {
      const nodes = (model.graph?.node ?? []).map((each) =>
        each.opType === "Conv" ? { ...each, ...change(each) } : each,
      );
      const initializer = (model.graph?.initializer ?? []).map((held) => ({ ...held, name: renamed(held.name ?? "") }));
      return notesOf(encode("ModelProto", { ...model, graph: { ...model.graph, node: nodes, initializer } })).join();
    };
    const weights = (model.graph?.node ?? []).flatMap(({ opType, input }) =>
      opType === "Conv" ? [input?.[1] ?? ""] : [],
    );
    let renamed = (name: string): string => name;
    const rule = [{ key: "pkg.onnxscript.rewriter.rule_name", value: "FuseBatchNormIntoConv" }];
    expect(folded(() => ({ metadataProps: rule }))).match(/^2 BatchNormalizations are folded into the layers before/);
    renamed = (name) => (weights.includes(name) ? `onnx::Conv_${weights.indexOf(name).toString()}` : name);
    expect(folded(({ input = [] }) => ({ input: input.map(renamed) }))).match(/^2 BatchNormalizations are folded/);
  });
});
