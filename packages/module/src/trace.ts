// Brings a graph that was read into a builder: known shapes, one opset, and what gradients need.
import { FederationError } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "./builder.js";
import { decompositions } from "./decompositions/rules.js";
import type { Masks } from "./dropout.js";
import { describeNode } from "./graph.js";
import type { Graph, Node, ValueInfo } from "./graph.js";
import { place } from "./rewrites/rewrite.js";
import type { BufferUpdates, Inputs, Rewrite, RewriteContext } from "./rewrites/rewrite.js";
import { rewrites } from "./rewrites/rules.js";

export interface TraceOptions {
  /** What an open first axis of an input becomes. */
  readonly batchSize?: number;
  /** Initializers that become inputs of the same name. With this, other ones are constants for good. */
  readonly asInputs?: ReadonlySet<string>;
  /** Whether normalisations use the statistics of the batch; as the node itself says, where this is absent. */
  readonly training?: boolean;
  /** Where dropout's masks come from, asked for when the first is needed. */
  readonly masks?: () => Masks;
  /** Takes what training changes beside the parameters. */
  readonly buffers?: BufferUpdates;
}

type Values = Map<string, Value>;

/** All values of the graph by name, placed in `g`. Throws `model/unsupported` and `model/shape`, naming the node. */
export function trace(g: GraphBuilder, graph: Graph, options: TraceOptions): Values {
  const { opset } = graph;
  if (opset < oldestOpset || opset > newestOpset) {
    throw new FederationError(
      "model/unsupported",
      `reading a graph: opset ${opset} is not one of ${oldestOpset} to ${newestOpset}`,
    );
  }
  const values: Values = new Map();
  for (const input of graph.inputs) {
    values.set(input.name, g.input(input.name, input.dtype, concreteShape(input, options)));
  }
  placeInitializers(g, graph, options, values);
  const { training, masks, buffers = new Map<string, Value>() } = options;
  const context: RewriteContext = {
    g,
    opset,
    buffers,
    ...(training === undefined ? {} : { training }),
    ...(masks === undefined ? {} : { masks }),
  };
  for (const node of graph.nodes) {
    const outputs = placeNode(
      context,
      node,
      node.inputs.map((name) => (name === "" ? undefined : valueOf(values, name, node))),
    );
    node.outputs.forEach((name, i) => {
      if (name !== "" && outputs[i] !== undefined) values.set(name, outputs[i]);
    });
  }
  return values;
}

/** Opsets that are read. */
export const [oldestOpset, newestOpset] = [7, 26];

function placeInitializers(g: GraphBuilder, { initializers }: Graph, { asInputs }: TraceOptions, values: Values): void {
  for (const [name, held] of initializers) {
    const mayChange = asInputs === undefined && (held.dtype === "float32" || held.dtype === "float64");
    if (asInputs?.has(name) === true) values.set(name, g.input(name, held.dtype, held.shape));
    else values.set(name, mayChange ? g.initializer(name, held) : g.constant(held, name));
  }
}

/** In the operators that it stands for, in another form, or as it is. */
function placeNode(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
  const decomposition = ownRow(decompositions, node);
  const rewrite: Rewrite = ownRow(rewrites, node) ?? place;
  return decomposition?.(context.g, node, inputs, context.opset) ?? rewrite(context, node, inputs);
}

/** The node's row in a table of ONNX's own operators. */
export function ownRow<Row>(table: { readonly [opType: string]: Row }, { domain, opType }: Node): Row | undefined {
  return domain === "" && Object.hasOwn(table, opType) ? table[opType] : undefined;
}

function concreteShape({ name, shape }: ValueInfo, { batchSize }: TraceOptions): readonly number[] {
  return (shape ?? [null]).map((length, axis) => {
    if (axis === 0 && batchSize !== undefined && typeof length === "number" && length !== batchSize) {
      throw new FederationError(
        "model/shape",
        `reading a graph: its input "${name}" has a fixed batch of ${length}, not ${batchSize}`,
      );
    }
    const known = typeof length === "number" ? length : axis === 0 ? batchSize : undefined;
    if (known === undefined || shape === undefined) {
      throw new FederationError(
        "model/shape",
        `reading a graph: the length of axis ${axis} of its input "${name}" is not known`,
      );
    }
    return known;
  });
}

function valueOf(values: Values, name: string, node: Node): Value {
  const value = values.get(name);
  if (value === undefined) {
    throw new FederationError(
      "model/corrupt",
      `reading a graph: the ${describeNode(node)} reads "${name}", which nothing before it makes`,
    );
  }
  return value;
}
