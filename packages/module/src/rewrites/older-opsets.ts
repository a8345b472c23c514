// Operators that meant the same or were said otherwise in older opsets, in the words of the opset that graphs are written in.
import type { Value } from "../builder.js";
import { floatOf, intOf, intsOf } from "../graph.js";
import type { Node } from "../graph.js";
import { place, required } from "./rewrite.js";
import type { Inputs, Rewrite, RewriteContext } from "./rewrite.js";

export const olderOpsetRewrites: { readonly [opType: string]: Rewrite } = {
  Clip: boundsAsInputs,
  LogSoftmax: softmax,
  Pad: padsAsInput,
  ReduceL1: axesAsInput,
  ReduceL2: axesAsInput,
  ReduceLogSumExp: axesAsInput,
  ReduceMax: axesAsInput,
  ReduceMean: axesAsInput,
  ReduceMin: axesAsInput,
  ReduceSum: axesAsInput,
  ReduceSumSquare: axesAsInput,
  Softmax: softmax,
  Split: split,
  Squeeze: axesAsInput,
  Unsqueeze: axesAsInput,
};

/** Older opsets have the axes as an attribute. */
function axesAsInput(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
  const axes = intsOf(node, "axes", undefined);
  if (axes === undefined) return place(context, node, inputs);
  const attributes = Object.fromEntries(Object.entries(node.attributes).filter(([name]) => name !== "axes"));
  return place(context, { ...node, attributes }, [inputs[0], context.g.ints(axes)]);
}

/** Before opset 11 the bounds were attributes. */
function boundsAsInputs(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
  if (context.opset >= 11) return place(context, node, inputs);
  const x = required(inputs[0]);
  const bound = (name: string): Value | undefined =>
    name in node.attributes ? context.g.scalar(floatOf(node, name, 0), x) : undefined;
  return place(context, { ...node, attributes: {} }, [x, bound("min"), bound("max")]);
}

/** Before opset 11 the pads and the value were attributes. */
function padsAsInput(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
  const [x, pads] = [required(inputs[0]), intsOf(node, "pads", undefined)];
  if (pads === undefined) return place(context, node, inputs);
  const { mode } = node.attributes;
  const value = context.g.scalar(floatOf(node, "value", 0), x);
  return place(context, { ...node, attributes: mode ? { mode } : {} }, [x, context.g.ints(pads), value]);
}

/** Before opset 13 the lengths were an attribute, and before 18 equal parts were not asked for by number. */
function split(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
  const lengths = intsOf(node, "split", undefined);
  const parts = lengths === undefined ? inputs[1] : context.g.ints(lengths);
  const axis = { type: "int", value: BigInt(intOf(node, "axis", 0)) } as const;
  const count = { type: "int", value: BigInt(node.outputs.length) } as const;
  const attributes = parts === undefined ? { axis, num_outputs: count } : { axis };
  return place(context, { ...node, attributes }, [inputs[0], parts]);
}

/** Before opset 13 the axes from `axis` on were one, and `axis` was 1 unless said otherwise. */
function softmax(context: RewriteContext, node: Node, inputs: Inputs): readonly Value[] {
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
