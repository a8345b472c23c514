// Lowering: a finished train step in a form that one runtime runs faster. The plain step is always right; this is a pass over it.
import type { Graph } from "../graph.js";
import { anatomyOf } from "./anatomy.js";
import { blockedConvolutions } from "./blocked-convolution.js";
import { blockedNeighbour } from "./blocked-neighbours.js";
import { rewritten } from "./emission.js";
import { gatheredConvolutions } from "./gathered-convolution.js";
import type { Layout } from "./layout.js";
import { separatedUpdates } from "./updates.js";
import type { Updates } from "./updates.js";
import { relaidConvolutions } from "./weight-layouts.js";

/**
 * What a lowering is called where it is switched on and off. `gathered-convolutions` makes those with more filters than
 * positions matrix products, `blocked-convolutions` runs the others in the runtime's kernels for channels in blocks, and
 * `updates-in-place` takes the optimizer out of the graph.
 */
export type LoweringName = "gathered-convolutions" | "blocked-convolutions" | "updates-in-place";

export const loweringNames: readonly LoweringName[] = [
  "gathered-convolutions",
  "blocked-convolutions",
  "updates-in-place",
];

export interface LoweringOptions {
  readonly lowerings: readonly LoweringName[];
  /** The channels in a block of the runtime's blocked kernels; without it, these kernels are not used. */
  readonly blockSize?: number;
  /** Inputs that are the same in every step, and can be kept where updates happen. */
  readonly references?: readonly string[];
}

export interface Lowered {
  readonly graph: Graph;
  /** Inputs, and outputs `new.<input>`, whose elements lie in another order. All others lie as ONNX says. */
  readonly layouts: ReadonlyMap<string, Layout>;
  /** What is left to be done after a run, and is no longer done in the graph. */
  readonly updates?: Updates;
}

/**
 * The same step, with the same inputs and outputs but for {@link Lowered.updates}; they may lie in another order. It gives
 * the plain step's results up to rounding, and repeats its own to the bit.
 */
export function lower(graph: Graph, { lowerings, blockSize, references = [] }: LoweringOptions): Lowered {
  const inBlocks = lowerings.includes("blocked-convolutions") ? blockSize : undefined;
  const gathers = lowerings.includes("gathered-convolutions");
  const inPlace = lowerings.includes("updates-in-place");
  if (inBlocks === undefined && !gathers && !inPlace) return { graph, layouts: new Map() };
  const anatomy = anatomyOf(graph);
  const { graph: rest, ...separated } = inPlace ? separatedUpdates(graph, anatomy, new Set(references)) : { graph };
  const { replacements, layouts } = relaidConvolutions(graph, anatomy, [
    ...(gathers ? [gatheredConvolutions] : []),
    ...(inBlocks === undefined ? [] : [blockedConvolutions(inBlocks)]),
  ]);
  const made = rewritten(rest, (node, emission) => {
    const replacement = replacements.get(node);
    replacement?.(emission);
    if (replacement !== undefined) return true;
    return inBlocks !== undefined && blockedNeighbour(node, emission, anatomy, inBlocks);
  });
  return { graph: made, layouts, ...separated };
}
