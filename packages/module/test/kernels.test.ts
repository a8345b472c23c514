// What our reading makes of an operator, against onnxruntime's own kernel for it, and its gradient against differences.
import { assert } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { OnnxModule, attributesOf } from "../src/index.js";
import { kernelCases } from "./kernels.js";
import type { KernelCase } from "./kernels.js";
import { judge } from "./onnx/judge.js";
import { run } from "./train.js";

function fileOf({ op, attributes, inputs, outputs, opset }: KernelCase): Uint8Array {
  const given = inputs.flatMap((value, i) => (value === undefined ? [] : [{ name: `x${i}`, ...header(value) }]));
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  return OnnxModule.fromGraph({
    name: op,
    opset,
    domains: {},
    nodes: [
      {
        name: op,
        opType: op,
        domain: "",
        inputs: inputs.map((value, i) => (value === undefined ? "" : `x${i}`)),
        outputs: names,
        attributes: attributesOf(attributes),
      },
    ],
    inputs: given,
    outputs: names.map((name) => ({ name, dtype: op === "TopK" && name === "y1" ? "int64" : "float32" })),
    initializers: new Map(),
    valueInfos: [],
  }).toBytes();
}

function header({ dtype, shape }: Tensor): Pick<Tensor, "dtype" | "shape"> {
  return { dtype, shape };
}

describe("onnxruntime's kernel and our reading agree, and the gradient is the slope:", () => {
  for (const test of kernelCases) {
    it(`${test.op} ${test.name}`, async () => {
      const bytes = fileOf(test);
      const inputs = test.inputs.filter((value) => value !== undefined);
      const { graph } = OnnxModule.fromBytes(bytes);
      const results = await run(bytes, Object.fromEntries(inputs.map((value, i) => [graph.inputs[i]!.name, value])));
      const outputs = graph.outputs.map(({ name }) => results[name]!);
      const judged = await judge({ name: `kernels/${test.op}`, bytes, inputs: () => inputs, outputs: () => outputs });
      assert(judged !== undefined, "the model has one operator");
      expect(judged.verdict).property("type", "gradient", JSON.stringify(judged.verdict));
    });
  }
});
