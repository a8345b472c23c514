// A module as it is used when training is over: normalised by running statistics, and nothing dropped.
import type { Graph, Node } from "./graph.js";
import { liveNodes } from "./live.js";
import { OnnxModule } from "./module.js";

/**
 * The same module for inference. What was exported in training mode says of itself that it trains: any runtime would
 * normalise by the batch at hand and drop at random. Here BatchNormalization goes by its running statistics and
 * Dropout passes everything on; parameters, their names and the metadata stay.
 */
export function inferenceModule(module: OnnxModule): OnnxModule {
  const { outputs } = module.graph;
  const nodes = liveNodes(
    module.graph.nodes.map(settled),
    outputs.map(({ name }) => name),
  );
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), ...module.parameterNames]);
  const held = [...module.graph.initializers].filter(([name]) => used.has(name));
  const graph: Graph = { ...module.graph, nodes, initializers: new Map(held) };
  return OnnxModule.fromGraph(graph).withMetadata(module.metadata);
}

function settled(node: Node): Node {
  if (node.domain !== "") return node;
  // The third input of a Dropout says whether it drops; without it, it does not.
  if (node.opType === "Dropout") return { ...node, inputs: node.inputs.slice(0, 2) };
  if (node.opType !== "BatchNormalization") return node;
  const attributes = Object.fromEntries(Object.entries(node.attributes).filter(([name]) => name !== "training_mode"));
  return { ...node, attributes, outputs: node.outputs.slice(0, 1) };
}
