// Values whose channels lie in blocks: [batch, channels/block, height, width, channels of the block], under the shape they had.
import type { Emission } from "./emission.js";

/** The domain of onnxruntime's kernels for channels in blocks. */
export const nchwc = { domain: "com.microsoft.nchwc" } as const;

/** [filters, channels, height, width] of the weights. */
export type WeightShape = readonly [number, number, number, number];

/** A node that is replaced beside weights in blocks. */
export interface Place {
  readonly weight: string;
  readonly shape: WeightShape;
  readonly block: number;
  /** The name of the value that is to be made. */
  readonly output: string;
}

function keyOf(value: string): string {
  return `blocked ${value}`;
}

/** The value with its channels in blocks, made once for all that read it. */
export function blocked(e: Emission, value: string): string {
  return e.once(keyOf(value), () => e.op("ReorderInput", [value], {}, nchwc));
}

/** The value in blocks, where something has made it so. */
export function inBlocks(e: Emission, value: string): string | undefined {
  return e.made(keyOf(value));
}

/** Notes that `value` lies in blocks under the name `made`. */
export function noteBlocks(e: Emission, value: string, made: string): void {
  e.once(keyOf(value), () => made);
}

/** Makes `value` in ONNX's order as well; nobody may ask for it, and then the node is not kept. */
export function unblocked(e: Emission, made: string, channels: number, value: string): void {
  noteBlocks(e, value, made);
  e.op("ReorderOutput", [made], { channels }, { ...nchwc, output: value });
}
