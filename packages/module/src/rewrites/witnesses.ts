// Operators that are asked for outputs which the file does not read: their gradients do.
import type { Rewrite } from "./rewrite.js";

export const witnessRewrites: { readonly [opType: string]: Rewrite } = {
  /** Mean and spread. */
  LayerNormalization: ({ g }, node, inputs) =>
    g.node(node.opType, inputs, { raw: node.attributes }, { name: node.name, outputs: 3 }),
  /** Which elements won. */
  MaxPool: ({ g }, node, inputs) =>
    g.node(
      "MaxPool",
      inputs,
      { raw: node.attributes },
      { name: node.name, outputs: [node.outputs[0] ?? "MaxPool", `${node.outputs[0] ?? ""}.indices`] },
    ),
  /** The logarithms of the probabilities. */
  SoftmaxCrossEntropyLoss: ({ g }, node, inputs) =>
    g.node(node.opType, inputs, { raw: node.attributes }, { name: node.name, outputs: 2 }),
};
