// The gradient of a convolution's input over channels in blocks: convolutions with mirrored weights, one for each phase of the stride.
import { elementCount, tensor } from "@perennial-fl/core";
import { nchwc, unblocked, blocked } from "./blocks.js";
import type { Place } from "./blocks.js";
import type { InputGradientSite } from "./convolution-sites.js";
import type { Emission } from "./emission.js";

/** The positions h = stride * q + offset of one axis, and the taps that reach them: dX[q] is a convolution of dY with these. */
interface Phase {
  /** In the order in which the convolution reads them; empty where no tap reaches these positions. */
  readonly taps: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Both axes' phases, and what they are put together to. */
export interface InputGradientPlan {
  readonly phases: readonly [readonly Phase[], readonly Phase[]];
  /** [batch, channels, height, width] of dX. */
  readonly shape: readonly number[];
}

/** Undefined where it takes more than convolutions with pads: a dilation beside a stride, a length that the stride does not divide. */
export function planInputGradient(
  { strides, dilations, pads }: InputGradientSite,
  kernel: readonly number[],
  shape: readonly number[],
  last: readonly number[],
): InputGradientPlan | undefined {
  const [rows, columns] = kernel.map((length, axis) => {
    const [stride, dilation] = [strides[axis] as number, dilations[axis] as number];
    const [whole, out] = [shape[axis + 2] as number, last[axis] as number];
    if ((stride > 1 && dilation > 1) || whole % stride !== 0) return undefined;
    return phasesOf({ length, stride, dilation, pad: pads[axis] as number, whole, out });
  });
  return rows === undefined || columns === undefined ? undefined : { phases: [rows, columns], shape };
}

interface Axis {
  /** Of the kernel. */
  readonly length: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  /** Of dX. */
  readonly whole: number;
  /** Of dY. */
  readonly out: number;
}

function phasesOf({ length, stride, dilation, pad, whole, out }: Axis): readonly Phase[] | undefined {
  const phases = Array.from({ length: stride }, (_, offset): Phase => {
    const first = (offset + pad) % stride;
    const taps = Array.from(
      { length: Math.max(0, Math.ceil((length - first) / stride)) },
      (__, t) => first + stride * t,
    );
    const reach = dilation * (taps.length - 1);
    const begin = reach - (offset + pad - first) / stride;
    return { taps: taps.reverse(), begin, end: whole / stride - out - begin + reach };
  });
  return phases.every(({ taps, begin, end }) => taps.length === 0 || (begin >= 0 && end >= 0)) ? phases : undefined;
}

export function inputGradient(
  e: Emission,
  { dY, dilations }: InputGradientSite,
  { phases: [rows, columns], shape }: InputGradientPlan,
  place: Place,
): void {
  const { block, output } = place;
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const [high, wide] = [height / rows.length, width / columns.length];
  const images = (batch * channels) / block;
  const convolved = (row: Phase, column: Phase): string => {
    const count = row.taps.length * column.taps.length;
    if (count === 0) return e.op("ConstantOfShape", [e.ints([images, high, wide, block])]);
    const weights = mirrored(e, row.taps, column.taps, place);
    return e.op(
      "Conv",
      [blocked(e, dY), weights],
      {
        kernel_shape: [row.taps.length, column.taps.length],
        strides: [1, 1],
        dilations,
        pads: [row.begin, column.begin, row.end, column.end],
        group: 1,
      },
      nchwc,
    );
  };
  const joined = (parts: readonly string[], lengths: readonly number[]): string => {
    if (parts.length === 1) return parts[0] as string;
    const shaped = parts.map((part) => e.op("Reshape", [part, e.ints(lengths)]));
    return e.op("Concat", shaped, { axis: 2 });
  };
  // Phases of one axis alternate: side by side along the next, they lie in order.
  const lines = rows.map((row) =>
    joined(
      columns.map((column) => convolved(row, column)),
      [images * high, wide, block],
    ),
  );
  const dX = e.op("Reshape", [joined(lines, [images, high, width * block]), e.ints(shape)]);
  unblocked(e, dX, channels, output);
}

/** The weights at these taps, with filters and channels exchanged. */
function mirrored(
  e: Emission,
  tapRows: readonly number[],
  tapColumns: readonly number[],
  { weight, shape, block }: Place,
): string {
  const [filters, channels, , width] = shape;
  const all = elementCount(shape.slice(2));
  const taps = tapRows.flatMap((row) => tapColumns.map((column) => row * width + column));
  const [rows, columns] = [filters / block, channels / block];
  const count = rows * columns * taps.length;
  const table = BigInt64Array.from({ length: count }, (_, at) => {
    const tap = taps[at % taps.length] as number;
    const [row, column] = [Math.floor(at / taps.length) % rows, Math.floor(at / taps.length / rows)];
    return BigInt((row * columns + column) * all + tap);
  });
  const order = e.once(`mirror ${shape.join()} ${taps.join()}`, () => e.constant(tensor("int64", [count], table)));
  const blocks = e.op("Reshape", [weight, e.ints([rows * columns * all, block * block])]);
  const moved = e.op("Gather", [blocks, order], { axis: 0 });
  // Each block is transposed by the kernel that takes blocks apart: it is several times as fast as Transpose.
  const asImages = e.op("Reshape", [moved, e.ints([count, block, 1, block])]);
  const turned = e.op("ReorderOutput", [asImages], { channels: block }, nchwc);
  return e.op("Reshape", [turned, e.ints([channels, filters, tapRows.length, tapColumns.length])]);
}
