// The graphs of a trainer: what a module, a loss and an optimizer come to for batches of each size.
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import type { Reference } from "@perennial-fl/module";
import type { ExampleShape } from "./dataset.js";
import type { BatchGraph, EvaluationGraph, GraphPair, TrainingGraph } from "./protocol.js";

/** Builds graphs for one module, loss and optimizer. */
export interface Graphs {
  readonly example: ExampleShape;
  readonly parameters: readonly (TensorHeader & { readonly name: string })[];
  /** The optimizer's state before its first step, by name. */
  readonly initialState: ReadonlyMap<string, Tensor>;
  /** What training is fed beside the parameters, in the order of its graphs. */
  readonly references: readonly Reference[];
  /** Which part of the state is the generator of dropout, where something is dropped. */
  readonly generator?: string;
  readonly learningRate: number;
  /** The only size that batches may have, for a module that was exported with a fixed batch. */
  readonly fixedBatch?: number;
  readonly training: (batchSize: number) => TrainingGraph;
  readonly evaluation: (batchSize: number) => EvaluationGraph;
}

/** The graphs that `count` examples in batches need. */
export function graphPair<Graph extends BatchGraph>(
  build: (batchSize: number) => Graph,
  count: number,
  batchSize: number,
): GraphPair<Graph> {
  const size = count % batchSize;
  const full = count >= batchSize ? build(batchSize) : undefined;
  const rest = size > 0 ? build(size) : undefined;
  if (full !== undefined && rest !== undefined) {
    return { full: { ...full, sibling: rest }, rest: { ...rest, sibling: full } };
  }
  return { ...(full && { full }), ...(rest && { rest }) };
}
