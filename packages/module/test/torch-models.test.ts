// Whole models as PyTorch's two exporters write them: their gradients, whole, against PyTorch's own in float64.
import { readFileSync } from "node:fs";
import { float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { OnnxModule, bufferNames, crossEntropy, gradientsOf, graphBuilder, sgd, trainingGraph } from "../src/index.js";
import { trace } from "../src/trace.js";
import { numbers, open, run } from "./train.js";

/** Where a gradient lies in references.f32, in elements. */
interface Stored {
  readonly at: number;
  readonly count: number;
}
interface Reference {
  readonly name: string;
  readonly files: readonly string[];
  readonly buffers: readonly string[];
  readonly shape: readonly number[];
  readonly targets: readonly number[];
  readonly loss: number;
  readonly gradients: { readonly [parameter: string]: Stored };
  /** Of batch normalisation, after three steps of SGD with rate 0.05 and momentum 0.9. */
  readonly statistics: { readonly [buffer: string]: Stored };
}

const folder = new URL("../../fixtures/torch/", import.meta.url);
const references = JSON.parse(readFileSync(new URL("references.json", folder), "utf8")) as Reference[];
const elements = new Float32Array(Uint8Array.from(readFileSync(new URL("references.f32", folder))).buffer);

function stored({ at, count }: Stored): Float32Array {
  return elements.subarray(at, at + count);
}

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
  const graph = g.graph("gradients", { loss: cost, ...Object.fromEntries(outputs) });
  return run(OnnxModule.fromGraph(graph).toBytes(), {
    [input!.name]: featuresOf(shape, 1),
    targets: labelsOf(targets),
  });
}

function featuresOf(shape: readonly number[], factor: number): Tensor {
  const length = shape.reduce((a, b) => a * b, 1);
  return float32(
    shape,
    Float32Array.from({ length }, (_, i) => factor * Math.fround(Math.sin(i * 1.3))),
  );
}

function labelsOf(targets: readonly number[]): Tensor {
  return tensor("int64", [targets.length], BigInt64Array.from(targets, BigInt));
}

/** The older exporter runs the model while it traces, so its files hold statistics that have moved already. */
function begun(name: string, held: Tensor): Tensor {
  if (name.endsWith("running_mean")) return float32(held.shape, new Float32Array(held.data.length));
  return name.endsWith("running_var") ? float32(held.shape, new Float32Array(held.data.length).fill(1)) : held;
}

/** All parameters, running statistics among them, after three train steps. */
async function trainedBy(module: OnnxModule, { shape, targets }: Reference): Promise<Record<string, Tensor>> {
  const optimizer = sgd({ learningRate: 0.05, momentum: 0.9 });
  const graph = trainingGraph(module, { loss: crossEntropy(), optimizer, batchSize: shape[0]! });
  const session = await open(graph.model);
  let values: Record<string, Tensor> = Object.fromEntries([
    ...module.parameterNames.map((name, i) => [name, begun(name, module.parameters[i]!)] as const),
    ...graph.optimizerState.map(({ name, initial }) => [name, initial] as const),
  ]);
  const names = Object.keys(values);
  for (const factor of [1, 1.5, 2]) {
    const results = await session.run({
      ...values,
      [graph.inputs.features.name]: featuresOf(shape, factor),
      [graph.inputs.targets.name]: labelsOf(targets),
      [graph.inputs.learningRate.name]: float32([], [optimizer.learningRate]),
    });
    values = Object.fromEntries(names.map((name) => [name, results[`new.${name}`]!]));
  }
  await session.release();
  return values;
}

function norm(values: Iterable<number>): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}

/** In the L2 norm of the whole tensor. */
function relativeError(found: Tensor, expected: Float32Array): number {
  const all = numbers(found);
  expect(all).length(expected.length);
  return norm(all.map((value, i) => value - expected[i]!)) / norm(expected);
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
        expect(relativeError(results[`gradient.${name}`]!, stored(expected)), name).below(1e-5);
      }
    });
  }
}

for (const reference of references.filter(({ statistics }) => Object.keys(statistics).length > 0)) {
  for (const file of reference.files) {
    it(`${file.replace(".onnx", "")} has PyTorch's running statistics after three steps`, async () => {
      const module = OnnxModule.fromBytes(readFileSync(new URL(file, folder)));
      const values = await trainedBy(module, reference);
      expect([...bufferNames(module)]).to.have.members(Object.keys(reference.statistics));
      for (const [name, expected] of Object.entries(reference.statistics)) {
        // Steps amplify the rounding of the steps before.
        expect(relativeError(values[name]!, stored(expected)), name).below(1e-4);
      }
    });
  }
}

it("every recurrent weight of both directions has something to compare", () => {
  for (const name of ["lstm", "gru", "bilstm", "bigru"]) {
    const { gradients } = references.find((reference) => reference.name === name)!;
    const recurrent = Object.entries(gradients).filter(([parameter]) => parameter.includes("weight_hh"));
    expect(recurrent).length(2);
    for (const [parameter, place] of recurrent) expect(norm(stored(place)), `${name} ${parameter}`).above(1e-3);
  }
});
