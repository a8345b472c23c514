// Where a client's update rests between its arrival and its aggregation.
import { FederationError } from "./errors.js";
import { bytesOf, describeTensor, elementSize, firstNonFinite, tensorFromBytes } from "./tensor.js";
import type { Parameters, Tensor, TensorHeader } from "./tensor.js";

/** A tensor of a received update, as far as it is known without reading its elements again. */
export interface ReceivedHeader extends TensorHeader {
  /** Index of the first NaN or infinity, found while the bytes went by; absent when all are finite. */
  readonly firstNonFinite?: number;
}

/** Where a tensor's elements lie in the bytes that flowed into a sink. */
export interface TensorSpan extends ReceivedHeader {
  /** From the first byte that was written to the sink. */
  readonly offset: number;
  readonly byteLength: number;
  /** numpy's `fortran_order`: the elements lie column by column. */
  readonly fortranOrder?: boolean;
  readonly bigEndian?: boolean;
}

/** A received update, on disk or in memory, read back tensor by tensor. */
export interface StoredResult {
  readonly tensors: readonly ReceivedHeader[];
  /** Tensor number `index` in C order and this machine's byte order. Synchronous: aggregation is a plain loop. */
  read(index: number): Tensor;
  /**
   * Copies the bytes of tensor `index`, in C order and this machine's byte order, from byte `start` on into `target`: as
   * many as `target` holds. Where it is missing, tensors are read whole.
   */
  readInto?(index: number, start: number, target: Uint8Array): void;
}

/** Takes the bytes of one update as they arrive. Exactly one of `close` and `abort` ends it. */
export interface UpdateSink {
  /** The chunk may be reused once the returned promise settles (or at once, when there is none). */
  write(chunk: Uint8Array): Promise<void> | void;
  /** All bytes are in; `tensors` says where each tensor lies. Resolves when the bytes are durable. */
  close(tensors: readonly TensorSpan[]): Promise<StoredResult>;
  /** The update will never be whole: forget it. */
  abort(cause: unknown): Promise<void>;
}

/** A result that is held in memory: for tests, for simulated clients and for what need not survive. */
export function memoryResult(parameters: Parameters): StoredResult {
  const read = (index: number): Tensor => {
    const tensor = parameters[index];
    if (tensor === undefined) throw new RangeError(`the update has no tensor ${index}`);
    return tensor;
  };
  return {
    tensors: parameters.map((tensor) => {
      const index = firstNonFinite(tensor);
      return { dtype: tensor.dtype, shape: tensor.shape, ...(index < 0 ? {} : { firstNonFinite: index }) };
    }),
    read,
    readInto(index, start, target) {
      target.set(bytesOf(read(index)).subarray(start, start + target.byteLength));
    },
  };
}

/** A sink that keeps its bytes in memory. */
export function memorySink(): UpdateSink {
  const chunks: Uint8Array[] = [];
  return {
    write(chunk) {
      chunks.push(new Uint8Array(chunk));
    },
    close(tensors) {
      const bytes = concat(chunks);
      return Promise.resolve({
        tensors,
        read(index) {
          const span = tensors[index];
          if (span === undefined) throw new RangeError(`the update has no tensor ${index}`);
          return tensorFromSpan(span, bytes.subarray(span.offset, span.offset + span.byteLength));
        },
      });
    },
    abort() {
      chunks.length = 0;
      return Promise.resolve();
    },
  };
}

/** Pours an update that is already in memory into a sink, tensor after tensor. */
export async function pour(parameters: Parameters, sink: UpdateSink): Promise<StoredResult> {
  const spans: TensorSpan[] = [];
  let offset = 0;
  for (const tensor of parameters) {
    const bytes = bytesOf(tensor);
    const index = firstNonFinite(tensor);
    spans.push({
      dtype: tensor.dtype,
      shape: tensor.shape,
      offset,
      byteLength: bytes.byteLength,
      ...(index < 0 ? {} : { firstNonFinite: index }),
    });
    await sink.write(bytes);
    offset += bytes.byteLength;
  }
  return sink.close(spans);
}

/** Whether a span's bytes are the tensor's own, in C order and this machine's byte order. */
export function isPlainSpan({ shape, fortranOrder, bigEndian }: TensorSpan): boolean {
  return bigEndian !== true && (fortranOrder !== true || shape.length < 2);
}

/** The tensor of a span, given the span's own bytes; undoes Fortran order and big-endian elements. */
export function tensorFromSpan(span: TensorSpan, bytes: Uint8Array): Tensor {
  if (bytes.byteLength !== span.byteLength) {
    throw new FederationError(
      "checkpoint/corrupt",
      `a stored ${describeTensor(span)} has ${bytes.byteLength} of ${span.byteLength} bytes`,
    );
  }
  const native = span.bigEndian === true ? reverseElements(bytes, elementSize(span.dtype)) : bytes;
  const tensor = tensorFromBytes(span.dtype, span.shape, native);
  return span.fortranOrder === true && span.shape.length > 1 ? toRowMajor(tensor) : tensor;
}

function reverseElements(bytes: Uint8Array, size: number): Uint8Array {
  const reversed = new Uint8Array(bytes);
  for (let start = 0; start < reversed.length; start += size) reversed.subarray(start, start + size).reverse();
  return reversed;
}

/** The same tensor with its column-major elements brought into row-major order. */
function toRowMajor(tensor: Tensor): Tensor {
  const { shape, data } = tensor;
  const strides: number[] = [];
  let stride = 1;
  for (const length of shape) {
    strides.push(stride);
    stride *= length;
  }
  const source = data as Float64Array;
  const target = data.slice() as Float64Array;
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < target.length; to++) {
    target[to] = source[from] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      from += strides[axis] as number;
      if (next < (shape[axis] as number)) {
        index[axis] = next;
        break;
      }
      from -= next * (strides[axis] as number);
      index[axis] = 0;
    }
  }
  return { ...tensor, data: target };
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.byteLength, 0));
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
