// What a shape rule sees of its node, and the pieces that several rules share.
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { describeNode } from "../graph.js";
import { NodeSite } from "../node-site.js";

/** A node that is about to be placed. */
export class ShapeSite extends NodeSite {
  /** The constant integers of an input. */
  ints(index: number): number[] {
    const { constant } = this.input(index);
    if (constant === undefined) {
      throw new FederationError(
        "model/unsupported",
        `inferring the shape of the ${describeNode(this.node)}: its input ${index} is only known when the graph runs`,
      );
    }
    return Array.from<number | bigint, number>(constant.data, Number);
  }

  /** An axis counted from 0, of a value of the given rank. */
  axis(axis: number, rank: number): number {
    const counted = axis < 0 ? axis + rank : axis;
    if (counted < 0 || counted >= Math.max(rank, 1)) this.fail(`axis ${axis} of ${rank} axes`);
    return counted;
  }

  fail(message: string): never {
    throw new FederationError("model/shape", `inferring the shape of the ${describeNode(this.node)}: ${message}`);
  }
}

/** What a node's outputs are: one header, or one per output. */
export type ShapeRule = (at: ShapeSite) => TensorHeader | readonly TensorHeader[];

/** The shape that two shapes broadcast to (numpy's rule). */
export function broadcast(at: ShapeSite, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [left, right] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (left !== right && left !== 1 && right !== 1)
      at.fail(`[${a.join(", ")}] and [${b.join(", ")}] do not broadcast`);
    return left === 1 ? right : left;
  });
}
