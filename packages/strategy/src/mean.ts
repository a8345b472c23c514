// The weighted mean of updates, tensor by tensor.
import { FederationError, elementCount, float32 } from "@perennial-fl/core";
import type { Tensor, TensorHeader } from "@perennial-fl/core";
import { exactLimit, meanOfFloat32 } from "./float32-mean.js";
import type { Summation } from "./float32-mean.js";
import { numbersOf, tensorOf } from "./numbers.js";
import type { PlainAggregate, Contribution, Objection } from "./strategy.js";

/**
 * ŵ = Σ nₖ wₖ / Σ nₖ (McMahan et al. 2017, arXiv 1602.05629). Sums raw integer weights times elements in float64 and
 * divides once, which is exact for similar float32 updates, so that the order of clients hardly ever matters; it is
 * the cohort's order all the same. Integer and boolean tensors get the mean rounded to the nearest whole number.
 * Memory: a tile of a few clients for float32; one tensor in float64 and one of one client for other dtypes.
 */
export const weightedMean: PlainAggregate = (contributions, current) => meanOf(contributions, current, "cohort");

/**
 * The weighted mean with sums of float32 tensors that are the same in any order of the clients, to the bit: weighted
 * elements are rounded to 2^-60 at the finest, and must be below 2^31, their sum below 2^33 (`strategy/failed`).
 */
export const exactMean: PlainAggregate = (contributions, current) => meanOf(contributions, current, "exact");

/** Why an exact sum cannot hold an update. Reads it, one tensor at a time. */
export const exactObjection: Objection = ({ result, numExamples }) => {
  for (const [index, { dtype }] of result.tensors.entries()) {
    if (dtype !== "float32") continue;
    const tooLarge = (result.read(index).data as Float32Array).find((x) => Math.abs(x) * numExamples >= exactLimit);
    if (tooLarge === undefined) continue;
    return `tensor ${index} has an element of ${tooLarge}, with ${numExamples} examples; an exact sum holds weighted elements below 2^31`;
  }
  return undefined;
};

function meanOf(
  contributions: readonly Contribution[],
  current: readonly TensorHeader[],
  summation: Summation,
): Tensor[] {
  checkWeight(contributions);
  return current.map((header, index) => {
    const { dtype, shape } = header;
    if (dtype !== "float32") return meanOfTensor(contributions, index, header);
    return float32(shape, meanOfFloat32(contributions, index, elementCount(shape), summation));
  });
}

function checkWeight(contributions: readonly Contribution[]): void {
  if (totalOf(contributions) > 0) return;
  throw new FederationError("strategy/failed", `the mean of ${contributions.length} updates has no weight`);
}

function totalOf(contributions: readonly Contribution[]): number {
  return contributions.reduce((sum, { numExamples }) => sum + numExamples, 0);
}

function meanOfTensor(contributions: readonly Contribution[], index: number, header: TensorHeader): Tensor {
  if (header.dtype === "int64" || header.dtype === "uint64") return meanOfBigints(contributions, index, header);
  const total = totalOf(contributions);
  const sum = new Float64Array(elementCount(header.shape));
  for (const { result, numExamples } of contributions) addWeighted(sum, numbersOf(result.read(index)), numExamples);
  return tensorOf(
    header,
    sum.map((element) => element / total),
  );
}

/** sum += weight · values, four elements at a time: 1.5 times the speed of the plain loop on V8. */
function addWeighted(sum: Float64Array, values: ArrayLike<number>, weight: number): void {
  const length = sum.length;
  const blocks = length - (length % 4);
  let i = 0;
  for (; i < blocks; i += 4) {
    sum[i] = (sum[i] as number) + weight * (values[i] as number);
    sum[i + 1] = (sum[i + 1] as number) + weight * (values[i + 1] as number);
    sum[i + 2] = (sum[i + 2] as number) + weight * (values[i + 2] as number);
    sum[i + 3] = (sum[i + 3] as number) + weight * (values[i + 3] as number);
  }
  for (; i < length; i++) sum[i] = (sum[i] as number) + weight * (values[i] as number);
}

function meanOfBigints(contributions: readonly Contribution[], index: number, header: TensorHeader): Tensor {
  const sum = new Array<bigint>(elementCount(header.shape)).fill(0n);
  let total = 0n;
  for (const { result, numExamples } of contributions) {
    const weight = BigInt(numExamples);
    total += weight;
    const values = result.read(index).data as BigInt64Array;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as bigint) + weight * (values[i] as bigint);
  }
  // ⌊(2s + t) / 2t⌋ is the nearest whole number to s / t; BigInt division truncates, so negatives are floored by hand.
  const mean = sum.map((s) => floorDivide(2n * s + total, 2n * total));
  const data = header.dtype === "int64" ? BigInt64Array.from(mean) : BigUint64Array.from(mean);
  return { dtype: header.dtype, shape: header.shape, data };
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
