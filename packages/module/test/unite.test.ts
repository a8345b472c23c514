// One graph for two sizes of batch: fed with the constants of either, it is that one to the byte.
import { readFileSync } from "node:fs";
import { sameTensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { OnnxModule, adam, crossEntropy, lower, loweringNames, trainingGraph, unite } from "../src/index.js";
import type { Graph, TrainingGraph } from "../src/index.js";
import { labels, normals, open } from "./train.js";

const folder = new URL("../../fixtures/torch/", import.meta.url);

function moduleIn(file: string): OnnxModule {
  return OnnxModule.fromBytes(readFileSync(new URL(file, folder)));
}

function stepOf(module: OnnxModule, batchSize: number): TrainingGraph {
  return trainingGraph(module, { loss: crossEntropy(), optimizer: adam({ learningRate: 0.01 }), batchSize });
}

function graphOf({ model }: TrainingGraph): Graph {
  return OnnxModule.fromBytes(model).graph;
}

function feeds(module: OnnxModule, { inputs, optimizerState }: TrainingGraph): Record<string, Tensor> {
  const { features, targets, learningRate } = inputs;
  return {
    ...Object.fromEntries(module.parameterNames.map((name, i) => [name, module.parameters[i]!])),
    ...Object.fromEntries(optimizerState.map(({ name, initial }) => [name, initial])),
    [features.name]: normals("features", features.shape),
    [targets.name]: labels("targets", targets.shape[0]!, 3),
    [learningRate.name]: normals("rate", [], 0.01),
  };
}

describe("A train step for two sizes of batch", () => {
  for (const file of ["mlp-dynamo-18", "mobilenet-legacy-17", "encoder-dynamo-18"]) {
    // 16 and 8 are lengths of these models' own axes too.
    it(`gives the bytes of the step for each: ${file}`, async () => {
      const module = moduleIn(`${file}.onnx`);
      const steps = [stepOf(module, 16), stepOf(module, 8)] as const;
      const united = unite(graphOf(steps[0]), graphOf(steps[1]))!;
      expect(united.parted.length).to.be.within(1, 20);
      const one = await open(OnnxModule.fromGraph(united.graph).toBytes());
      for (const [i, step] of steps.entries()) {
        const given = feeds(module, step);
        const constants = united.parted.map(({ name, first, second }) => [name, i === 0 ? first : second] as const);
        const found = await one.run({ ...given, ...Object.fromEntries(constants) });
        const alone = await open(step.model);
        for (const [name, value] of Object.entries(await alone.run(given))) {
          expect(sameTensor(found[name]!, value), `${name} at ${i === 0 ? 16 : 8}`).to.equal(true);
        }
        await alone.release();
      }
      await one.release();
    });
  }

  it("can be made of lowered steps", () => {
    const module = moduleIn("mobilenet-dynamo-18.onnx");
    const lowered = [16, 8].map((size) => {
      return lower(graphOf(stepOf(module, size)), { lowerings: loweringNames, blockSize: 16 }).graph;
    });
    expect(unite(lowered[0]!, lowered[1]!)?.parted.length).to.be.within(1, 20);
  });

  it("is none where the steps differ in more than constants", () => {
    const [small, other] = [stepOf(moduleIn("mlp-dynamo-18.onnx"), 8), stepOf(moduleIn("lenet-dynamo-18.onnx"), 8)];
    expect(unite(graphOf(small), graphOf(other))).to.equal(undefined);
    const graph = graphOf(small);
    const [first, ...rest] = graph.nodes;
    const crossed = { ...graph, nodes: [{ ...first!, inputs: first!.inputs.toReversed() }, ...rest] };
    expect(unite(graph, crossed), "inputs the other way round").to.equal(undefined);
    const relu = graph.nodes.findIndex(({ opType }) => opType === "Relu");
    const nodes = graph.nodes.map((node, i) => (i === relu ? { ...node, opType: "Sigmoid" } : node));
    expect(unite(graph, { ...graph, nodes }), "another operator").to.equal(undefined);
  });
});
