// A small module for tests.
import { float32 } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";

type ValueShape = { readonly dtype: "float32"; readonly shape: readonly number[] };

/** y = x weight + bias; the weight is 2 x 1 and filled with `value`. */
export function linearModule(value: number, metadata: Record<string, string> = {}): OnnxModule {
  const floats = (shape: number[]): ValueShape => ({ dtype: "float32", shape });
  return OnnxModule.fromGraph({
    name: "linear",
    opset: 17,
    domains: {},
    valueInfos: [],
    inputs: [{ name: "x", ...floats([1, 2]) }],
    outputs: [{ name: "y", ...floats([1, 1]) }],
    initializers: new Map([
      ["fc.weight", float32([2, 1], [value, value])],
      ["fc.bias", float32([1], [0.5])],
    ]),
    nodes: [
      { opType: "MatMul", name: "", domain: "", inputs: ["x", "fc.weight"], outputs: ["h"], attributes: {} },
      { opType: "Add", name: "", domain: "", inputs: ["h", "fc.bias"], outputs: ["y"], attributes: {} },
    ],
  }).withMetadata(metadata);
}

/** The value that a linear module was made with. */
export function valueOf(module: OnnxModule): number {
  return Number(module.parameters[0]?.data[0]);
}
