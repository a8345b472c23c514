// Tensors: a dtype, a shape and the elements in C order. Nothing writes `data` after construction.
import { FederationError } from "./errors.js";

const elementTypes = {
  bool: Uint8Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
} as const;

/** Element types by numpy's names. `float16` holds the raw 16 bits; `bool` one byte, 0 or 1. */
export type DType = keyof typeof elementTypes;

export type TypedArray =
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

/** What is known of a tensor without its elements. */
export interface TensorHeader {
  readonly dtype: DType;
  /** Lengths of the axes; `[]` is a scalar, a 0 makes the tensor empty. */
  readonly shape: readonly number[];
}

export interface Tensor extends TensorHeader {
  /** `elementCount(shape)` elements in C (row-major) order. */
  readonly data: TypedArray;
}

/** An ordered list of tensors, as it travels. The names live in the module. */
export type Parameters = readonly Tensor[];

export const dtypes = Object.keys(elementTypes) as readonly DType[];

export function isDType(name: string): name is DType {
  return Object.hasOwn(elementTypes, name);
}

/** Bytes of one element. */
export function elementSize(dtype: DType): number {
  return elementTypes[dtype].BYTES_PER_ELEMENT;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

export function byteLength(header: TensorHeader): number {
  return elementCount(header.shape) * elementSize(header.dtype);
}

/** A tensor over `data`, which is kept and not copied. Throws `model/shape` if the counts differ. */
export function tensor(dtype: DType, shape: readonly number[], data: TypedArray): Tensor {
  checkShape(shape);
  if (!(data instanceof elementTypes[dtype])) {
    throw new FederationError("model/shape", `a ${dtype} tensor cannot hold a ${data.constructor.name}`);
  }
  if (elementCount(shape) !== data.length) {
    throw new FederationError(
      "model/shape",
      `a tensor of shape [${shape.join(", ")}] holds ${elementCount(shape)} elements, not ${data.length}`,
    );
  }
  return { dtype, shape, data };
}

/** A float32 tensor of the given numbers. */
export function float32(shape: readonly number[], values: Iterable<number>): Tensor {
  return tensor("float32", shape, values instanceof Float32Array ? values : Float32Array.from(values));
}

/** A tensor of zeros. */
export function zeros(dtype: DType, shape: readonly number[]): Tensor {
  return tensor(dtype, shape, new elementTypes[dtype](elementCount(shape)));
}

/** The little-endian bytes of a tensor's elements: a view, not a copy. */
export function bytesOf(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/**
 * The tensor whose little-endian elements are `bytes`: a view where the alignment allows it, a copy elsewhere.
 * Throws `model/shape` if the length does not fit the shape.
 */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  checkShape(shape);
  const size = elementSize(dtype);
  if (bytes.byteLength !== elementCount(shape) * size) {
    throw new FederationError(
      "model/shape",
      `a ${dtype} tensor of shape [${shape.join(", ")}] has ${elementCount(shape) * size} bytes, not ${bytes.byteLength}`,
    );
  }
  // Not bytes.slice(): a Node Buffer's is a view.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const data = new elementTypes[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / size);
  return { dtype, shape, data };
}

/** Whether two headers describe the same kind of tensor. */
export function sameHeader(a: TensorHeader, b: TensorHeader): boolean {
  return (
    a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((length, i) => length === b.shape[i])
  );
}

/** Whether two tensors agree to the bit; NaN equals the same NaN, and 0 differs from -0. */
export function sameTensor(a: Tensor, b: Tensor): boolean {
  if (!sameHeader(a, b)) return false;
  const [left, right] = [bytesOf(a), bytesOf(b)];
  return left.every((byte, i) => byte === right[i]);
}

/** `float32[2, 3]`, for messages that people read. */
export function describeTensor(header: TensorHeader): string {
  return `${header.dtype}[${header.shape.join(", ")}]`;
}

/** The index of the first NaN or infinity of a floating-point tensor, or -1. Integers are always finite. */
export function firstNonFinite(tensor: Tensor): number {
  const { dtype, data } = tensor;
  if (dtype === "float16") return (data as Uint16Array).findIndex((bits) => (bits & 0x7c00) === 0x7c00);
  if (dtype !== "float32" && dtype !== "float64") return -1;
  // A sum is finite only if every term is; it overflows rarely, so the exact search runs only then.
  const values = data as Float32Array | Float64Array;
  return Number.isFinite(anySum(values)) ? -1 : values.findIndex((value) => !Number.isFinite(value));
}

/** The sum in some order: four at a time, because one addition need not wait for the one before it. */
function anySum(values: Float32Array | Float64Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += values[i] as number;
    b += values[i + 1] as number;
    c += values[i + 2] as number;
    d += values[i + 3] as number;
  }
  for (let i = whole; i < values.length; i++) a += values[i] as number;
  return a + b + (c + d);
}

function checkShape(shape: readonly number[]): void {
  const bad = shape.find((length) => !Number.isSafeInteger(length) || length < 0);
  if (bad !== undefined) {
    throw new FederationError("model/shape", `a shape holds whole numbers from 0, not ${bad}`);
  }
}

// Every format of ours is little-endian, and views over bytes are only right on such a machine.
if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
  throw new Error("Perennial needs a little-endian machine");
}
