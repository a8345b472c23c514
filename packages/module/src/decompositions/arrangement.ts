// Operators that move blocks between channels and space, as Reshape and Transpose.
import { assert } from "@perennial-fl/core";
import type { Value } from "../builder.js";
import { intOf, stringOf } from "../graph.js";
import type { Decomposition } from "./decomposition.js";

export const arrangementDecompositions: { readonly [opType: string]: Decomposition } = {
  DepthToSpace: (g, node, [x]) => {
    assert(x !== undefined, "DepthToSpace has an input");
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const block = intOf(node, "blocksize", 1);
    const depth = channels / block ** 2;
    const columnsFirst = stringOf(node, "mode", "DCR") === "CRD";
    const split = columnsFirst
      ? [batch, depth, block, block, height, width]
      : [batch, block, block, depth, height, width];
    const perm = columnsFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
    return [
      g.reshape(g.op("Transpose", [g.reshape(x, split)], { perm }), [batch, depth, height * block, width * block]),
    ];
  },
  SpaceToDepth: (g, node, [x]) => {
    assert(x !== undefined, "SpaceToDepth has an input");
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const block = intOf(node, "blocksize", 1);
    const [rows, columns] = [height / block, width / block];
    const split = g.reshape(x, [batch, channels, rows, block, columns, block]);
    const turned: Value = g.op("Transpose", [split], { perm: [0, 3, 5, 1, 2, 4] });
    return [g.reshape(turned, [batch, channels * block ** 2, rows, columns])];
  },
};
