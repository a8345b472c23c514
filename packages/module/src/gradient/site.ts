// What a gradient rule sees of a node of the forward graph.
import { assert, tensor } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import type { GraphBuilder, Placed, Value } from "../builder.js";
import { NodeSite } from "../node-site.js";

/** The gradient of one input, made only if somebody asks for it. */
export type Gradient = () => Value;

/**
 * The gradients of a node's inputs, in their order; `undefined` where the loss does not depend on an input smoothly.
 * A gradient may have the shape that broadcasting gave its input: the walk sums it back.
 */
export type GradientRule = (g: GraphBuilder, at: GradientSite) => readonly (Gradient | undefined)[];

/** A node of the forward graph, with its outputs and what the loss gains by each. */
export class GradientSite extends NodeSite {
  readonly #g: GraphBuilder;
  readonly #outputs: readonly Value[];
  readonly #gradients: readonly (Value | undefined)[];

  /** `gradients` are those of the loss with respect to the node's outputs. */
  constructor(g: GraphBuilder, { node, inputs, outputs }: Placed, gradients: readonly (Value | undefined)[]) {
    super(node, inputs);
    this.#g = g;
    this.#outputs = outputs;
    this.#gradients = gradients;
  }

  /** The first output. */
  get y(): Value {
    return this.output(0);
  }
  /** The gradient of the first output. */
  get dY(): Value {
    return this.gradient(0);
  }

  /** A gradient for each of {@link operands}. */
  each(gradient: (operand: Value, index: number) => Value): Gradient[] {
    return this.operands.map((operand, i) => () => gradient(operand, i));
  }

  output(index: number): Value {
    const value = this.#outputs[index];
    assert(value !== undefined, `${this.node.opType} was placed with output ${index}`);
    return value;
  }

  /** Whether the loss depends on an output. */
  uses(index: number): boolean {
    return this.#gradients[index] !== undefined;
  }

  /** The gradient of an output; zeros where the loss does not depend on it. */
  gradient(index: number): Value {
    return this.#gradients[index] ?? fill(this.#g, 0, this.output(index));
  }
}

/** 1 where the values are equal, 0 elsewhere, in the element type of both. */
export function share(g: GraphBuilder, value: Value, extreme: Value): Value {
  return g.cast(g.op("Equal", [value, extreme]), value);
}

/** The constant integers of an input, which the shape of the node's output was inferred from. */
export function constantInts(value: Value): number[] {
  return Array.from<number | bigint, number>(value.constant?.data ?? [], Number);
}

/** 1 at the class of each index [batch, ...], 0 elsewhere: [batch, classes, ...], of the element type of `like`. */
export function oneHot(g: GraphBuilder, indices: Value, classes: number, like: TensorHeader): Value {
  const zeroOne = like.dtype === "float64" ? Float64Array.of(0, 1) : Float32Array.of(0, 1);
  return g.op("OneHot", [indices, g.ints([classes]), g.constant(tensor(like.dtype, [2], zeroOne))], { axis: 1 });
}

/** A constant of the shape and element type of `like`, made by the graph itself. */
export function fill(g: GraphBuilder, value: number, like: Value): Value {
  const data = like.dtype === "float64" ? Float64Array.of(value) : Float32Array.of(value);
  return g.op("ConstantOfShape", [g.ints(like.shape)], { value: tensor(like.dtype, [1], data) });
}
