// ONNX tensors to ours and back. All ways in which ONNX stores elements are read; raw little-endian bytes are written.
import { FederationError, bytesOf, elementCount, tensor, tensorFromBytes } from "@perennial-fl/core";
import type { DType, Tensor } from "@perennial-fl/core";
import type { TensorProto } from "./messages.js";

const dtypeOfCode: { readonly [code: number]: DType } = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
};

const namesOfOthers: { readonly [code: number]: string } = {
  8: "string",
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
};

const codes = new Map(Object.entries(dtypeOfCode).map(([code, dtype]) => [dtype, Number(code)]));

/** ONNX's number of an element type. */
export function codeOf(dtype: DType): number {
  return codes.get(dtype) as number;
}

/** The element type of an ONNX number. Throws `model/unsupported` for one that has no counterpart here. */
export function dtypeOf(code: number | undefined, what: string): DType {
  const dtype = dtypeOfCode[code ?? 0];
  if (dtype === undefined) {
    throw new FederationError(
      "model/unsupported",
      `reading ${what}: elements of type ${namesOfOthers[code ?? 0] ?? `number ${code ?? 0}`} are not supported`,
    );
  }
  return dtype;
}

/**
 * The tensor of a message; `what` names it in errors. Raw elements are a view of the file where alignment allows.
 * Throws `model/corrupt` when shape and elements do not agree, `model/unsupported` for other element types.
 */
export function tensorOf(proto: TensorProto, what: string): Tensor {
  const dtype = dtypeOf(proto.dataType, what);
  const shape = (proto.dims ?? []).map((length) => {
    if (length < 0n || length > Number.MAX_SAFE_INTEGER) {
      throw new FederationError("model/corrupt", `reading ${what}: a length of ${length}`);
    }
    return Number(length);
  });
  try {
    if (proto.rawData !== undefined) return tensorFromBytes(dtype, shape, proto.rawData);
    return listed(dtype, shape, proto);
  } catch (cause) {
    throw new FederationError("model/corrupt", `reading ${what}: ${(cause as Error).message}`, { cause });
  }
}

/** The message of a tensor. */
export function tensorProto(name: string, value: Tensor): TensorProto {
  return { dims: value.shape.map(BigInt), dataType: codeOf(value.dtype), name, rawData: bytesOf(value) };
}

/** A tensor whose elements stand in one of the typed lists: narrow integers, bool and float16 share `int32_data`. */
function listed(dtype: DType, shape: readonly number[], proto: TensorProto): Tensor {
  switch (dtype) {
    case "float32":
      return tensor(dtype, shape, Float32Array.from(proto.floatData ?? []));
    case "float64":
      return tensor(dtype, shape, Float64Array.from(proto.doubleData ?? []));
    case "int64":
      return tensor(dtype, shape, BigInt64Array.from(proto.int64Data ?? []));
    case "uint64":
      return tensor(dtype, shape, BigUint64Array.from(proto.uint64Data ?? []));
    case "uint32":
      return tensor(dtype, shape, Uint32Array.from(proto.uint64Data ?? [], Number));
    default: {
      const empty = tensorFromBytes(dtype, [0], new Uint8Array());
      const data = new (empty.data.constructor as Int32ArrayConstructor)(elementCount(shape));
      const source = proto.int32Data ?? [];
      if (source.length !== data.length) {
        throw new FederationError("model/shape", `${source.length} elements for shape [${shape.join(", ")}]`);
      }
      data.set(source);
      return tensor(dtype, shape, data);
    }
  }
}
