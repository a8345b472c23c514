// Plain data that survives: what a state dictionary may hold.
import type { Tensor } from "./tensor.js";

/**
 * Anything that a per-round state keeps and gives back equal: NaN, -0 and infinities among numbers, any integer as a
 * bigint, bytes, typed arrays and tensors. Use `type` aliases, not interfaces, for what is saved: an interface has no
 * implicit index signature.
 */
export type Saved =
  | null
  | boolean
  | number
  | bigint
  | string
  | ArrayBufferView
  | Tensor
  | readonly Saved[]
  | { readonly [key: string]: Saved };

/** A dictionary of saved values. */
export type SavedState = { readonly [key: string]: Saved };
