// numpy's .npy format (versions 1.0 to 3.0): a header in front of a tensor's elements.
import { FederationError, bytesOf, elementSize, tensorFromSpan } from "@perennial-fl/core";
import type { DType, Tensor, TensorSpan } from "@perennial-fl/core";
import { malformed } from "./protobuf-reader.js";

/** numpy's own limit for headers that it trusts no further. */
const longestHeader = 10_000;

/** numpy 2 has up to 64 axes. */
const mostAxes = 64;

const dtypeOfDescr = new Map<string, DType>([
  ["b1", "bool"],
  ["f2", "float16"],
  ["f4", "float32"],
  ["f8", "float64"],
  ["i1", "int8"],
  ["i2", "int16"],
  ["i4", "int32"],
  ["i8", "int64"],
  ["u1", "uint8"],
  ["u2", "uint16"],
  ["u4", "uint32"],
  ["u8", "uint64"],
]);
const descrOfDType = new Map([...dtypeOfDescr].map(([descr, dtype]) => [dtype, descr]));

/**
 * Where the elements lie in an .npy file, after checking that the file has as many bytes as its shape says. `name` is
 * the tensor's, for errors: `wire/malformed` for a file that is damaged, `wire/unsupported` for a type of elements that
 * is no number.
 */
export function readNpyHeader(file: Uint8Array, name: string): TensorSpan {
  return spanOfNpy(file, file.byteLength, name);
}

/** The same for a file of `fileBytes` of which only the beginning is here, as far as {@link npyElementsOffset} says. */
export function spanOfNpy(beginning: Uint8Array, fileBytes: number, name: string): TensorSpan {
  const { text, offset } = headerText(beginning, fileBytes, name);
  const { descr, fortranOrder, shape } = parseHeader(text, name);
  const dtype = parseDescr(descr, name);
  // The product of a forged shape exceeds what a number holds, so it is a bigint; nothing has been allocated yet.
  const expected = shape.reduce((product, length) => product * length, BigInt(elementSize(dtype)));
  const length = fileBytes - offset;
  if (expected !== BigInt(length)) {
    throw malformed(name, `has ${length} bytes of elements, and ${dtype}[${shape.join(", ")}] has ${expected}`);
  }
  const bigEndian = descr.startsWith(">") && elementSize(dtype) > 1;
  return {
    dtype,
    shape: shape.map((length) => safeLength(length, name)),
    offset,
    byteLength: length,
    ...(fortranOrder ? { fortranOrder } : {}),
    ...(bigEndian ? { bigEndian } : {}),
  };
}

/** The tensor of an .npy file: a view of the file where its order and alignment allow it. Throws as {@link readNpyHeader}. */
export function decodeNpy(file: Uint8Array, name = "an .npy file"): Tensor {
  const span = readNpyHeader(file, name);
  const elements = file.subarray(span.offset);
  checkBooleans(span.dtype, elements, name);
  return tensorFromSpan(span, elements);
}

/** A bool is one byte, 0 or 1; another byte would not survive a round trip through other tools. */
export function checkBooleans(dtype: DType, elements: Uint8Array, name: string): void {
  if (dtype !== "bool") return;
  const bad = elements.find((byte) => byte > 1);
  if (bad !== undefined) throw malformed(name, `has a bool of ${bad}`);
}

/** The .npy file of a tensor, byte for byte as numpy writes it: its header, and its elements as a view. */
export function encodeNpy(tensor: Tensor): readonly [header: Uint8Array, elements: Uint8Array] {
  const descr = (elementSize(tensor.dtype) > 1 ? "<" : "|") + (descrOfDType.get(tensor.dtype) as string);
  const shape = tensor.shape.length === 1 ? `(${tensor.shape.join("")},)` : `(${tensor.shape.join(", ")})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  // numpy leaves room for the first axis to grow to 21 digits, and pads by 64 where nothing would be needed.
  const growth = tensor.shape.length > 0 ? 21 - String(tensor.shape[0]).length : 0;
  const filled = 10 + dict.length + growth + 1;
  const header = Buffer.alloc(filled + 64 - (filled % 64), " ");
  header.write("\x93NUMPY\x01\x00", 0, "latin1");
  header.writeUInt16LE(header.byteLength - 10, 8);
  header.write(dict, 10, "latin1");
  header.write("\n", header.byteLength - 1);
  return [header, bytesOf(tensor)];
}

/** The shortest beginning of an .npy file that says how long its header is. */
export const npyPrologueBytes = 12;

/** Where the elements of a file of `fileBytes` begin, given its first {@link npyPrologueBytes} bytes. Throws as {@link readNpyHeader}. */
export function npyElementsOffset(prologue: Uint8Array, fileBytes: number, name: string): number {
  const bytes = Buffer.from(prologue.buffer, prologue.byteOffset, prologue.byteLength);
  if (bytes.byteLength < npyPrologueBytes || bytes.toString("latin1", 0, 6) !== "\x93NUMPY") {
    throw malformed(name, `is not an .npy file: it begins with ${bytes.toString("hex", 0, 6) || "nothing"}`);
  }
  const [major, minor] = [bytes.readUInt8(6), bytes.readUInt8(7)];
  if (major < 1 || major > 3 || minor !== 0) {
    throw new FederationError(
      "wire/unsupported",
      `${name} is an .npy file of version ${major}.${minor}; 1.0 to 3.0 are read`,
    );
  }
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  if (length > longestHeader)
    throw malformed(name, `has an .npy header of ${length} bytes; at most ${longestHeader} are read`);
  if (start + length > fileBytes) throw malformed(name, "ends within its .npy header");
  return start + length;
}

/** The header's dictionary, and where the elements begin. */
function headerText(file: Uint8Array, fileBytes: number, name: string): { text: string; offset: number } {
  const offset = npyElementsOffset(file, fileBytes, name);
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const major = bytes.readUInt8(6);
  return { text: bytes.toString(major === 3 ? "utf8" : "latin1", major === 1 ? 10 : 12, offset), offset };
}

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly bigint[];
}

/** One entry of the dictionary: a quoted name, a text, truth value or tuple, and a comma that only the last may lack. */
const entry = /\s*'(descr|fortran_order|shape)'\s*:\s*(?:'([^']*)'|(True|False)|\(([\d,L\s]*)\))\s*(?:,\s*|(?=\}))/y;

/** Reads the dictionary by its grammar and nothing else; Python's evaluator accepts far more than a header is. */
function parseHeader(text: string, name: string): Header {
  const broken = (): FederationError =>
    malformed(name, `has the .npy header ${JSON.stringify(text.trimEnd().slice(0, 200))}`);
  if (/'descr'\s*:\s*\[/.test(text)) throw unsupported(name, "of a structured type");
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let shape: readonly bigint[] | undefined;
  let at = 1;
  for (let count = 0; count < 3; count++) {
    entry.lastIndex = at;
    const [whole, key, quoted, truth, tuple] = entry.exec(text) ?? [];
    if (whole === undefined) throw broken();
    at += whole.length;
    if (key === "descr") descr = quoted;
    else if (key === "fortran_order") fortranOrder = truth === undefined ? undefined : truth === "True";
    else shape = tuple === undefined ? undefined : parseTuple(tuple);
  }
  if (!text.startsWith("{") || text.slice(at).trim() !== "}") throw broken();
  if (descr === undefined || fortranOrder === undefined || shape === undefined) throw broken();
  if (shape.length > mostAxes) throw malformed(name, `has ${shape.length} axes; numpy has at most ${mostAxes}`);
  return { descr, fortranOrder, shape };
}

/** `()`, `(3,)`, `(2, 3)` or `(2, 3,)`; Python 2 wrote `3L`. */
function parseTuple(text: string): readonly bigint[] | undefined {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length === 1) return parts[0] === "" ? [] : undefined;
  if (parts.at(-1) === "") parts.pop();
  return parts.every((part) => /^\d{1,20}L?$/.test(part))
    ? parts.map((part) => BigInt(part.replace("L", "")))
    : undefined;
}

function parseDescr(descr: string, name: string): DType {
  const [order, type] = [descr.slice(0, 1), descr.slice(1)];
  const dtype = dtypeOfDescr.get(type);
  if (dtype !== undefined && (elementSize(dtype) === 1 ? "|<>=" : "<>").includes(order)) return dtype;
  if (type.startsWith("O")) throw unsupported(name, "of Python objects (pickled), which are never read");
  if (type.startsWith("V")) throw unsupported(name, `of raw bytes (${descr}); bfloat16 looks like this: send float32`);
  throw unsupported(name, `of type ${JSON.stringify(descr.slice(0, 50))}`);
}

function unsupported(name: string, what: string): FederationError {
  return new FederationError("wire/unsupported", `${name} is an array ${what}`);
}

/** An axis of an empty array may be longer than any number of elements that a machine can hold. */
function safeLength(length: bigint, name: string): number {
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(name, `has an axis of length ${length}`);
  return Number(length);
}
