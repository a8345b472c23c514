// Dead-code elimination: onnxruntime runs every node it is given, needed or not.
import type { Node } from "./graph.js";

/** Operators whose outputs after the first may be left out. BatchNormalization, for one, insists on all of its. */
const withOptionalOutputs = new Set(["LayerNormalization", "MaxPool", "SoftmaxCrossEntropyLoss"]);

/** The nodes that `outputs` depend on, in their order. */
export function liveNodes(nodes: readonly Node[], outputs: readonly string[]): Node[] {
  const needed = new Set(outputs);
  const live: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    for (const name of node.inputs) needed.add(name);
    // An optional output that nobody reads costs time too.
    const last = node.outputs.findLastIndex((name) => needed.has(name));
    live.push(withOptionalOutputs.has(node.opType) ? { ...node, outputs: node.outputs.slice(0, last + 1) } : node);
  }
  return live.reverse();
}
