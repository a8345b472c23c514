// Operators whose value is known when the graph is read, or that another one says more plainly.
import { FederationError, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { describeNode, intOf } from "../graph.js";
import type { Node } from "../graph.js";
import { codeOf } from "../proto/tensors.js";
import { place, required } from "./rewrite.js";
import type { Rewrite } from "./rewrite.js";

export const directRewrites: { readonly [opType: string]: Rewrite } = {
  CastLike: (context, node, inputs) => {
    const to = { type: "int", value: BigInt(codeOf(required(inputs[1]).dtype)) } as const;
    return place(context, { ...node, opType: "Cast", attributes: { to } }, inputs.slice(0, 1));
  },
  Constant: ({ g }, node) => {
    const [entry] = Object.values(node.attributes);
    const held = entry?.type === "tensor" ? entry.value : scalarConstant(node);
    return [g.constant(held, node.outputs[0])];
  },
  Flatten: ({ g }, node, inputs) => {
    const x = required(inputs[0]);
    const axis = intOf(node, "axis", 1);
    const split = axis < 0 ? axis + x.shape.length : axis;
    const product = (lengths: readonly number[]): number => lengths.reduce((a, b) => a * b, 1);
    return [g.reshape(x, [product(x.shape.slice(0, split)), product(x.shape.slice(split))])];
  },
  Identity: (_, __, inputs) => [required(inputs[0])],
  Shape: ({ g }, node, inputs) => [
    g.ints(required(inputs[0]).shape.slice(intOf(node, "start", 0), intOf(node, "end", undefined))),
  ],
};

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
