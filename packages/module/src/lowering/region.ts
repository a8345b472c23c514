// Which values lie in memory like a parameter: those that only operators on single elements connect with it.
import { elementCount } from "@perennial-fl/core";
import type { Graph, Node } from "../graph.js";
import type { Anatomy } from "./anatomy.js";

/** Operators for which the place of an element does not matter, if all their operands agree about it. */
const elementwise = new Set(
  "Abs Add And Cast Clip Div Equal Exp Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Max Mean Min Mul Neg Not Or Pow Reciprocal Sign Sqrt Sub Sum Where".split(
    " ",
  ),
);
const reductions = new Set("ReduceL1 ReduceL2 ReduceMax ReduceMin ReduceSum ReduceSumSquare ReduceMean".split(" "));

/**
 * The names of all values that must be stored as `parameter` is: it, its gradient, and everything that an optimizer makes of
 * them. `isEdge` says which nodes know about the layout themselves. Undefined where any other node would notice it.
 */
export function regionOf(
  graph: Graph,
  anatomy: Anatomy,
  parameter: string,
  isEdge: (node: Node, value: string) => boolean,
): ReadonlySet<string> | undefined {
  const shape = anatomy.header(parameter)?.shape ?? [];
  const region = new Set([parameter]);
  const isLike = (name: string): boolean => anatomy.header(name)?.shape.join() === shape.join();
  const isSingle = (name: string): boolean => name === "" || elementCount(anatomy.header(name)?.shape ?? [2]) === 1;
  const isWhole = (name: string): boolean => graph.initializers.has(name);
  for (const value of region) {
    const maker = anatomy.maker(value);
    const around = [...anatomy.readers(value), ...(maker === undefined ? [] : [maker])];
    for (const node of around) {
      if (isEdge(node, value)) continue;
      const connected = [...node.inputs, ...node.outputs].filter((name) => !isSingle(name));
      const isReduction = reductions.has(node.opType) && node.outputs.every(isSingle);
      const known = node.domain === "" && (elementwise.has(node.opType) || isReduction);
      const strange = (name: string): boolean => !isLike(name) || isWhole(name);
      // A reduction also reads its axes, which are no elements of the region.
      if (!known || (isReduction ? node.inputs[0] !== value : connected.some(strange))) {
        return undefined;
      }
      if (!isReduction) for (const name of connected) region.add(name);
    }
  }
  return isClosed(graph, region) ? region : undefined;
}

/** Whether every output in the region is the new value of an input in it, and the other way round. */
function isClosed({ inputs, outputs }: Graph, region: ReadonlySet<string>): boolean {
  const renewed = new Map(outputs.map(({ name }) => [name, name.replace(/^new\./, "")]));
  const ends = [...renewed].filter(([name, source]) => region.has(name) || region.has(source));
  const names = new Set(inputs.map(({ name }) => name));
  return ends.every(([name, source]) => names.has(source) && region.has(name) && region.has(source));
}
