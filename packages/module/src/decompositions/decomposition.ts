// What a decomposition is: an operator in the simpler operators that it stands for, whose gradients are known.
import type { GraphBuilder, Value } from "../builder.js";
import type { Node } from "../graph.js";

/**
 * The node's outputs; those that nobody reads may be missing. `undefined` where the node can stay as it is. `opset` is
 * the file's.
 */
export type Decomposition = (
  g: GraphBuilder,
  node: Node,
  inputs: readonly (Value | undefined)[],
  opset: number,
) => readonly Value[] | undefined;
