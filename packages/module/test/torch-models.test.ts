// Whole models as PyTorch's two exporters write them: their gradients against PyTorch's own in float64.
import { readFileSync } from "node:fs";
import { float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { OnnxModule, crossEntropy, gradientsOf, graphBuilder } from "../src/index.js";
import { trace } from "../src/trace.js";
import { numbers, run } from "./train.js";

/** Of a gradient: its norm, and each `stride`-th element. */
interface Sampled {
  readonly norm: number;
  readonly count: number;
  readonly stride: number;
  readonly data: readonly number[];
}
interface Reference {
  readonly name: string;
  readonly files: readonly string[];
  readonly buffers: readonly string[];
  readonly shape: readonly number[];
  readonly targets: readonly number[];
  readonly loss: number;
  readonly gradients: { readonly [parameter: string]: Sampled };
}

const folder = new URL("../../fixtures/torch/", import.meta.url);
const references = JSON.parse(readFileSync(new URL("references.json", folder), "utf8")) as Reference[];

/** Loss and gradients of a batch, in training. */
async function gradientsFrom(module: OnnxModule, { shape, targets, gradients }: Reference) {
  const g = graphBuilder();
  const [input] = module.graph.inputs;
  const [output] = module.graph.outputs;
  const values = trace(g, module.graph, { batchSize: shape[0] as number, training: true });
  const cost = crossEntropy().cost(g, values.get(output!.name)!, g.input("targets", "int64", [targets.length]));
  const names = Object.keys(gradients);
  const found = gradientsOf(
    g,
    cost,
    names.map((name) => values.get(name)!),
  );
  const outputs = found.map((gradient, i) => [`gradient.${names[i]!}`, gradient!] as const);
  const features = float32(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.3)),
  );
  const labels = tensor("int64", [targets.length], BigInt64Array.from(targets, BigInt));
  const graph = g.graph("gradients", { loss: cost, ...Object.fromEntries(outputs) });
  return run(OnnxModule.fromGraph(graph).toBytes(), { [input!.name]: features, targets: labels });
}

function relativeError(found: Tensor, { norm, count, stride, data }: Sampled): number {
  const all = numbers(found);
  expect(all).length(count);
  const difference = Math.hypot(...data.map((value, i) => all[i * stride]! - value));
  // What softmax makes of a shift is exactly nothing, and nothing has no relative error.
  const scale = Math.max(norm / Math.sqrt(stride), 1e-4);
  return Math.max(difference, Math.abs(Math.hypot(...all) - norm) / Math.sqrt(stride)) / scale;
}

for (const reference of references) {
  for (const file of reference.files) {
    it(`${file.replace(".onnx", "")} has its state_dict's names and PyTorch's gradients`, async () => {
      const module = OnnxModule.fromBytes(readFileSync(new URL(file, folder)));
      const named = [...Object.keys(reference.gradients), ...reference.buffers];
      expect(module.parameterNames).include.members(named);
      const results = await gradientsFrom(module, reference);
      expect(numbers(results["loss"]!)[0]).closeTo(reference.loss, 1e-5);
      for (const [name, expected] of Object.entries(reference.gradients)) {
        expect(relativeError(results[`gradient.${name}`]!, expected), name).below(1e-5);
      }
    });
  }
}
