// Builds a module of layers in a row: an ordinary ONNX file with an open batch axis.
import { FederationError, random } from "@perennial-fl/core";
import { graphBuilder } from "./builder.js";
import type { Value } from "./builder.js";
import type { Dimension, Graph } from "./graph.js";
import type { Layer, LayerSite } from "./layers/layer.js";
import { OnnxModule } from "./module.js";

export interface SequentialOptions {
  /** The shape of one example, without the batch axis. */
  readonly input: readonly number[];
  /** The same seed gives the same parameters. */
  readonly seed: number;
}

/**
 * Layers in a row, from the float32 input `input` [batch, ...] to `output`. Parameters bear the names of PyTorch's
 * `nn.Sequential`: `0.weight`, `0.bias`, ... Throws `model/shape`, naming the layer, where two do not fit.
 */
export function sequential(layers: readonly Layer[], { input, seed }: SequentialOptions): OnnxModule {
  if (layers.length === 0) throw new FederationError("argument/invalid", "building a module: no layers were given");
  const g = graphBuilder();
  // Shapes are followed for a batch of one; no layer may depend on it.
  let value = g.input("input", "float32", [1, ...input]);
  const siteOf = (name: string, at: Value): LayerSite => ({
    g,
    name,
    input: at,
    inside: (inner, within) => siteOf(`${name}.${inner}`, within),
    random: (parameter) => random("initialisation", seed, `${name}.${parameter}`),
    parameter: (parameter, held) => g.initializer(`${name}.${parameter}`, held),
    place: (opType, inputs, attributes = {}) => {
      const [output] = g.node(opType, inputs, attributes, { name, outputs: [`${name}.output`] });
      if (output === undefined) throw new RangeError(`${opType} has no output`);
      return output;
    },
  });
  layers.forEach((layer, i) => {
    value = layer(siteOf(String(i), value));
  });
  return OnnxModule.fromGraph(openBatch(g.graph("sequential", { output: value })));
}

function openBatch(graph: Graph): Graph {
  const open = <Info extends { readonly shape?: readonly Dimension[] }>(info: Info): Info => ({
    ...info,
    shape: ["batch", ...(info.shape ?? []).slice(1)],
  });
  return { ...graph, inputs: graph.inputs.map(open), outputs: graph.outputs.map(open) };
}
