// What stands between convolutions over blocks, kept in blocks: single elements, sums over a channel, poolings.
import { elementCount, tensor } from "@perennial-fl/core";
import { intOf, intsOf } from "../graph.js";
import type { Node } from "../graph.js";
import type { Anatomy } from "./anatomy.js";
import { blocked, inBlocks, nchwc, noteBlocks, unblocked } from "./blocks.js";
import type { Emission } from "./emission.js";

const elementwise = new Set(
  "Abs Add Clip Div Exp Greater LeakyRelu Less Mul Neg Relu Sigmoid Sqrt Sub Tanh Where".split(" "),
);

/** Rewrites a node that reads values in blocks, if it can; see `Rewrite`. */
export function blockedNeighbour(node: Node, e: Emission, anatomy: Anatomy, block: number): boolean {
  if (node.domain !== "") return false;
  if (elementwise.has(node.opType)) return onElements(node, e, anatomy);
  switch (node.opType) {
    case "MaxPool":
      return pool(node, e, anatomy);
    case "ReduceSum":
      return sumOfChannels(node, e, anatomy, block);
    case "Reshape":
      return poolGradient(node, e, anatomy, block);
    default:
      return false;
  }
}

/** Where a value is does not matter to an operator on single elements, if all operands are in blocks. */
function onElements(node: Node, e: Emission, anatomy: Anatomy): boolean {
  const output = node.outputs[0] as string;
  const header = anatomy.header(output);
  const inputs = node.inputs.map((name) => {
    const operand = anatomy.header(name);
    if (name === "" || (operand !== undefined && elementCount(operand.shape) === 1)) return name;
    return operand?.shape.join() === header?.shape.join() ? inBlocks(e, name) : undefined;
  });
  if (header?.shape.length !== 4 || inputs.some((name) => name === undefined)) return false;
  const made = e.copy(node, inputs as string[]);
  if (header.dtype === "float32") {
    unblocked(e, made, header.shape[1] as number, output);
    return true;
  }
  // Only numbers can be put back in order: who reads a condition as it was gets it from the node as it was.
  noteBlocks(e, output, made);
  return false;
}

/** The sum over everything but channels. */
function sumOfChannels(node: Node, e: Emission, anatomy: Anatomy, block: number): boolean {
  const [x = "", axes] = node.inputs;
  const made = inBlocks(e, x);
  const [batch, channels, ...spatial] = anatomy.header(x)?.shape ?? [];
  const summed = anatomy.header(node.outputs[0] as string)?.shape;
  if (made === undefined || batch === undefined || channels === undefined || summed === undefined) return false;
  if (anatomy.ints(axes)?.join() !== "0,2,3") return false;
  const parts = e.op("Reshape", [made, e.ints([batch, channels / block, elementCount(spatial), block])]);
  const perExample = e.op("ReduceSum", [parts, e.ints([2])]);
  const perChannel = e.op("ReduceSum", [perExample, e.ints([0])]);
  e.op("Reshape", [perChannel, e.ints(summed)], {}, { output: node.outputs[0] as string });
  return true;
}

/** A pooling whose windows tile the input, and whose indices only serve its gradient. */
function pool(node: Node, e: Emission, anatomy: Anatomy): boolean {
  const [x = ""] = node.inputs;
  const [y = "", indices = ""] = node.outputs;
  const made = inBlocks(e, x);
  const shape = anatomy.header(x)?.shape ?? [];
  const kernel = intsOf(node, "kernel_shape", []);
  if (made === undefined || shape.length !== 4 || !tiles(node, shape.slice(2), kernel)) return false;
  const gradients = anatomy.readers(indices).flatMap(({ outputs }) => anatomy.readers(outputs[0] as string));
  const onlyGradients = gradients.every(
    ({ opType, outputs }) =>
      opType === "ScatterElements" &&
      anatomy.readers(outputs[0] as string).every((reader) => reader.opType === "Reshape"),
  );
  if (!onlyGradients) return false;
  const pooled = e.op("MaxPool", [made], { kernel_shape: kernel, strides: kernel }, nchwc);
  unblocked(e, pooled, shape[1] as number, y);
  return true;
}

function tiles(node: Node, spatial: readonly number[], kernel: readonly number[]): boolean {
  const strides = intsOf(node, "strides", [1, 1]);
  const written = node.attributes["auto_pad"] === undefined && intOf(node, "ceil_mode", 0) === 0;
  const unpadded = intsOf(node, "pads", [0, 0, 0, 0]).every((pad) => pad === 0);
  const undilated = intsOf(node, "dilations", [1, 1]).every((dilation) => dilation === 1);
  const whole = kernel.every((length, i) => length === strides[i] && (spatial[i] as number) % length === 0);
  return written && unpadded && undilated && whole && elementCount(kernel) > 1;
}

/** The last node of a pooling's gradient: dY goes to the first of the greatest elements of each window. */
function poolGradient(node: Node, e: Emission, anatomy: Anatomy, block: number): boolean {
  const scatter = anatomy.maker(node.inputs[0] as string);
  const index = scatter?.opType === "ScatterElements" ? anatomy.maker(scatter.inputs[1] as string) : undefined;
  const source = index === undefined ? undefined : anatomy.maker(index.inputs[0] as string);
  const reshaped = scatter === undefined ? undefined : anatomy.maker(scatter.inputs[2] as string);
  if (source?.opType !== "MaxPool" || reshaped?.opType !== "Reshape") return false;
  const [x, y] = [source.inputs[0] as string, source.outputs[0] as string];
  const [made, pooled] = [inBlocks(e, x), inBlocks(e, y)];
  if (made === undefined || pooled === undefined) return false;
  const [batch, channels, height, width] = anatomy.header(x)?.shape as [number, number, number, number];
  const [rows, columns] = intsOf(source, "kernel_shape", []) as [number, number];
  const lines = (batch * channels * height) / block / rows;
  const windows = [lines, 1, width / columns, block];
  const tiled = e.op("Reshape", [made, e.ints([lines, rows, width / columns, columns * block])]);
  const asWindows = (value: string): string => e.op("Reshape", [value, e.ints(windows)]);
  const largest = asWindows(pooled);
  const d = asWindows(blocked(e, reshaped.inputs[0] as string));
  const zero = e.once("zero", () => e.constant(tensor("float32", [], Float32Array.of(0))));
  const places = Array.from({ length: rows * columns }, (_, at) => [Math.floor(at / columns), at % columns] as const);
  let taken: string | undefined;
  const parts = places.map(([row, column], at) => {
    // Where none of the others is the greatest, the last one is.
    if (taken !== undefined && at === places.length - 1) return e.op("Where", [taken, zero, d]);
    const [starts, ends] = [e.ints([row, column * block]), e.ints([row + 1, (column + 1) * block])];
    const element = e.op("Slice", [tiled, starts, ends, e.ints([1, 3])]);
    const equal = e.op("Equal", [element, largest]);
    const first = taken === undefined ? equal : e.op("And", [equal, e.op("Not", [taken])]);
    taken = taken === undefined ? equal : e.op("Or", [taken, equal]);
    return e.op("Where", [first, d, zero]);
  });
  const lined = Array.from({ length: rows }, (_, row) =>
    e.op("Concat", parts.slice(row * columns, (row + 1) * columns), { axis: 3 }),
  );
  const whole = e.op("Concat", lined, { axis: 1 });
  unblocked(e, e.op("Reshape", [whole, e.ints([batch, channels, height, width])]), channels, node.outputs[0] as string);
  return true;
}
