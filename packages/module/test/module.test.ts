// OnnxModule: what a file holds comes back, and what cannot be held is refused by name.
import { FederationError, float32, sameTensor, zeros } from "@perennial-fl/core";
import type { ErrorCode } from "@perennial-fl/core";
import { expect } from "chai";
import {
  OnnxModule,
  batchNorm2d,
  conv2d,
  linear,
  relu,
  sequential,
  trainingGraph,
  crossEntropy,
  sgd,
} from "../src/index.js";
import { decode, encode } from "../src/proto/codec.js";
import type { ModelProto, TensorProto } from "../src/proto/messages.js";

const mlp = sequential([linear(4, 3), relu(), linear(3, 2)], { input: [4], seed: 3 });
const text = new TextEncoder();

function modelWith(initializer: readonly TensorProto[], more: Partial<ModelProto> = {}): Uint8Array {
  return encode("ModelProto", {
    irVersion: 8n,
    opsetImport: [{ version: 18n }],
    graph: { name: "g", initializer },
    ...more,
  });
}

function refused(bytes: Uint8Array, code: ErrorCode, message: RegExp): void {
  expect(() => OnnxModule.fromBytes(bytes))
    .throws(FederationError, message)
    .with.property("code", code);
}

describe("A module", () => {
  it("names its parameters as PyTorch's state_dict does", () => {
    expect(mlp.parameterNames).deep.equal(["0.weight", "0.bias", "2.weight", "2.bias"]);
    expect(mlp.parameters.map(({ shape }) => shape)).deep.equal([[3, 4], [3], [2, 3], [2]]);
  });

  it("draws the same parameters from the same seed, within PyTorch's bounds", () => {
    const again = sequential([linear(4, 3), relu(), linear(3, 2)], { input: [4], seed: 3 });
    const other = sequential([linear(4, 3), relu(), linear(3, 2)], { input: [4], seed: 4 });
    expect(Buffer.from(again.toBytes()).equals(mlp.toBytes())).equal(true);
    expect(sameTensor(other.parameters[0]!, mlp.parameters[0]!)).equal(false);
    expect(Array.from(mlp.parameters[0]!.data, Number).every((x) => Math.abs(x) <= 0.5)).equal(true);
  });

  it("comes back from its bytes, and to the same bytes", () => {
    const read = OnnxModule.fromBytes(mlp.toBytes());
    expect(read.graph).deep.equal(mlp.graph);
    expect(Buffer.from(read.toBytes()).equals(mlp.toBytes())).equal(true);
    expect(read.graph.inputs[0]!.shape).deep.equal(["batch", 4]);
  });

  it("takes other parameters and leaves itself as it was", () => {
    const before = mlp.toBytes();
    const zero = mlp.withParameters(mlp.parameters.map(({ dtype, shape }) => zeros(dtype, shape)));
    const read = OnnxModule.fromBytes(zero.toBytes());
    expect(read.parameters.every(({ data }) => Array.from(data, Number).every((x) => x === 0))).equal(true);
    expect(Buffer.from(mlp.toBytes()).equals(before)).equal(true);
  });

  it("names the tensor that does not fit", () => {
    const wrong = mlp.parameters.with(1, float32([4], [1, 2, 3, 4]));
    expect(() => mlp.withParameters(wrong)).throws(
      FederationError,
      /"0\.bias" is float32\[3\], and a float32\[4\] was given/,
    );
    expect(() => mlp.withParameters(mlp.parameters.slice(1)))
      .throws(FederationError, /4 tensors, and 3/)
      .with.property("code", "model/mismatch");
  });

  it("adds to its metadata and replaces there", () => {
    const twice = mlp.withMetadata({ score: "1", run: "a" }).withMetadata({ score: "2" });
    expect(OnnxModule.fromBytes(twice.toBytes()).metadata).deep.equal({ score: "2", run: "a" });
  });
});

describe("A file of another tool", () => {
  it("keeps everything that it held, fields of the future too", () => {
    const model: ModelProto = {
      irVersion: 9n,
      producerName: "someone",
      producerVersion: "1.2",
      domain: "d",
      modelVersion: -3n,
      docString: "text",
      unknown: [
        { tag: (99 << 3) | 2, value: text.encode("future") },
        { tag: (98 << 3) | 0, value: 1n << 63n },
      ],
      graph: {
        name: "g",
        docString: "doc",
        node: [
          {
            input: ["x"],
            output: ["y"],
            opType: "Foreign",
            domain: "org.example",
            overload: "o",
            docString: "n",
            metadataProps: [{ key: "a", value: "b" }],
            attribute: [
              { name: "g", type: 5, g: { name: "inner" } },
              { name: "s", type: 8, strings: [text.encode("a"), text.encode("")] },
              { name: "i", type: 7, ints: [(1n << 63n) - 1n, -(1n << 63n)] },
            ],
          },
        ],
        input: [
          {
            name: "x",
            type: {
              sequenceType: {
                elemType: {
                  tensorType: {
                    elemType: 1,
                    shape: { dim: [{ dimParam: "n", denotation: "D" }, {}, { dimValue: 0n }] },
                  },
                },
              },
            },
          },
        ],
        sparseInitializer: [{ values: { dims: [1n], dataType: 1, floatData: [0.5], name: "sp" }, dims: [4n] }],
        quantizationAnnotation: [{ tensorName: "x", quantParameterTensorNames: [{ key: "k", value: "v" }] }],
      },
      opsetImport: [
        { domain: "", version: 17n },
        { domain: "org.example", version: 1n },
      ],
      functions: [
        {
          name: "f",
          domain: "org.example",
          input: ["a"],
          output: ["b"],
          attributeProto: [{ name: "z", f: 0, type: 1 }],
        },
      ],
      trainingInfo: [{ algorithm: { name: "t" }, updateBinding: [{ key: "k", value: "v" }] }],
    };
    const bytes = encode("ModelProto", model);
    const read = decode("ModelProto", bytes);
    expect(JSON.stringify(read, plain)).equal(JSON.stringify(decode("ModelProto", encode("ModelProto", read)), plain));
    expect(Buffer.from(encode("ModelProto", read)).equals(bytes)).equal(true);
    expect(read.unknown!.map(({ value }) => value)[1]).equal(1n << 63n);
  });

  it("is read whichever way it lists its elements", () => {
    const lists: TensorProto[] = [
      { name: "f", dims: [2n], dataType: 1, floatData: [1.5, -2] },
      { name: "d", dims: [1n], dataType: 11, doubleData: [0.1] },
      { name: "l", dims: [1n], dataType: 7, int64Data: [-(1n << 62n)] },
      { name: "b", dims: [2n], dataType: 9, int32Data: [1, 0] },
      { name: "u", dims: [1n], dataType: 12, uint64Data: [4294967295n] },
    ];
    const { graph, parameterNames } = OnnxModule.fromBytes(modelWith(lists));
    expect(
      Array.from(graph.initializers.values(), ({ data }) => Array.from<number | bigint, string>(data, String)),
    ).deep.equal([["1.5", "-2"], ["0.1"], ["-4611686018427387904"], ["1", "0"], ["4294967295"]]);
    expect(parameterNames).deep.equal(["f", "d"]);
  });

  it("is refused when it is damaged", () => {
    refused(new Uint8Array(), "model/corrupt", /no graph/);
    refused(text.encode("not a model at all"), "model/corrupt", /not an ONNX ModelProto/);
    refused(mlp.toBytes().subarray(0, 100), "model/corrupt", /not an ONNX ModelProto/);
    refused(
      modelWith([{ name: "w", dims: [3n], dataType: 1, rawData: new Uint8Array(8) }]),
      "model/corrupt",
      /"w".*12 bytes, not 8/,
    );
    refused(
      modelWith([{ name: "w", dims: [-1n], dataType: 1, rawData: new Uint8Array() }]),
      "model/corrupt",
      /length of -1/,
    );
  });

  it("is refused when tensors lie in another file, wherever they are named", () => {
    const outside: TensorProto = {
      name: "w",
      dims: [1n],
      dataType: 1,
      dataLocation: 1,
      externalData: [{ key: "location", value: "weights.bin" }],
    };
    const inNode = (attribute: object) =>
      modelWith([], { graph: { node: [{ opType: "If", output: ["y"], attribute: [attribute] }] } });
    for (const bytes of [
      modelWith([outside]),
      modelWith([], { graph: { sparseInitializer: [{ values: outside }] } }),
      inNode({ name: "t", type: 4, t: outside }),
      inNode({ name: "g", type: 5, g: { initializer: [outside] } }),
      inNode({ name: "sp", type: 11, sparseTensor: { indices: outside } }),
      modelWith([], { functions: [{ name: "f", node: [{ attribute: [{ name: "t", type: 4, t: outside }] }] }] }),
    ]) {
      refused(bytes, "model/external-data", /"w" is stored in weights\.bin/);
    }
  });

  it("is refused when its weights are half-precision or quantised", () => {
    refused(
      modelWith([{ name: "h", dims: [1n], dataType: 10, rawData: new Uint8Array(2) }]),
      "model/unsupported",
      /"h" are float16/,
    );
    refused(
      modelWith([{ name: "q", dims: [1n], dataType: 3, rawData: new Uint8Array(1) }]),
      "model/unsupported",
      /"q" are int8/,
    );
    refused(
      modelWith([{ name: "b", dims: [1n], dataType: 16, rawData: new Uint8Array(2) }]),
      "model/unsupported",
      /bfloat16/,
    );
  });
});

describe("A train step of a normalised network", () => {
  it("hands back running statistics and gives the optimizer none of them", () => {
    const module = sequential([conv2d(1, 2, 3), batchNorm2d(2)], { input: [1, 3, 3], seed: 1 });
    const flat = sequential([conv2d(1, 2, 3), batchNorm2d(2), (at) => at.place("Flatten", [at.input])], {
      input: [1, 3, 3],
      seed: 1,
    });
    const graph = trainingGraph(flat, {
      loss: crossEntropy(),
      optimizer: sgd({ learningRate: 1, momentum: 0.9 }),
      batchSize: 4,
    });
    expect(module.parameterNames).deep.equal(graph.parameters.map(({ name }) => name));
    expect(graph.optimizerState.map(({ name }) => name)).deep.equal([
      "momentum.0.weight",
      "momentum.0.bias",
      "momentum.1.weight",
      "momentum.1.bias",
    ]);
    expect(OnnxModule.fromBytes(graph.model).graph.outputs.map(({ name }) => name)).include("new.1.running_var");
  });
});

function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  return value instanceof Uint8Array ? Array.from(value) : value;
}
