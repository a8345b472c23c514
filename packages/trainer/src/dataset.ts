// The border for data: a dataset is checked here once, and what the worker gets needs no further checks.
import { describeTensor, elementCount, FederationError, firstNonFinite } from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import type { Dataset } from "./trainer.js";

/** What one example looks like to a module under a loss. */
export interface ExampleShape {
  /** Floats, or int64: the numbers of words, letters or categories. */
  readonly input: TensorHeader;
  readonly target:
    | { readonly type: "label"; readonly classes: number; readonly ignored?: number; readonly shape: readonly number[] }
    | { readonly type: "value"; readonly shape: readonly number[] };
}

/** The element types of inputs and targets. */
export type Elements = BigInt64Array | Float32Array;

/** Checked examples, in the element types of the graphs. */
export interface Examples {
  readonly count: number;
  readonly inputs: Elements;
  readonly targets: Elements;
}

/** Checks a dataset against the shape of its examples. Throws `data/invalid` with the index and the value at fault. */
export function checkDataset(dataset: Dataset, shape: ExampleShape): Examples {
  const count = dataset.inputs.shape[0] ?? 0;
  if (count === 0) throw invalid(`the dataset is empty: its inputs are ${describeTensor(dataset.inputs)}`);
  const inputShape = [count, ...shape.input.shape];
  const inputs =
    shape.input.dtype === "int64"
      ? integersOf("inputs", dataset.inputs, inputShape)
      : floatsOf("inputs", dataset.inputs, inputShape);
  const targets =
    shape.target.type === "label"
      ? labelsOf(dataset.targets, [count, ...shape.target.shape], shape.target)
      : floatsOf("targets", dataset.targets, [count, ...shape.target.shape]);
  return { count, inputs, targets };
}

function floatsOf(name: string, tensor: Tensor, shape: readonly number[]): Float32Array {
  requireShape(name, tensor, "float32", shape);
  const at = firstNonFinite(tensor);
  if (at >= 0) {
    throw invalid(`${name} hold ${String(tensor.data[at])} in example ${exampleOf(at, shape)} (element ${at})`);
  }
  return tensor.data as Float32Array;
}

function labelsOf(
  tensor: Tensor,
  shape: readonly number[],
  { classes, ignored }: { readonly classes: number; readonly ignored?: number },
): BigInt64Array {
  const { data } = tensor;
  const integers = integersOf("targets", tensor, shape);
  // The runtime itself would take -1 for the last class without a word.
  const wrong = (label: number | bigint): boolean => (label < 0 || label >= classes) && Number(label) !== ignored;
  const at = Array.prototype.findIndex.call(data, wrong);
  if (at >= 0) {
    throw invalid(
      `targets hold the label ${String(data[at])} in example ${exampleOf(at, shape)} where labels run from 0 to ${classes - 1}`,
    );
  }
  return integers;
}

/** Integers of any type as int64. */
function integersOf(name: "inputs" | "targets", tensor: Tensor, shape: readonly number[]): BigInt64Array {
  const { dtype, data } = tensor;
  if (dtype === "bool" || dtype.startsWith("float")) {
    const what = name === "inputs" ? "the module takes whole numbers, of any" : "class labels must have an";
    throw invalid(`${name} are ${describeTensor(tensor)} where ${what} integer type`);
  }
  requireShape(name, tensor, dtype, shape);
  return data instanceof BigInt64Array ? data : BigInt64Array.from(data as Int32Array, BigInt);
}

/** The example to which element number `at` belongs. */
function exampleOf(at: number, shape: readonly number[]): number {
  return Math.floor(at / elementCount(shape.slice(1)));
}

function requireShape(name: string, tensor: Tensor, dtype: Tensor["dtype"], shape: readonly number[]): void {
  const expected = { dtype, shape };
  if (describeTensor(tensor) !== describeTensor(expected)) {
    throw invalid(`${name} are ${describeTensor(tensor)} where the module needs ${describeTensor(expected)}`);
  }
  if (tensor.data.length !== elementCount(shape)) {
    throw invalid(`${name} are ${describeTensor(tensor)} but hold ${tensor.data.length} elements`);
  }
}

function invalid(message: string): FederationError {
  return new FederationError("data/invalid", `reading a dataset: ${message}`);
}
