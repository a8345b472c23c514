// Brings data as they were stored into the element types and shapes that a module takes.
import {
  describeTensor,
  elementCount,
  FederationError,
  firstNonFinite,
  float32,
  fromFloat16,
  tensor,
} from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";

/** What a batch of one looks like to a module under a loss. */
export interface Wanted {
  readonly inputs: TensorHeader;
  readonly targets: TensorHeader;
  /** Where targets are the numbers of classes: how many there are, and a number that is none and is passed by. */
  readonly classes?: number;
  readonly ignored?: number | undefined;
}

/**
 * Numbers become float32 or whole numbers as the module wants them, and each example gets the shape that the module takes if it has as many
 * elements. Throws `data/invalid`, naming what is there and what is wanted; `what` names the data.
 */
export function conform({ inputs, targets }: Dataset, wanted: Wanted, what: string): Dataset {
  const [count = 0, labels = 0] = [inputs.shape[0], targets.shape[0]];
  if (count === 0) {
    throw new FederationError(
      "data/invalid",
      `reading ${what}: it holds no examples: inputs are ${describeTensor(inputs)}`,
    );
  }
  if (labels !== count) {
    const found = `inputs are ${describeTensor(inputs)} and targets ${describeTensor(targets)}`;
    throw new FederationError("data/invalid", `reading ${what}: ${found}: not as many examples in both`);
  }
  const brought = (given: Tensor, header: TensorHeader, name: string): Tensor => {
    const subject = `reading ${what}: ${name}`;
    const numbers = header.dtype === "float32" ? floats(given) : integers(given, subject);
    requireFinite(numbers, subject);
    return shaped(numbers, header, subject);
  };
  const made = {
    inputs: brought(inputs, wanted.inputs, "inputs"),
    targets: brought(targets, wanted.targets, "targets"),
  };
  requireClasses(made.targets, wanted, `reading ${what}: targets`);
  return made;
}

/** As the trainer does, but before examples are held out: their numbers are still those of the data. */
function requireFinite(held: Tensor, subject: string): void {
  const at = firstNonFinite(held);
  if (at < 0) return;
  throw new FederationError(
    "data/invalid",
    `${subject} hold ${String(held.data[at])} in example ${exampleOf(at, held)}`,
  );
}

function requireClasses(targets: Tensor, { classes, ignored }: Wanted, subject: string): void {
  if (classes === undefined) return;
  const wrong = (label: number | bigint): boolean => (label < 0 || label >= classes) && Number(label) !== ignored;
  const at = Array.prototype.findIndex.call(targets.data, wrong);
  if (at < 0) return;
  const found = `hold the label ${String(targets.data[at])} in example ${exampleOf(at, targets)}`;
  throw new FederationError("data/invalid", `${subject} ${found} where labels run from 0 to ${classes - 1}`);
}

/** The example, counted from 0, to which an element belongs. */
function exampleOf(at: number, { shape: [count = 1], data }: Tensor): number {
  return Math.floor(at / (data.length / count));
}

/** Whole numbers of any type stay, and floats that are whole become int64: numpy's are floats unless told otherwise. */
function integers(given: Tensor, subject: string): Tensor {
  const { dtype, shape } = given;
  if (!dtype.startsWith("float")) return given;
  const values = floats(given).data as Float32Array;
  const at = values.findIndex((value) => !Number.isSafeInteger(value));
  if (at < 0) return tensor("int64", shape, BigInt64Array.from(values, BigInt));
  const found = `are ${describeTensor(given)} with ${values[at] ?? NaN} in example ${exampleOf(at, given)}`;
  throw new FederationError("data/invalid", `${subject} ${found} where the module takes whole numbers`);
}

function floats(given: Tensor): Tensor {
  const { dtype, shape, data } = given;
  if (dtype === "float32") return given;
  const read = dtype === "float16" ? fromFloat16 : Number;
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) values[i] = read(data[i] as never);
  return float32(shape, values);
}

function shaped(given: Tensor, { dtype, shape: [, ...example] }: TensorHeader, subject: string): Tensor {
  const [count = 0, ...own] = given.shape;
  if (elementCount(own) === elementCount(example)) return { ...given, shape: [count, ...example] };
  const takes = describeTensor({ dtype, shape: [count, ...example] });
  throw new FederationError("data/invalid", `${subject} are ${describeTensor(given)} where the module takes ${takes}`);
}
