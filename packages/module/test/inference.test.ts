// Modules made ready for inference: what only training does is gone, and what a person needs of the module stays.
import { float32 } from "@perennial-fl/core";
import { expect } from "chai";
import {
  OnnxModule,
  batchNorm2d,
  batchNormNames,
  bufferNames,
  conv2d,
  dropout,
  flatten,
  inferenceModule,
  linear,
  sequential,
} from "../src/index.js";
import type { Node } from "../src/index.js";
import { numbers, run } from "./train.js";

const built = sequential([conv2d(1, 2, 3), batchNorm2d(2), flatten(), dropout(0.5), linear(8, 3)], {
  input: [1, 4, 4],
  seed: 1,
});

/** The same graph as an exporter in training mode leaves it. */
const exported = OnnxModule.fromGraph({
  ...built.graph,
  nodes: built.graph.nodes.map((node): Node => {
    if (node.opType !== "BatchNormalization") return node;
    const attributes = { ...node.attributes, training_mode: { type: "int", value: 1n } as const };
    return { ...node, attributes, outputs: [...node.outputs, "mean", "variance"] };
  }),
}).withMetadata({ author: "me" });

describe("A module for inference", () => {
  const ready = inferenceModule(exported);

  it("keeps parameters, names and metadata", () => {
    expect(ready.parameterNames).to.deep.equal(exported.parameterNames);
    expect(ready.parameters).to.deep.equal(exported.parameters);
    expect(ready.metadata).to.deep.equal({ author: "me" });
  });

  it("gives an example the scores that it has in any batch, in any run", async () => {
    const pixels = Array.from({ length: 32 }, (_, i) => Math.sin(i));
    const input = exported.graph.inputs[0]!.name;
    const scores = async (...shape: number[]) => {
      const elements = pixels.slice(0, 16 * shape[0]!);
      return numbers(Object.values(await run(ready.toBytes(), { [input]: float32(shape, elements) }))[0]!);
    };
    const both = await scores(2, 1, 4, 4);
    expect(await scores(2, 1, 4, 4)).to.deep.equal(both);
    (await scores(1, 1, 4, 4)).forEach((score, i) => expect(score).to.be.closeTo(both[i]!, 1e-6));
  });

  it("has no node that only training needs", () => {
    const normalisation = ready.graph.nodes.find(({ opType }) => opType === "BatchNormalization")!;
    expect(normalisation.outputs).to.have.length(1);
    expect(normalisation.attributes).not.to.have.property("training_mode");
    expect(ready.graph.nodes.find(({ opType }) => opType === "Dropout")!.inputs).to.have.length.below(3);
  });
});

describe("Batch normalisation", () => {
  it("names its running statistics, and all that it holds", () => {
    expect([...bufferNames(exported)]).to.deep.equal(["1.running_mean", "1.running_var"]);
    expect([...batchNormNames(exported)]).to.deep.equal(["1.weight", "1.bias", "1.running_mean", "1.running_var"]);
  });
});
