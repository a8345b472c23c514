// Elements of any dtype as plain numbers, and back.
import { fromFloat16, toFloat16, zeros } from "@perennial-fl/core";
import type { Tensor, TensorHeader, TypedArray } from "@perennial-fl/core";

/** A tensor's elements as numbers: a view where they are, a copy for half precision and 64-bit integers. */
export function numbersOf(tensor: Tensor): ArrayLike<number> {
  switch (tensor.dtype) {
    case "float16":
      return Float64Array.from(tensor.data as Uint16Array, fromFloat16);
    case "int64":
    case "uint64":
      return Float64Array.from(tensor.data as BigInt64Array, Number);
    default:
      return tensor.data as Exclude<TypedArray, BigInt64Array | BigUint64Array>;
  }
}

/** A tensor of the given kind from numbers: rounded once to the dtype, whole numbers to the nearest. */
export function tensorOf(header: TensorHeader, numbers: ArrayLike<number>): Tensor {
  const tensor = zeros(header.dtype, header.shape);
  const target = tensor.data as Float64Array;
  const convert = conversionTo(header.dtype);
  for (let i = 0; i < target.length; i++) target[i] = convert(numbers[i] as number) as number;
  return tensor;
}

function conversionTo(dtype: TensorHeader["dtype"]): (value: number) => number | bigint {
  switch (dtype) {
    case "float32":
    case "float64":
      return (value) => value;
    case "float16":
      return toFloat16;
    case "int64":
    case "uint64":
      return (value) => BigInt(Math.round(value));
    default:
      return Math.round;
  }
}
