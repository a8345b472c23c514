// Tensors, modules and data that are not what they should be.
import { float32, tensor, tensorFromBytes } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import { OnnxModule, crossEntropy, differentiate, linear, sequential, sgd } from "@perennial-fl/module";
import type { Graph } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import { field, message } from "./protobuf.js";
import { table } from "./table.js";

const module = (): OnnxModule => sequential([linear(4, 3)], { input: [4], seed: 1 });

/** The one initializer `w` of an ONNX file, with these fields besides its name and its shape [2]. */
const onnx = (...fields: readonly Uint8Array[]): Buffer =>
  message(field(1, 8), field(7, field(5, message(field(1, 2), field(8, "w"), ...fields))));
/** Fields of a TensorProto. */
const dataType = (code: number): Buffer => field(2, code);
const rawData = (bytes: number): Buffer => field(9, new Uint8Array(bytes));
const stored = (location: string): Buffer =>
  message(field(14, 1), field(13, message(field(1, "location"), field(2, location))));

/** y = Einsum(x, w): an operator that no gradient rule covers. */
const unsupported: Graph = {
  name: "g",
  opset: 18,
  domains: {},
  nodes: [{ name: "odd", opType: "Det", domain: "", inputs: ["w"], outputs: ["y"], attributes: {} }],
  inputs: [],
  outputs: [{ name: "y", dtype: "float32", shape: [] }],
  initializers: new Map([["w", float32([2, 2], [1, 2, 3, 4])]]),
  valueInfos: [],
};

table("tensors", [
  {
    title: "fewer elements than the shape has",
    act: () => float32([2, 3], [1, 2, 3]),
    code: "model/shape",
    message: "a tensor of shape [2, 3] holds 6 elements, not 3",
  },
  {
    title: "a negative length",
    act: () => tensor("float32", [-1], new Float32Array(1)),
    code: "model/shape",
    message: "a shape holds whole numbers from 0, not -1",
  },
  {
    title: "an array of another type",
    act: () => tensor("int64", [2], Float32Array.of(1, 2)),
    code: "model/shape",
    message: "a int64 tensor cannot hold a Float32Array",
  },
  {
    title: "bytes that end within an element",
    act: () => tensorFromBytes("float64", [1], new Uint8Array(7)),
    code: "model/shape",
    message: "a float64 tensor of shape [1] has 8 bytes, not 7",
  },
]);

table("modules", [
  {
    title: "an empty file",
    act: () => OnnxModule.fromBytes(new Uint8Array()),
    code: "model/corrupt",
    message: "reading a model: it has no graph",
  },
  {
    title: "a file that is no ONNX",
    act: () => OnnxModule.fromBytes(Buffer.from("epoch,loss\n1,0.5\n2,0.25\n")),
    code: "model/corrupt",
    message: "the bytes are not an ONNX ModelProto: a ModelProto holds a field of wire type 4",
  },
  {
    title: "a file that was cut off",
    act: () => OnnxModule.fromBytes(module().toBytes().subarray(0, 100)),
    code: "model/corrupt",
    message: "the bytes are not an ONNX ModelProto: a GraphProto is cut off",
  },
  {
    title: "an initializer with too few bytes",
    act: () => OnnxModule.fromBytes(onnx(dataType(1), rawData(7))),
    code: "model/corrupt",
    message: 'reading initializer "w": a float32 tensor of shape [2] has 8 bytes, not 7',
  },
  {
    title: "weights in another file",
    act: () => OnnxModule.fromBytes(onnx(dataType(1), stored("../../etc/passwd"))),
    code: "model/external-data",
    message: 'reading a module: its tensor "w" is stored in ../../etc/passwd; save the model as one file',
  },
  {
    title: "weights in half precision",
    act: () => OnnxModule.fromBytes(onnx(dataType(10), rawData(4))),
    code: "model/unsupported",
    message: 'reading a module: its weights "w" are float16; export the model with float32 weights',
  },
  {
    title: "elements of a type that is not read",
    act: () => OnnxModule.fromBytes(onnx(dataType(16), rawData(4))),
    code: "model/unsupported",
    message: 'reading initializer "w": elements of type bfloat16 are not supported',
  },
  {
    title: "parameters of another number",
    act: () => module().withParameters([]),
    code: "model/mismatch",
    message: "replacing the parameters of a module: it has 2 tensors, and 0 were given",
  },
  {
    title: "parameters of another shape",
    act: () => module().withParameters([...module().parameters].reverse()),
    code: "model/mismatch",
    message: 'replacing the parameters of a module: "0.weight" is float32[3, 4], and a float32[3] was given',
  },
  {
    title: "an operator without a gradient",
    act: () => differentiate(unsupported, "y", ["w"]),
    code: "model/unsupported",
    message: 'reading a graph: the Det node "odd" is an operator that is not supported',
  },
]);

/** Trains one step with this data. */
const training = (data: { inputs: Tensor; targets: Tensor }, parameters?: Parameters) => async () => {
  const trainer = await openTrainer({ module: module(), loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) });
  try {
    await trainer.train(parameters ?? module().parameters, { dataset: data, batchSize: 2, epochs: 1, seed: [1] });
  } finally {
    await trainer.close();
  }
};
const inputs = float32([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
const labels = (...values: number[]): Tensor => tensor("int32", [values.length], Int32Array.from(values));

table("data", [
  {
    title: "a label that is no class",
    act: training({ inputs, targets: labels(0, 3) }),
    code: "data/invalid",
    message: "reading a dataset: targets hold the label 3 in example 1 where labels run from 0 to 2",
  },
  {
    title: "a negative label",
    act: training({ inputs, targets: labels(-1, 0) }),
    code: "data/invalid",
    message: "reading a dataset: targets hold the label -1 in example 0 where labels run from 0 to 2",
  },
  {
    title: "fewer labels than examples",
    act: training({ inputs, targets: labels(1) }),
    code: "data/invalid",
    message: "reading a dataset: targets are int32[1] where the module needs int32[2]",
  },
  {
    title: "examples of another shape",
    act: training({ inputs: float32([2, 2], [1, 2, 3, 4]), targets: labels(0, 1) }),
    code: "data/invalid",
    message: "reading a dataset: inputs are float32[2, 2] where the module needs float32[2, 4]",
  },
  {
    title: "NaN in an example",
    act: training({ inputs: float32([2, 4], [1, 2, 3, 4, 5, NaN, 7, 8]), targets: labels(0, 1) }),
    code: "data/invalid",
    message: "reading a dataset: inputs hold NaN in example 1 (element 5)",
  },
  {
    title: "no examples at all",
    act: training({ inputs: float32([0, 4], []), targets: labels() }),
    code: "data/invalid",
    message: "reading a dataset: the dataset is empty: its inputs are float32[0, 4]",
  },
  {
    title: "parameters of another module",
    act: training({ inputs, targets: labels(0, 1) }, [float32([4], [0, 0, 0, 0])]),
    code: "model/mismatch",
    message: "1 parameters were given for a module that has 2",
  },
]);
