// Convolutions whose weights are stored as a formulation wants them, with all that an optimizer makes of these weights.
import type { Graph, Node } from "../graph.js";
import type { Anatomy } from "./anatomy.js";
import type { WeightShape } from "./blocks.js";
import type { Emission } from "./emission.js";
import type { Layout } from "./layout.js";
import { regionOf } from "./region.js";

export type Replacement = (emission: Emission) => void;

/** Where a node is looked at: it meets `value`, which lies like the weights. */
export interface Surroundings {
  readonly weight: string;
  readonly shape: WeightShape;
  readonly value: string;
  readonly graph: Graph;
  readonly anatomy: Anatomy;
}

/** One way to compute a convolution and both of its gradients. */
export interface Formulation {
  /** How weights of this shape lie; undefined where they do not fit. */
  layout(shape: WeightShape): Layout | undefined;
  /** What takes the place of a node, and which other node has nothing left to do then; undefined where it is none of the three or does not fit. */
  replacement(node: Node, at: Surroundings): { readonly replace: Replacement; readonly also?: Node } | undefined;
}

/** Nodes in the place of others, and inputs (with the outputs `new.<input>`) stored in another order. */
export interface RelaidConvolutions {
  readonly replacements: ReadonlyMap<Node, Replacement>;
  readonly layouts: ReadonlyMap<string, Layout>;
}

/** For the weights of every convolution, the first formulation that fits all that reads them. */
export function relaidConvolutions(
  graph: Graph,
  anatomy: Anatomy,
  formulations: readonly Formulation[],
): RelaidConvolutions {
  const replacements = new Map<Node, Replacement>();
  const layouts = new Map<string, Layout>();
  const weights = new Set(graph.nodes.flatMap(({ opType, inputs }) => (opType === "Conv" ? inputs.slice(1, 2) : [])));
  for (const { name, dtype } of graph.inputs) {
    const shape = anatomy.header(name)?.shape ?? [];
    if (!weights.has(name) || dtype !== "float32" || !isWeightShape(shape)) continue;
    for (const formulation of formulations) {
      const layout = formulation.layout(shape);
      const found = new Map<Node, Replacement>();
      const isEdge = (node: Node, value: string): boolean => {
        const made = formulation.replacement(node, { weight: name, shape, value, graph, anatomy });
        if (made === undefined) return false;
        found.set(node, made.replace);
        // What a replacement makes as well leaves nothing to do in its old place.
        if (made.also !== undefined) found.set(made.also, () => undefined);
        return true;
      };
      const region = layout === undefined ? undefined : regionOf(graph, anatomy, name, isEdge);
      if (layout === undefined || region === undefined) continue;
      for (const [node, replacement] of found) replacements.set(node, replacement);
      for (const input of graph.inputs) if (region.has(input.name)) layouts.set(input.name, layout);
      break;
    }
  }
  return { replacements, layouts };
}

function isWeightShape(shape: readonly number[]): shape is WeightShape {
  return shape.length === 4;
}
