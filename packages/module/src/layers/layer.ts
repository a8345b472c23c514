// What a layer is: a function that adds its nodes and parameters to a graph.
import type { Random, Tensor } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";

export interface LayerSite {
  readonly g: GraphBuilder;
  /** The place in the module, from PyTorch's `state_dict`: `0`, `1`, ... */
  readonly name: string;
  /** The output of the layer before. Its first axis is the batch, whose length nothing may depend on. */
  readonly input: Value;
  /** The site of a layer within this one. */
  inside(name: string, input: Value): LayerSite;
  /** A generator for one parameter. */
  random(parameter: string): Random;
  /** A parameter under `<name>.<parameter>`. */
  parameter(parameter: string, value: Tensor): Value;
  /** The one output of a node that bears the layer's name. */
  place(opType: string, inputs: readonly Value[], attributes?: Parameters<GraphBuilder["op"]>[2]): Value;
}

export type Layer = (at: LayerSite) => Value;
