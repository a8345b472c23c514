// PyTorch's way to give a length for height and width: one number for both, or two.
export type Pair = number | readonly [height: number, width: number];

export function pairOf(pair: Pair): readonly [number, number] {
  return typeof pair === "number" ? [pair, pair] : pair;
}

/** The same padding at the beginning and the end of both axes, in ONNX's order. */
export function padsOf(padding: Pair): number[] {
  const pads = pairOf(padding);
  return [...pads, ...pads];
}
