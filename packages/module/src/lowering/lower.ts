// Lowering: a finished train step in a form that one runtime runs faster. The plain step is always right; this is a pass over it.
import type { Graph } from "../graph.js";
import { anatomyOf } from "./anatomy.js";
import { blockedConvolutions } from "./blocked-convolution.js";
import { blockedNeighbour } from "./blocked-neighbours.js";
import { rewritten } from "./emission.js";
import type { Layout } from "./layout.js";

/** What a lowering is called where it is switched on and off. */
export type LoweringName = "blocked-convolutions";

export const loweringNames: readonly LoweringName[] = ["blocked-convolutions"];

export interface LoweringOptions {
  readonly lowerings: readonly LoweringName[];
  /** The channels in a block of the runtime's blocked kernels; without it, these kernels are not used. */
  readonly blockSize?: number;
}

export interface Lowered {
  readonly graph: Graph;
  /** Inputs, and outputs `new.<input>`, whose elements lie in another order. All others lie as ONNX says. */
  readonly layouts: ReadonlyMap<string, Layout>;
}

/**
 * The same step, with the same inputs and outputs, which may lie in another order. It gives the plain step's results up to
 * rounding, and repeats its own to the bit.
 */
export function lower(graph: Graph, { lowerings, blockSize }: LoweringOptions): Lowered {
  if (!lowerings.includes("blocked-convolutions") || blockSize === undefined) return { graph, layouts: new Map() };
  const anatomy = anatomyOf(graph);
  const { replacements, layouts } = blockedConvolutions(graph, anatomy, blockSize);
  const made = rewritten(graph, (node, emission) => {
    const replacement = replacements.get(node);
    replacement?.(emission);
    return replacement !== undefined || blockedNeighbour(node, emission, anatomy, blockSize);
  });
  return { graph: made, layouts };
}
