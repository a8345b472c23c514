// Operators that do one thing in training and another in evaluation.
import { FederationError } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import { fill } from "../gradient/site.js";
import { describeNode, floatOf, intOf } from "../graph.js";
import type { Node } from "../graph.js";
import { required } from "./rewrite.js";
import type { Inputs, Rewrite, RewriteContext } from "./rewrite.js";

export const modeRewrites: { readonly [opType: string]: Rewrite } = {
  BatchNormalization: batchNormalization,
  Dropout: dropout,
};

/** In training every dropout drops but one that the file itself turns off; what is kept grows by 1 / (1 - ratio). */
function dropout(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
  const { g, opset, training, masks } = context;
  const x = required(inputs[0]);
  const ratio = opset < 12 ? floatOf(node, "ratio", 0.5) : inputs[1] === undefined ? 0.5 : constantOf(inputs[1]);
  const mode = opset < 12 || inputs[2] === undefined ? undefined : constantOf(inputs[2]);
  const active = training === undefined ? mode === 1 : training && mode !== 0;
  if (!active || ratio === 0) return [x];
  if (masks === undefined || !(ratio > 0 && ratio < 1)) {
    const why = masks === undefined ? "drops values at random" : `drops with a ratio of ${ratio}, not below 1`;
    throw new FederationError("model/unsupported", `differentiating a graph: the ${describeNode(node)} ${why}`);
  }
  const dropped = masks().dropped(x.shape, ratio);
  const kept = g.op("Where", [dropped, g.scalar(0, x), g.mul(x, g.scalar(1 / (1 - ratio), x))]);
  return node.outputs.length < 2 ? [kept] : [kept, g.op("Not", [dropped])];
}

/** The number that a scalar holds in every run; NaN where it is only known when the graph runs. */
function constantOf({ constant }: Value): number {
  return Number(constant?.data[0] ?? NaN);
}

/**
 * In training the node normalises by the batch, and the running statistics move in nodes of their own, the variance being
 * the unbiased one that PyTorch keeps. onnxruntime's kernel writes its new statistics over the ones it is fed, even
 * where those are the caller's own arrays; so it is fed a stand-in.
 */
function batchNormalization(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
  const { g, buffers } = context;
  const training = context.training ?? intOf(node, "training_mode", 0) === 1;
  const mode = { type: "int", value: training ? 1n : 0n } as const;
  const raw = { ...node.attributes, training_mode: mode };
  const [x, scale, bias, mean, variance] = inputs.map(required) as [Value, Value, Value, Value, Value];
  const named = { name: node.name, outputs: [node.outputs[0] as string] };
  if (!training) return g.node(node.opType, inputs, { raw }, named);

  const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const count = axes.reduce((product, axis) => product * (x.shape[axis] as number), 1);
  const keep = floatOf(node, "momentum", 0.9);
  const moved = (old: Value, batch: Value, factor: number): Value =>
    g.add(g.mul(old, g.scalar(keep, old)), g.mul(g.reshape(batch, old.shape), g.scalar((1 - keep) * factor, old)));
  const batchMean = g.mean(x, axes);
  const centred = g.sub(x, batchMean);
  buffers.set(mean.name, moved(mean, batchMean, 1));
  buffers.set(variance.name, moved(variance, g.mean(g.mul(centred, centred), axes), count / Math.max(count - 1, 1)));
  const standIn = fill(g, 1, mean);
  const outputs = [node.outputs[0] as string, `${node.outputs[0] ?? ""}.mean`, `${node.outputs[0] ?? ""}.variance`];
  return g.node(node.opType, [x, scale, bias, standIn, standIn], { raw }, { name: node.name, outputs }).slice(0, 1);
}
