// The weighted mean of updates, tensor by tensor.
import { FederationError, bytesOf, tensorFromBytes } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "./numbers.js";
import type { PlainAggregate, Contribution } from "./strategy.js";

/**
 * ŵ = Σ nₖ wₖ / Σ nₖ (McMahan et al. 2017, arXiv 1602.05629). Sums raw integer weights times elements in float64 and
 * divides once, which is exact for similar float32 updates, so that the order of clients hardly ever matters; it is
 * the cohort's order all the same. Integer and boolean tensors get the mean rounded to the nearest whole number.
 * Memory: one tensor in float64 and one of one client at a time.
 */
export const weightedMean: PlainAggregate = (contributions, current) =>
  current.map((header, index) => meanOfTensor(contributions, index, header));

function meanOfTensor(contributions: readonly Contribution[], index: number, header: Tensor): Tensor {
  const total = contributions.reduce((sum, { numExamples }) => sum + numExamples, 0);
  if (!(total > 0))
    throw new FederationError("strategy/failed", `the mean of ${contributions.length} updates has no weight`);
  if (header.dtype === "int64" || header.dtype === "uint64") return meanOfBigints(contributions, index, header);
  const sum = new Float64Array(header.data.length);
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

function meanOfBigints(contributions: readonly Contribution[], index: number, header: Tensor): Tensor {
  const sum = new Array<bigint>(header.data.length).fill(0n);
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
  return tensorFromBytes(header.dtype, header.shape, bytesOf({ ...header, data }));
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
