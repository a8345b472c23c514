// Convolutions with more filters than positions, as a gathering of rows and one matrix product: the weights, which are the most
// of what moves there, are read where they lie. A row holds the channels of one position of one example.
import { elementCount, tensor, zeros } from "@perennial-fl/core";
import type { Node } from "../graph.js";
import type { WeightShape } from "./blocks.js";
import { forwardSite, inputGradientSite, weightGradientSite } from "./convolution-sites.js";
import type { Geometry } from "./convolution-sites.js";
import type { Emission } from "./emission.js";
import type { Formulation, Replacement, Surroundings } from "./weight-layouts.js";

/** [batch, channels, height, width]. */
type ImageShape = readonly [number, number, number, number];

/** One convolution: the shapes of x, of the weights and of y, and how its windows lie. */
interface Site extends Geometry {
  readonly x: ImageShape;
  readonly weights: WeightShape;
  readonly y: ImageShape;
}

export const gatheredConvolutions: Formulation = {
  // [taps, channels, filters].
  layout: ([filters, channels, height, width]) => ({ split: [filters, channels, height * width], order: [2, 1, 0] }),
  replacement(node, at) {
    const replace = replacementOf(node, at);
    return replace === undefined ? undefined : { replace };
  },
};

function replacementOf(node: Node, { weight, shape, value, anatomy }: Surroundings): Replacement | undefined {
  const output = node.outputs[0] as string;
  const siteOf = (geometry: Geometry, x: string, y: string): Site | undefined => {
    const [images, results] = [anatomy.header(x)?.shape, anatomy.header(y)?.shape];
    if (!isImageShape(images) || !isImageShape(results)) return undefined;
    const site = { ...geometry, x: images, weights: shape, y: results };
    return shape[0] > positions(results) ? site : undefined;
  };
  const forward = value === weight ? forwardSite(node, weight) : undefined;
  if (forward !== undefined) {
    const site = siteOf(forward, forward.x, output);
    return (
      site &&
      ((e) => {
        convolve(e, site, forward.x, weight, forward.bias, output);
      })
    );
  }
  const backward = value === weight ? inputGradientSite(node, weight) : undefined;
  if (backward !== undefined) {
    const site = siteOf(backward, output, backward.dY);
    return (
      site &&
      ((e) => {
        inputGradient(e, site, backward.dY, weight, output);
      })
    );
  }
  const gradient = value === output ? weightGradientSite(node, anatomy) : undefined;
  if (gradient === undefined) return undefined;
  const site = siteOf(gradient, gradient.x, gradient.dY);
  return (
    site &&
    ((e) => {
      weightGradient(e, site, gradient.x, gradient.dY, output);
    })
  );
}

function isImageShape(shape: readonly number[] | undefined): shape is ImageShape {
  return shape?.length === 4;
}

function positions([batch, , height, width]: ImageShape): number {
  return batch * height * width;
}

function convolve(e: Emission, site: Site, x: string, weight: string, bias: string | undefined, output: string): void {
  const product = e.op("Gemm", [columns(e, site, x), matrix(e, site, weight), ...(bias === undefined ? [] : [bias])]);
  images(e, product, site.y, output);
}

/** dW = columns' x dY. */
function weightGradient(e: Emission, site: Site, x: string, dY: string, output: string): void {
  const product = e.op("Gemm", [columns(e, site, x), rows(e, dY, site.y)], { transA: 1 });
  e.op("Reshape", [product, e.ints(site.weights)], {}, { output });
}

/** The gradients of the columns, dY x W', added up for each row that the columns were gathered from. */
function inputGradient(e: Emission, site: Site, dY: string, weight: string, output: string): void {
  const [, channels, ...kernel] = site.weights;
  const readers = readersOf(site);
  const most = Math.max(...readers.map((list) => list.length));
  const [count, taps] = [positions(site.y), elementCount(kernel)];
  // A row of zeros behind dY makes columns of zeros, for what is read less often than others.
  const short = readers.some((list) => list.length < most);
  const given = short ? withZeroRow(e, rows(e, dY, site.y), site.y[1]) : rows(e, dY, site.y);
  const product = e.op("Gemm", [given, matrix(e, site, weight)], { transB: 1 });
  const parts = e.op("Reshape", [product, e.ints([-1, channels])]);
  const table = readers.flatMap((list) => [...list, ...new Array<number>(most - list.length).fill(count * taps)]);
  const picked = gathered(e, parts, table);
  const lists = e.op("Reshape", [picked, e.ints([positions(site.x), most, channels])]);
  images(e, most === 1 ? picked : e.op("ReduceSum", [lists, e.ints([1])], { keepdims: 0 }), site.x, output);
}

/** For each position of y a row with the channels of every tap: [positions of y, taps * channels]. */
function columns(e: Emission, site: Site, x: string): string {
  const { strides, dilations, pads, weights, y } = site;
  const key = [x, strides, dilations, pads, weights.slice(2), y].join(" ");
  return e.once(`columns ${key}`, () => {
    const table = sourcesOf(site);
    const outside = positions(site.x);
    const plain = rows(e, x, site.x);
    const padded = table.includes(outside) ? withZeroRow(e, plain, site.x[1]) : plain;
    return e.op("Reshape", [gathered(e, padded, table), e.ints([positions(y), -1])]);
  });
}

/** The rows that a table names; all in their order need no work. */
function gathered(e: Emission, source: string, table: readonly number[]): string {
  if (table.every((row, i) => row === i)) return source;
  const key = `table ${table.join()}`;
  const list = BigInt64Array.from(table, BigInt);
  const indices = e.once(key, () => e.constant(tensor("int64", [table.length], list)));
  return e.op("Gather", [source, indices], { axis: 0 });
}

/** For each position of y and each tap the row of x that it reads, or the one behind the last where it reads padding. */
function sourcesOf({ x, weights, y, strides, dilations, pads }: Site): number[] {
  const [batch, , height, width] = x;
  const [, , rowTaps, columnTaps] = weights;
  const table: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (let q = 0; q < y[2] * y[3]; q++) {
      for (let tap = 0; tap < rowTaps * columnTaps; tap++) {
        const [i, j] = [Math.floor(tap / columnTaps), tap % columnTaps];
        const row = along(0, Math.floor(q / y[3]), i);
        const column = along(1, q % y[3], j);
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        table.push(inside ? (n * height + row) * width + column : batch * height * width);
      }
    }
  }
  return table;

  function along(axis: 0 | 1, position: number, tap: number): number {
    return position * (strides[axis] as number) + tap * (dilations[axis] as number) - (pads[axis] as number);
  }
}

/** The other way round: for each row of x where in the columns it went. */
function readersOf(site: Site): number[][] {
  const readers = Array.from({ length: positions(site.x) }, (): number[] => []);
  sourcesOf(site).forEach((row, at) => readers[row]?.push(at));
  return readers;
}

function rows(e: Emission, value: string, shape: ImageShape): string {
  return e.once(`rows ${value}`, () => {
    const turned = e.op("Transpose", [value], { perm: [0, 2, 3, 1] });
    return e.op("Reshape", [turned, e.ints([positions(shape), shape[1]])]);
  });
}

/** The weights as [taps * channels, filters]. */
function matrix(e: Emission, { weights: [filters, ...others] }: Site, weight: string): string {
  return e.once(`matrix ${weight}`, () => e.op("Reshape", [weight, e.ints([elementCount(others), filters])]));
}

function withZeroRow(e: Emission, value: string, length: number): string {
  return e.once(`padded ${value}`, () => {
    const zero = e.once(`zero row ${length}`, () => e.constant(zeros("float32", [1, length])));
    return e.op("Concat", [value, zero], { axis: 0 });
  });
}

/** Back from rows to images. */
function images(e: Emission, value: string, [batch, channels, height, width]: ImageShape, output: string): void {
  const split = e.op("Reshape", [value, e.ints([batch, height, width, channels])]);
  e.op("Transpose", [split], { perm: [0, 3, 1, 2] }, { output });
}
