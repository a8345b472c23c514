// Updates as small differences from the model they were trained from, between our own peers. What rounding loses in one
// round is added to the next (error feedback: Seide et al. 2014; Karimireddy et al. 2019, arXiv 1901.09847).
import { fromFloat16, toFloat16 } from "./float16.js";
import type { StoredResult } from "./results.js";
import { float32, sameHeader, tensor } from "./tensor.js";
import type { Parameters, Tensor, TensorHeader } from "./tensor.js";

/**
 * `float16`: half the bytes. `int8`: a quarter, whole numbers from −127 to 127 times one scale for each tensor, that is
 * the largest difference over 127.
 */
export type DeltaPrecision = "float16" | "int8";

export const deltaPrecisions: readonly DeltaPrecision[] = ["float16", "int8"];

/** In a fit instruction's configuration: how the server takes differences. In the answer's metrics: how they came. */
export const deltaEntry = "perennial.delta";

/** What the rounding of an update has lost so far, by the indices of its tensors. */
export type Residuals = readonly (Float32Array | undefined)[];

export interface EncodedDelta {
  /** One for each of the model's; behind them, for `int8`, a float32 tensor of their scales. */
  readonly tensors: Parameters;
  readonly residuals: Residuals;
}

const largestFloat16 = 65504;
const largestInt8 = 127;

/**
 * Encodes `update` as its difference from `base`, with `before` added. Only float32 tensors are encoded; others go as
 * they are. All three have the same tensors.
 */
export function encodeDelta(
  update: Parameters,
  base: Parameters,
  before: Residuals,
  precision: DeltaPrecision,
): EncodedDelta {
  const residuals: (Float32Array | undefined)[] = [];
  const scales: number[] = [];
  const tensors = update.map((held, index) => {
    if (held.dtype !== "float32") {
      scales.push(0);
      return held;
    }
    const [to, from] = [held.data as Float32Array, (base[index] as Tensor).data as Float32Array];
    const wanted = Float64Array.from(to, (x, i) => x + (before[index]?.[i] ?? 0));
    const encoded = encodeElements(
      wanted.map((x, i) => x - (from[i] as number)),
      held,
      precision,
    );
    scales.push(encoded.scale);
    const arrived = decodeElements(encoded.tensor, encoded.scale, from);
    residuals[index] = Float32Array.from(wanted, (x, i) => x - (arrived[i] as number));
    return encoded.tensor;
  });
  return { tensors: precision === "int8" ? [...tensors, float32([scales.length], scales)] : tensors, residuals };
}

function encodeElements(
  delta: Float64Array,
  { shape }: TensorHeader,
  precision: DeltaPrecision,
): { readonly tensor: Tensor; readonly scale: number } {
  if (precision === "float16") {
    const bounded = (x: number): number => Math.max(-largestFloat16, Math.min(largestFloat16, x));
    return {
      tensor: tensor(
        "float16",
        shape,
        Uint16Array.from(delta, (x) => toFloat16(bounded(x))),
      ),
      scale: 1,
    };
  }
  const largest = delta.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = Math.fround(largest / largestInt8);
  const whole = (x: number): number =>
    scale === 0 ? 0 : Math.max(-largestInt8, Math.min(largestInt8, Math.round(x / scale)));
  return { tensor: tensor("int8", shape, Int8Array.from(delta, whole)), scale };
}

/** The elements that a delta makes of `base`. */
function decodeElements({ dtype, data }: Tensor, scale: number, base: Float32Array): Float32Array {
  const value = dtype === "float16" ? fromFloat16 : (x: number): number => x * scale;
  return Float32Array.from(base, (x, i) => x + value(Number(data[i])));
}

/**
 * An encoded update as one with the tensors of `base`, each decoded when it is read; or why it is none, naming the tensor
 * and what was found.
 */
export function decodeDelta(
  update: StoredResult,
  base: Parameters,
  precision: DeltaPrecision,
): StoredResult | { readonly objection: string } {
  const { tensors } = update;
  const count = base.length + (precision === "int8" ? 1 : 0);
  if (tensors.length !== count) {
    return { objection: `the ${precision} difference has ${tensors.length} tensors, and ${count} are wanted` };
  }
  const headers = base.map(({ dtype, shape }): TensorHeader => ({
    dtype: dtype === "float32" ? precision : dtype,
    shape,
  }));
  if (precision === "int8") headers.push({ dtype: "float32", shape: [base.length] });
  for (const [index, wanted] of headers.entries()) {
    const found = tensors[index];
    if (found && sameHeader(found, wanted) && found.firstNonFinite === undefined) continue;
    const what = found ? `${found.dtype}[${found.shape.join(", ")}]` : "absent";
    const also = found?.firstNonFinite === undefined ? "" : `, not finite at element ${found.firstNonFinite}`;
    return {
      objection: `tensor ${index} of the ${precision} difference is ${what}${also}, and ${wanted.dtype}[${wanted.shape.join(", ")}] is wanted`,
    };
  }
  const scales = precision === "int8" ? (update.read(base.length).data as Float32Array) : undefined;
  return {
    tensors: base.map(({ dtype, shape }) => ({ dtype, shape })),
    read(index) {
      const held = base[index];
      if (held === undefined) throw new RangeError(`the update has no tensor ${index}`);
      const sent = update.read(index);
      if (held.dtype !== "float32") return sent;
      return float32(held.shape, decodeElements(sent, scales?.[index] ?? 1, held.data as Float32Array));
    },
  };
}
