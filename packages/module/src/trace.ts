// Brings a graph that was read into a builder: known shapes, one opset, and the few operators that gradients need in another form.
import { FederationError, assert, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "./builder.js";
import { decompositions } from "./decompositions/rules.js";
import type { Masks } from "./dropout.js";
import { fold } from "./fold.js";
import { fill } from "./gradient/site.js";
import { describeNode, floatOf, intOf, intsOf, stringOf } from "./graph.js";
import type { Graph, Node, ValueInfo } from "./graph.js";
import { codeOf } from "./proto/tensors.js";

export interface TraceOptions {
  /** What an open first axis of an input becomes. */
  readonly batchSize?: number;
  /** Whether float initializers become inputs of the same name. */
  readonly parametersAsInputs?: boolean;
  /** Whether normalisations use the statistics of the batch; as the node itself says, where this is absent. */
  readonly training?: boolean;
  /** Where dropout's masks come from, asked for when the first is needed. */
  readonly masks?: () => Masks;
}

/** New values of buffers: BatchNormalization's running statistics, under the name of the old value. */
export type BufferUpdates = Map<string, Value>;

type Values = Map<string, Value>;
interface Context {
  readonly g: GraphBuilder;
  readonly options: TraceOptions;
  readonly opset: number;
  readonly buffers: BufferUpdates;
}
type Import = (context: Context, node: Node, inputs: readonly (Value | undefined)[]) => readonly Value[];

/** All values of the graph by name, placed in `g`. Throws `model/unsupported` and `model/shape`, naming the node. */
export function trace(
  g: GraphBuilder,
  graph: Graph,
  options: TraceOptions,
  buffers: BufferUpdates = new Map(),
): Values {
  if (graph.opset < 7 || graph.opset > 26) {
    throw new FederationError("model/unsupported", `reading a graph: opset ${graph.opset} is not one of 7 to 26`);
  }
  const values: Values = new Map();
  for (const input of graph.inputs)
    values.set(input.name, g.input(input.name, input.dtype, concreteShape(input, options)));
  for (const [name, held] of graph.initializers) {
    const trained = held.dtype === "float32" || held.dtype === "float64";
    if (!trained) values.set(name, g.constant(held, name));
    else if (options.parametersAsInputs === true) values.set(name, g.input(name, held.dtype, held.shape));
    else values.set(name, g.initializer(name, held));
  }
  const context: Context = { g, options, opset: graph.opset, buffers };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => (name === "" ? undefined : valueOf(values, name, node)));
    const rewrite = node.domain === "" && Object.hasOwn(imports, node.opType) ? imports[node.opType] : undefined;
    const stands =
      node.domain === "" && Object.hasOwn(decompositions, node.opType) ? decompositions[node.opType] : undefined;
    const outputs = stands?.(g, node, inputs, graph.opset) ?? (rewrite ?? place)(context, node, inputs);
    node.outputs.forEach((name, i) => {
      if (name !== "" && outputs[i] !== undefined) values.set(name, outputs[i]);
    });
  }
  return values;
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

function place({ g }: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const folded = fold(node, inputs);
  if (folded !== undefined) return [g.constant(folded)];
  return g.node(
    node.opType,
    inputs,
    { raw: node.attributes },
    { name: node.name, domain: node.domain, outputs: node.outputs },
  );
}

/** Operators that are not placed as they are. */
const imports: { readonly [opType: string]: Import } = {
  BatchNormalization: batchNormalization,
  Constant: ({ g }, node) => {
    const [entry] = Object.values(node.attributes);
    const held = entry?.type === "tensor" ? entry.value : scalarConstant(node);
    return [g.constant(held, node.outputs[0])];
  },
  CastLike: (context, node, inputs) => {
    const to = { type: "int", value: BigInt(codeOf(required(inputs[1]).dtype)) } as const;
    return place(context, { ...node, opType: "Cast", attributes: { to } }, inputs.slice(0, 1));
  },
  Clip: boundsAsInputs,
  Dropout: dropout,
  Flatten: ({ g }, node, inputs) => {
    const x = required(inputs[0]);
    const axis = intOf(node, "axis", 1);
    const split = axis < 0 ? axis + x.shape.length : axis;
    const product = (lengths: readonly number[]): number => lengths.reduce((a, b) => a * b, 1);
    return [g.reshape(x, [product(x.shape.slice(0, split)), product(x.shape.slice(split))])];
  },
  Identity: (_, __, inputs) => [required(inputs[0])],
  Gelu: gelu,
  LayerNormalization: ({ g }, node, inputs) =>
    // The gradient needs the statistics.
    g.node(node.opType, inputs, { raw: node.attributes }, { name: node.name, outputs: 3 }),
  MaxPool: ({ g }, node, inputs) =>
    // The second output says which elements won; the gradient needs it.
    g.node(
      "MaxPool",
      inputs,
      { raw: node.attributes },
      { name: node.name, outputs: [node.outputs[0] ?? "MaxPool", `${node.outputs[0] ?? ""}.indices`] },
    ),
  Pad: padsAsInput,
  ReduceL1: axesAsInput,
  ReduceL2: axesAsInput,
  ReduceLogSumExp: axesAsInput,
  ReduceMax: axesAsInput,
  ReduceMean: axesAsInput,
  ReduceMin: axesAsInput,
  ReduceSumSquare: axesAsInput,
  ReduceSum: axesAsInput,
  Shape: ({ g }, node, inputs) => [
    g.ints(required(inputs[0]).shape.slice(intOf(node, "start", 0), intOf(node, "end", undefined))),
  ],
  Softmax: softmax,
  LogSoftmax: softmax,
  SoftmaxCrossEntropyLoss: ({ g }, node, inputs) =>
    g.node(node.opType, inputs, { raw: node.attributes }, { name: node.name, outputs: 2 }),
  Split: split,
  Squeeze: axesAsInput,
  Unsqueeze: axesAsInput,
};

function required(value: Value | undefined): Value {
  assert(value !== undefined, "a node has the inputs that its operator demands");
  return value;
}

function scalarConstant(node: Node): Tensor {
  const entry = Object.entries(node.attributes)[0]?.[1];
  switch (entry?.type) {
    case "int":
      return tensor("int64", [], BigInt64Array.of(entry.value));
    case "ints":
      return tensor("int64", [entry.value.length], BigInt64Array.from(entry.value));
    case "float":
      return tensor("float32", [], Float32Array.of(entry.value));
    case "floats":
      return tensor("float32", [entry.value.length], Float32Array.from(entry.value));
    default:
      throw new FederationError(
        "model/unsupported",
        `reading a graph: the ${describeNode(node)} holds neither numbers nor a tensor`,
      );
  }
}

/** Older opsets have the axes as an attribute. */
function axesAsInput(context: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const axes = intsOf(node, "axes", undefined);
  if (axes === undefined) return place(context, node, inputs);
  const attributes = Object.fromEntries(Object.entries(node.attributes).filter(([name]) => name !== "axes"));
  return place(context, { ...node, attributes }, [inputs[0], context.g.ints(axes)]);
}

/** Before opset 11 the bounds were attributes. */
function boundsAsInputs(context: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  if (context.opset >= 11) return place(context, node, inputs);
  const x = required(inputs[0]);
  const bound = (name: string): Value | undefined =>
    name in node.attributes ? context.g.scalar(floatOf(node, name, 0), x) : undefined;
  return place(context, { ...node, attributes: {} }, [x, bound("min"), bound("max")]);
}

/** Before opset 11 the pads and the value were attributes. */
function padsAsInput(context: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const [x, pads] = [required(inputs[0]), intsOf(node, "pads", undefined)];
  if (pads === undefined) return place(context, node, inputs);
  const { mode } = node.attributes;
  const value = context.g.scalar(floatOf(node, "value", 0), x);
  return place(context, { ...node, attributes: mode ? { mode } : {} }, [x, context.g.ints(pads), value]);
}

/** Before opset 13 the lengths were an attribute, and before 18 equal parts were not asked for by number. */
function split(context: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const lengths = intsOf(node, "split", undefined);
  const parts = lengths === undefined ? inputs[1] : context.g.ints(lengths);
  const axis = { type: "int", value: BigInt(intOf(node, "axis", 0)) } as const;
  const count = { type: "int", value: BigInt(node.outputs.length) } as const;
  const attributes = parts === undefined ? { axis, num_outputs: count } : { axis };
  return place(context, { ...node, attributes }, [inputs[0], parts]);
}

/** An operator of opset 20, in the operators that it stands for (Hendrycks and Gimpel 2016). */
function gelu({ g }: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const x = required(inputs[0]);
  const half = g.mul(x, g.scalar(0.5, x));
  const one = g.scalar(1, x);
  if (stringOf(node, "approximate", "none") === "none") {
    return [g.mul(half, g.add(one, g.op("Erf", [g.mul(x, g.scalar(Math.SQRT1_2, x))])))];
  }
  const cubic = g.add(x, g.mul(g.mul(x, g.mul(x, x)), g.scalar(0.044715, x)));
  return [g.mul(half, g.add(one, g.op("Tanh", [g.mul(cubic, g.scalar(Math.sqrt(2 / Math.PI), x))])))];
}

/** Before opset 13 the axes from `axis` on were one, and `axis` was 1 unless said otherwise. */
function softmax(context: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  if (context.opset >= 13) return place(context, node, inputs);
  const { g } = context;
  const x = required(inputs[0]);
  const axis = intOf(node, "axis", 1);
  const from = axis < 0 ? axis + x.shape.length : axis;
  if (from === x.shape.length - 1) return [g.op(node.opType, [x], { axis: -1 })];
  const rows = x.shape.slice(0, from).reduce((a, b) => a * b, 1);
  const columns = x.shape.slice(from).reduce((a, b) => a * b, 1);
  return [g.reshape(g.op(node.opType, [g.reshape(x, [rows, columns])], { axis: -1 }), x.shape)];
}

/** In training every dropout drops but one that the file itself turns off; what is kept grows by 1 / (1 - ratio). */
function dropout(context: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const { g, options, opset } = context;
  const x = required(inputs[0]);
  const ratio = opset < 12 ? floatOf(node, "ratio", 0.5) : inputs[1] === undefined ? 0.5 : constantOf(inputs[1]);
  const mode = opset < 12 || inputs[2] === undefined ? undefined : constantOf(inputs[2]);
  const active = options.training === undefined ? mode === 1 : options.training && mode !== 0;
  if (!active || ratio === 0) return [x];
  if (options.masks === undefined || !(ratio > 0 && ratio < 1)) {
    const why = options.masks === undefined ? "drops values at random" : `drops with a ratio of ${ratio}, not below 1`;
    throw new FederationError("model/unsupported", `differentiating a graph: the ${describeNode(node)} ${why}`);
  }
  const dropped = options.masks().dropped(x.shape, ratio);
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
function batchNormalization(context: Context, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const { g, options, buffers } = context;
  const training = options.training ?? intOf(node, "training_mode", 0) === 1;
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
