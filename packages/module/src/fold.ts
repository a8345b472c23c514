// Computes integers that do not change from run to run: the chains by which exporters compute shapes and indices.
import { elementCount, tensor } from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import type { Value } from "./builder.js";
import { intOf } from "./graph.js";
import type { Node } from "./graph.js";
import { inferShapes } from "./shapes/rules.js";

/** Beyond so many elements a tensor is data and not a shape. */
const largest = 4096;

type Elements = (operands: readonly Tensor[], result: TensorHeader, node: Node) => readonly number[];

const copied: Elements = ([a]) => numbers(a as Tensor);

const elements: { readonly [opType: string]: Elements } = {
  Add: pointwise((a, b) => a + b),
  Sub: pointwise((a, b) => a - b),
  Mul: pointwise((a, b) => a * b),
  Div: pointwise((a, b) => Math.trunc(a / b)),
  // The remainder has the divisor's sign, unless fmod asks for the dividend's.
  Mod: (operands, result, node) =>
    pointwise(intOf(node, "fmod", 0) === 1 ? (a, b) => a % b : (a, b) => a - b * Math.floor(a / b))(
      operands,
      result,
      node,
    ),
  Equal: pointwise((a, b) => Number(a === b)),
  Where: pointwise((condition, a, b) => (condition === 0 ? b : a)),
  Expand: (operands, result) => pointwise((a) => a)(operands.slice(0, 1), result, {} as Node),
  Cast: ([a]) => numbers(a as Tensor).map(Math.trunc),
  Concat: (operands) => operands.flatMap(numbers),
  ConstantOfShape: (_, result, { attributes: { value } }) => {
    const filled = value?.type === "tensor" ? Number(value.value.data[0]) : 0;
    return new Array<number>(elementCount(result.shape)).fill(filled);
  },
  Gather: ([a, b]) => {
    const list = numbers(a as Tensor);
    return numbers(b as Tensor).map((index) => list.at(index) as number);
  },
  Reshape: copied,
  Squeeze: copied,
  Unsqueeze: copied,
  Slice: ([a, starts, ends, , steps]) => sliced(numbers(a as Tensor), starts as Tensor, ends as Tensor, steps),
};

/** The output of a node whose inputs are all constant, when it holds integers; `undefined` where the graph has to compute it. */
export function fold(node: Node, inputs: readonly (Value | undefined)[]): Tensor | undefined {
  const operands = inputs.map((value) => value?.constant);
  const rule = Object.hasOwn(elements, node.opType) ? elements[node.opType] : undefined;
  if (rule === undefined || node.domain !== "" || operands.some((operand) => operand === undefined)) return undefined;
  // Lists only: a matrix of constants is left to the graph where order matters.
  const isList = operands.every((operand) => (operand?.shape.length ?? 0) <= 1);
  if (!isList && ["Concat", "Gather", "Slice"].includes(node.opType)) return undefined;
  if (node.opType === "Gather" && intOf(node, "axis", 0) > 0) return undefined;
  const [result] = inferShapes(node, inputs);
  if (result === undefined || elementCount(result.shape) > largest) return undefined;
  if (result.dtype !== "int64" && result.dtype !== "bool") return undefined;
  const computed = rule(operands as Tensor[], result, node);
  return result.dtype === "int64"
    ? tensor("int64", result.shape, BigInt64Array.from(computed, BigInt))
    : tensor("bool", result.shape, Uint8Array.from(computed));
}

function numbers({ data }: Tensor): number[] {
  return Array.from<number | bigint, number>(data, Number);
}

/** One function for every element of the broadcast operands. */
function pointwise(combine: (...operands: number[]) => number): Elements {
  return (operands, { shape }) => {
    const lists = operands.map(numbers);
    return Array.from({ length: elementCount(shape) }, (_, flat) =>
      combine(...operands.map((operand, i) => lists[i]?.[offset(flat, shape, operand.shape)] as number)),
    );
  };
}

/** Where in a tensor of shape `from` the element lies that broadcasting puts at `flat` in `shape`. */
function offset(flat: number, shape: readonly number[], from: readonly number[]): number {
  let [rest, stride, result] = [flat, 1, 0];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const own = from[axis - shape.length + from.length] ?? 1;
    const length = shape[axis] as number;
    if (own > 1) result += (rest % length) * stride;
    stride *= own;
    rest = Math.floor(rest / length);
  }
  return result;
}

function sliced(list: readonly number[], starts: Tensor, ends: Tensor, steps: Tensor | undefined): number[] {
  const [start, end, step] = [Number(starts.data[0]), Number(ends.data[0]), Number(steps?.data[0] ?? 1)];
  return sliceIndices(list.length, start, end, step).map((index) => list[index] as number);
}

/** The indices that a Slice takes of an axis. */
export function sliceIndices(length: number, start: number, end: number, step: number): number[] {
  const clamp = (index: number): number => {
    const counted = index < 0 ? index + length : index;
    return step > 0 ? Math.min(Math.max(counted, 0), length) : Math.min(Math.max(counted, -1), length - 1);
  };
  const [from, to] = [clamp(start), clamp(end)];
  const count = Math.max(0, Math.ceil((to - from) / step));
  return Array.from({ length: count }, (_, i) => from + i * step);
}
