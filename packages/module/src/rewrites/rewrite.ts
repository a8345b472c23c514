// What a rewrite is: how a node of a file is brought into a graph that can be differentiated.
import { assert } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import type { Masks } from "../dropout.js";
import { fold } from "../fold.js";
import type { Node } from "../graph.js";

/** New values of buffers: BatchNormalization's running statistics, under the name of the old value. */
export type BufferUpdates = Map<string, Value>;

export interface RewriteContext {
  readonly g: GraphBuilder;
  /** The file's version of ONNX's operators. */
  readonly opset: number;
  /** Whether the graph trains; as each node itself says, where this is absent. */
  readonly training?: boolean;
  /** Where dropout's masks come from, asked for when the first is needed. */
  readonly masks?: () => Masks;
  /** Takes what training changes beside the parameters. */
  readonly buffers: BufferUpdates;
}

export type Inputs = readonly (Value | undefined)[];

/** The node's outputs; those that nobody reads may be missing. */
export type Rewrite = (context: RewriteContext, node: Node, inputs: Inputs) => readonly Value[];

/** The node as it is, or the integers that it always gives. */
export const place: Rewrite = ({ g }, node, inputs) => {
  const folded = fold(node, inputs);
  if (folded !== undefined) return [g.constant(folded)];
  return g.node(
    node.opType,
    inputs,
    { raw: node.attributes },
    { name: node.name, domain: node.domain, outputs: node.outputs },
  );
};

/** An input that the operator cannot do without. */
export function required(value: Value | undefined): Value {
  assert(value !== undefined, "a node has the inputs that its operator demands");
  return value;
}
