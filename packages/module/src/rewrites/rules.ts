// The one table of rewrites; the families are in the files next to this one.
import { directRewrites } from "./direct.js";
import { modeRewrites } from "./modes.js";
import { olderOpsetRewrites } from "./older-opsets.js";
import type { Rewrite } from "./rewrite.js";
import { witnessRewrites } from "./witnesses.js";

/** How operators that are not placed as they are come into a graph, under ONNX's operator names. */
export const rewrites: { readonly [opType: string]: Rewrite } = {
  ...directRewrites,
  ...modeRewrites,
  ...olderOpsetRewrites,
  ...witnessRewrites,
};
