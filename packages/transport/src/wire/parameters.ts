// Parameters on the wire (flwr.proto.Parameters): one .npy file per tensor.
import { FederationError, elementSize, firstNonFinite, tensorFromSpan } from "@perennial-fl/core";
import type { Parameters, StoredResult, Tensor, TensorSpan, UpdateSink } from "@perennial-fl/core";
import { checkBooleans, decodeNpy, encodeNpy, readNpyHeader } from "./npy.js";
import { bytesIn, fieldsOf, malformed, textIn } from "./protobuf-reader.js";
import { bytesField, textField } from "./protobuf-writer.js";
import type { Pieces } from "./protobuf-writer.js";

const tensorType = "numpy.ndarray";

/** More than any model has. */
export const mostTensors = 100_000;

/** Elements are checked and handed on this many bytes at a time; a multiple of every element's size. */
const chunkBytes = 2 ** 20;

/** Parameters as they arrived: .npy files that are views of the message. */
export interface WireParameters {
  readonly files: readonly Uint8Array[];
  readonly tensorType: string;
}

/** The message's pieces; the elements are views of the tensors' own memory. */
export function encodeParameters(parameters: Parameters): Pieces {
  const files = parameters.flatMap((tensor) => bytesField(1, encodeNpy(tensor)));
  return [...files, ...textField(2, tensorType)];
}

export const noParameters: WireParameters = { files: [], tensorType };

/** Finds the files in a message. Nothing is copied and nothing inside them is looked at. */
export function readParameters(message: Uint8Array, name: string): WireParameters {
  const files: Uint8Array[] = [];
  let type = "";
  for (const field of fieldsOf(message, name)) {
    if (field.number === 1) files.push(bytesIn(field, `${name}.tensors[${files.length}]`));
    else if (field.number === 2) type = textIn(field, `${name}.tensor_type`);
    if (files.length > mostTensors) throw malformed(name, `has more than ${mostTensors} tensors`);
  }
  return { files, tensorType: type };
}

/** The tensors of a received message: views of it where order and alignment allow. */
export function decodeParameters(received: WireParameters, name: string): Parameters {
  checkTensorType(received.files.length, received.tensorType, name);
  return received.files.map((file, index) => decodeNpy(file, `${name}.tensors[${index}]`));
}

/**
 * Writes the elements of a received message into a sink, one tensor after the other, and looks for NaN and infinities
 * on the way. Every header is checked before the first byte is written.
 */
export async function pourParameters(received: WireParameters, name: string, sink: UpdateSink): Promise<StoredResult> {
  checkTensorType(received.files.length, received.tensorType, name);
  const spans = received.files.map((file, index) => readNpyHeader(file, `${name}.tensors[${index}]`));
  const stored: TensorSpan[] = [];
  let offset = 0;
  for (const [index, span] of spans.entries()) {
    const elements = (received.files[index] as Uint8Array).subarray(span.offset);
    checkBooleans(span.dtype, elements, `${name}.tensors[${index}]`);
    const nonFinite = await pourElements(span, elements, sink);
    stored.push({ ...span, offset, ...(nonFinite === undefined ? {} : { firstNonFinite: nonFinite }) });
    offset += span.byteLength;
  }
  return sink.close(stored);
}

/** Writes elements chunk by chunk; gives the index of the first NaN or infinity that went by. */
async function pourElements(span: TensorSpan, elements: Uint8Array, sink: UpdateSink): Promise<number | undefined> {
  const size = elementSize(span.dtype);
  let nonFinite: number | undefined;
  for (let start = 0; start < elements.byteLength; start += chunkBytes) {
    const chunk = elements.subarray(start, start + chunkBytes);
    if (nonFinite === undefined) {
      const found = firstNonFinite(flatTensor(span, chunk));
      if (found >= 0) nonFinite = rowMajorIndex(start / size + found, span);
    }
    await sink.write(chunk);
  }
  return nonFinite;
}

/** Some elements of a tensor in the order in which they lie. */
export function flatTensor({ dtype, bigEndian = false }: TensorSpan, bytes: Uint8Array): Tensor {
  const shape = [bytes.byteLength / elementSize(dtype)];
  return tensorFromSpan({ dtype, shape, offset: 0, byteLength: bytes.byteLength, bigEndian }, bytes);
}

/** The C-order index of the element that lies at `position`. */
export function rowMajorIndex(position: number, { shape, fortranOrder }: TensorSpan): number {
  if (fortranOrder !== true) return position;
  let rest = position;
  const index = shape.map((length) => {
    const along = rest % length;
    rest = (rest - along) / length;
    return along;
  });
  return index.reduce((flat, along, axis) => flat * (shape[axis] as number) + along, 0);
}

/** Throws `wire/unsupported` for tensors that are not numpy's. */
export function checkTensorType(tensors: number, type: string, name: string): void {
  if (type === tensorType || tensors === 0) return;
  throw new FederationError(
    "wire/unsupported",
    `${name} has the tensor_type ${JSON.stringify(type.slice(0, 100))}; only ${tensorType} is read`,
  );
}
